"""A follower's quarantine, one record at a time: put in with its reason, let go when it crosses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fluxstore.adapter import Ledger
from fluxstore.codec import Codec
from fluxstore.entity import Entity
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


def release(ledger: Ledger, entity: Entity, keys: Iterable[Key]) -> int:
    """Take out the records *keys*: they have crossed; return how many were in quarantine."""
    known = ledger.quarantine(entity.name)
    if not known:
        return 0
    crossed = set(map(Codec.of(entity).key_text, keys))
    left = [one for one in known if one.problem.key not in crossed]
    if len(left) < len(known):
        ledger.set_quarantine(entity.name, left)
    return len(known) - len(left)
