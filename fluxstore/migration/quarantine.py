"""A follower's quarantine, one record at a time: put in with its reason, let go when it crosses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from fluxstore.adapter import Adapter, Ledger
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import UsageError
from fluxstore.records import Key, Rejected


def put_in(ledger: Ledger, entity: Entity, rejected: Sequence[Rejected]) -> None:
    """Add *rejected*; what was known of the same records is replaced."""
    if not rejected:
        return
    known = list(ledger.quarantine(entity.name))
    keys = {one.problem.key for one in rejected}
    wanted = [*(one for one in known if one.problem.key not in keys), *rejected]
    if wanted != known:
        ledger.set_quarantine(entity.name, wanted)


def reconcile(origin: Adapter, follower: Adapter, entity: Entity) -> int:
    """Take out what was mended at *origin* and has crossed since; return how many it was.

    Whoever carries a record knows of no quarantine: looking there each time would cost too much.
    """
    known = follower.ledger.quarantine(entity.name)
    if not known:
        return 0
    text = Codec.of(entity).key_text
    gone = set(map(text, crossed(origin, follower, entity, known)))
    left = [one for one in known if one.problem.key not in gone]
    if len(left) < len(known):
        follower.ledger.set_quarantine(entity.name, left)
    return len(known) - len(left)


def crossed(
    origin: Adapter, follower: Adapter, entity: Entity, rejected: Sequence[Rejected]
) -> list[Key]:
    """Return the keys among *rejected* that were written since, and that *follower* has."""
    keys = list(keys_of(entity, rejected).values())
    ours = origin.ledger.versions(entity.name, keys)
    theirs = follower.ledger.versions(entity.name, keys)
    return [key for key in keys if key in ours and key in theirs and not theirs[key] < ours[key]]


def keys_of(entity: Entity, rejected: Iterable[Rejected]) -> Mapping[str, Key]:
    """Return the keys of problems by their text; what names a place in a file has none."""
    found: dict[str, Key] = {}
    for one in rejected:
        with suppress(UsageError):
            found[one.problem.key] = Codec.of(entity).key_of_text(one.problem.key)
    return found
