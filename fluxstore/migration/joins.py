"""Duplicates, collisions and references without their record: found by joining digests on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import pairwise

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.migration import identity
from fluxstore.migration.scratch import DIGEST_BYTES, Scratch, Table, aligned
from fluxstore.records import Record

_PAIR_BYTES = 2 * DIGEST_BYTES


class Why(IntEnum):
    """Why a record that can be decoded stays behind; the byte behind its digest says which."""

    DUPLICATE = 0
    """Another record has its key."""
    COLLISION = 1
    """Another record has its values of a unique group."""
    ABSENT = 2
    """A record that it refers to is not there."""
    HELD_BACK = 3
    """A record that it refers to stays behind itself."""


class Evidence:
    """What the first pass writes down of one entity's records."""

    def __init__(self, entity: Entity, entities: Entities, scratch: Scratch) -> None:
        """Begin empty."""
        self.entity = entity
        self.keys = scratch.table(DIGEST_BYTES)
        """Keys of records that can be decoded."""
        self.rejected = scratch.table(DIGEST_BYTES)
        """Keys of records that cannot, where the key at least can be read."""
        self.aside = scratch.table(DIGEST_BYTES)
        """Keys of records that are listed already: too large, or foreseen by the target."""
        self.unique = [scratch.table(_PAIR_BYTES) for _ in entity.unique]
        """(values, key) for each unique group."""
        self.references = [scratch.table(_PAIR_BYTES) for _ in entity.references]
        """(key of the record referred to, own key) for each reference."""
        self._key = identity.key_digest(entity)
        self._groups = [identity.unique_digest(entity, group) for group in entity.unique]
        self._referred = [
            identity.reference_digest(entity, field, entities[str(field.rules.references)])
            for field in entity.references
        ]

    @property
    def _tables(self) -> tuple[Table, ...]:
        return self.keys, self.rejected, self.aside, *self.unique, *self.references

    def take(self, records: Sequence[Record]) -> list[bytes]:
        """Write down *records*; return their keys' digests."""
        key = self._key
        digests = [key(record.key) for record in records]
        self.keys.update(digests)
        for table, digest in (
            *zip(self.unique, self._groups, strict=True),
            *zip(self.references, self._referred, strict=True),
        ):
            for record, own in zip(records, digests, strict=True):
                found = digest(record.values)
                if found is not None:
                    table.add(found + own)
        return digests

    def rest(self) -> None:
        """Let go of what memory holds."""
        for table in self._tables:
            table.rest()

    def close(self) -> None:
        """Let go of everything but the keys."""
        for table in (*self.unique, *self.references, self.aside):
            table.close()


@attrs.frozen
class Flags:
    """The records of one entity that stay behind."""

    why: Table
    """(key, reason, which group or reference): what is still to be named."""
    bad: Table
    """The keys of all of them, each once."""

    @classmethod
    def none(cls, scratch: Scratch) -> Flags:
        """Return flags of nothing."""
        return cls(scratch.table(DIGEST_BYTES + 2), scratch.table(DIGEST_BYTES))

    def add(self, key: bytes, why: Why, at: int = 0) -> None:
        """Say why the record *key* stays behind."""
        self.why.add(key + bytes((why, at)))


Books = Mapping[str, Evidence]


def flag(books: Books, outside: Mapping[str, Table], scratch: Scratch) -> dict[str, Flags]:
    """Return which records of *books* stay behind, what refers to them included.

    *outside* holds the keys that the target has of entities that do not cross now.
    """
    flags = {name: Flags.none(scratch) for name in books}
    for name, book in books.items():
        _duplicates(book, flags[name])
        _collisions(book, flags[name])
        _absences(book, books, outside, flags[name])
    new = {name: _each_once(scratch, flags[name].why, books[name].aside) for name in books}
    spread(books, flags, new, scratch)
    return flags


def _duplicates(book: Evidence, flags: Flags) -> None:
    """Flag keys that are there twice; a record that cannot be decoded has its key all the same."""
    for keys, rejected in aligned(book.keys, book.rejected, driver=book.keys):
        known = set(keys)
        found = known.intersection(rejected)
        if len(known) < len(keys):
            found.update(one for one, other in pairwise(keys) if one == other)
        for key in found:
            flags.add(key, Why.DUPLICATE)


def _collisions(book: Evidence, flags: Flags) -> None:
    for at, table in enumerate(book.unique):
        for pairs in table.sorted():
            for key in _colliding(pairs):
                flags.add(key, Why.COLLISION, at)


def _colliding(pairs: list[bytes]) -> set[bytes]:
    """Return the keys of different records with equal values."""
    return {
        pair[DIGEST_BYTES:]
        for both in pairwise(pairs)
        if both[0][:DIGEST_BYTES] == both[1][:DIGEST_BYTES] and both[0] != both[1]
        for pair in both
    }


def _absences(book: Evidence, books: Books, outside: Mapping[str, Table], flags: Flags) -> None:
    for at, field in enumerate(book.entity.references):
        name = str(field.rules.references)
        known = outside[name] if name in outside else books[name].keys
        unreadable = outside[name] if name in outside else books[name].rejected
        refers = book.references[at]
        for own, held in _lost(refers, known, unreadable):
            flags.add(own, Why.HELD_BACK if held else Why.ABSENT, at)


def _lost(refers: Table, known: Table, unreadable: Table) -> Iterator[tuple[bytes, bool]]:
    """Yield who refers to a record that is not *known*, and whether it is there, *unreadable*."""
    for pairs, keys, held in aligned(refers, known, unreadable, driver=refers):
        there, cannot = set(keys), set(held)
        for pair in pairs:
            parent, own = pair[:DIGEST_BYTES], pair[DIGEST_BYTES:]
            if parent not in there:
                yield own, parent in cannot


def spread(
    books: Books, flags: Mapping[str, Flags], new: dict[str, Table], scratch: Scratch
) -> None:
    """Let everything stay behind that refers to *new* (keys by entity), however indirectly."""
    while any(map(len, new.values())):
        for name, table in new.items():
            _copy(table, flags[name].bad)
        found = {name: _referring(book, new, flags[name], scratch) for name, book in books.items()}
        done, new = new, {n: _less(scratch, table, flags[n].bad) for n, table in found.items()}
        for table in (*done.values(), *found.values()):
            table.close()


def _referring(book: Evidence, new: Mapping[str, Table], flags: Flags, scratch: Scratch) -> Table:
    found = scratch.table(DIGEST_BYTES)
    for at, field in enumerate(book.entity.references):
        name = str(field.rules.references)
        if name in new and len(new[name]):
            for own in _holding_on(
                book.references[at], new[name], own_kind=name == book.entity.name
            ):
                flags.add(own, Why.HELD_BACK, at)
                found.add(own)
    return found


def _holding_on(refers: Table, gone: Table, *, own_kind: bool) -> Iterator[bytes]:
    """Yield who refers to a record that is *gone*; not one that refers to itself."""
    for pairs, parents in aligned(refers, gone, driver=gone):
        held = set(parents)
        for pair in pairs:
            parent, own = pair[:DIGEST_BYTES], pair[DIGEST_BYTES:]
            if parent in held and not (own_kind and parent == own):
                yield own


def _each_once(scratch: Scratch, *tables: Table) -> Table:
    """Return the digests with which the entries of *tables* begin, each once."""
    made = scratch.table(DIGEST_BYTES)
    for lists in aligned(*tables):
        made.update({entry[:DIGEST_BYTES] for entries in lists for entry in entries})
    return made


def _less(scratch: Scratch, table: Table, known: Table) -> Table:
    made = scratch.table(DIGEST_BYTES)
    for entries, others in aligned(table, known, driver=table):
        made.update(set(entries).difference(others))
    return made


def _copy(table: Table, to: Table) -> None:
    for entries in table.sorted():
        to.update(entries)


def count_only_in(table: Table, other: Table) -> int:
    """Return how many different digests of *table* no entry of *other* begins with."""
    return sum(len(found) for found in only_in(table, other))


def only_in(table: Table, *others: Table) -> Iterator[set[bytes]]:
    """Yield the digests of *table* that no entry of *others* begins with, in sets that fit."""
    for entries, *rest in aligned(table, *others, driver=table):
        known = {entry[:DIGEST_BYTES] for known in rest for entry in known}
        yield {entry[:DIGEST_BYTES] for entry in entries} - known
