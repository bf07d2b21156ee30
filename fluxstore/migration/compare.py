"""Two sides joined by their digests: how many records are equal, and which are to be looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise

import attrs

from fluxstore.entity import Entity
from fluxstore.migration import identity
from fluxstore.migration.scratch import DIGEST_BYTES, Scratch, Table, aligned
from fluxstore.migration.sides import PROVED_BYTES, Side
from fluxstore.records import Reason, Rejected


class Root:
    """One digest of all records of a side, whatever their order.

    SHA-256 over (128-bit digest of the key's text, SHA-256 of the record's canonical bytes) of
    every record, sorted.
    """

    def __init__(self) -> None:
        """Begin with no record."""
        self._hash = hashlib.sha256()

    def take(self, entries: list[bytes]) -> None:
        """Take the next entries in order."""
        self._hash.update(b"".join([entry[:PROVED_BYTES] for entry in entries]))

    def hex(self) -> str:
        """Return the digest of what was taken."""
        return self._hash.hexdigest()


@attrs.define
class Joined:
    """What joining found; the tables hold digests of keys."""

    missing: Table
    orphans: Table
    diverged: Table
    doubled: Table
    """Keys that more than one record of a side has."""
    source_root: Root = attrs.field(factory=Root)
    target_root: Root = attrs.field(factory=Root)
    equal: int = 0
    union: int = 0
    """How many different keys there are."""
    quarantined: int = 0
    """How many of them are known to stay behind."""

    @classmethod
    def empty(cls, scratch: Scratch) -> Joined:
        """Return what joining nothing finds."""
        missing, orphans, diverged, doubled = (scratch.table(DIGEST_BYTES) for _ in range(4))
        return cls(missing, orphans, diverged, doubled)


def join(
    source: Side, target: Side, held: Table, scratch: Scratch, *, is_live: bool = False
) -> Joined:
    """Join two sides; *held* are the keys in quarantine: neither equal nor a difference.

    Where writers are at work no root can be of everything: then it is of what was equal at once.
    """
    found = Joined.empty(scratch)
    tables = source.digests, target.digests, source.unreadable, target.unreadable, held
    for ours, theirs, *apart in aligned(*tables):
        same = sorted(set(ours) & set(theirs)) if is_live else []
        found.source_root.take(same if is_live else ours)
        found.target_root.take(same if is_live else theirs)
        if ours == theirs and not any(apart) and len(_keys(ours)) == len(ours):
            found.equal += len(ours)
            found.union += len(ours)
        else:
            _sort_out(found, ours, theirs, apart=apart)
    return found


def _keys(entries: list[bytes]) -> dict[bytes, bytes]:
    return {entry[:DIGEST_BYTES]: entry for entry in entries}


def _sort_out(
    found: Joined, ours: list[bytes], theirs: list[bytes], *, apart: Iterable[Iterable[bytes]]
) -> None:
    """Sort the keys of one bucket; *apart* are those unreadable here, there, and held."""
    unreadable, unreadable_there, held = map(set, apart)
    here, there = _keys(ours), _keys(theirs)
    doubled = _doubled(ours) | _doubled(theirs)
    equal = {key for key in here.keys() & there.keys() if here[key] == there[key]} - doubled
    unequal = (here.keys() | there.keys()) - equal
    known, open_ = unequal & held, unequal - held
    found.equal += len(equal)
    found.union += len(here.keys() | there.keys() | unreadable | unreadable_there)
    found.quarantined += len(known | (held & unreadable))
    found.doubled.update(doubled & open_)
    single = open_ - doubled - unreadable - unreadable_there
    found.missing.update(single - there.keys())
    found.orphans.update(single - here.keys())
    found.diverged.update(single & here.keys() & there.keys())


def _doubled(entries: list[bytes]) -> set[bytes]:
    keys = [entry[:DIGEST_BYTES] for entry in entries]
    return {one for one, other in pairwise(keys) if one == other}


def held_keys(entity: Entity, quarantine: Iterable[Rejected], scratch: Scratch) -> Table:
    """Return the digests of the keys in a quarantine."""
    digest, table = identity.text_digest(entity), scratch.table(DIGEST_BYTES)
    keys = (one.problem.key for one in quarantine if one.problem.reason is not Reason.FILE)
    table.update(set(map(digest, keys)))
    return table
