"""The protocols of a backend: ``Adapter``, ``Collection``, ``Ledger``, and optional ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from fluxstore.adapter.facts import (
    Backlog,
    Batch,
    Capability,
    Control,
    Crossed,
    Cursor,
    Finding,
    Mark,
    Merged,
    Opening,
    Page,
    Part,
    Size,
    Touch,
)
from fluxstore.entity import Entity
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Record, Rejected, Row, Version, Versioned


class Reads(Protocol):
    """The three ways to read one entity's records."""

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        ...

    def find(self, query: Query) -> Found:
        """Return the records that *query* asks for."""
        ...

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        ...


class Collection(Protocol):
    """One entity's records in one backend."""

    entity: Entity

    @property
    def governed(self) -> Reads:
        """The same reads, each refused unless control lets this backend answer.

        Checked in the read's own atomic unit. An authority answers, a sealed one too, and a backend
        without control; ``SealedError`` while *committing*, ``StalePhaseError`` from a follower or
        an archived side. ``UnsupportedError`` without ``FENCING``.
        """
        ...

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent.

        Raises ``UnreadableRecordError`` where what is stored cannot be decoded.
        """
        ...

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes* in one transaction; return the records of the puts as they are now.

        *expect* maps keys to values as they were read: ``ConflictError`` unless the record still
        has them (a missing field counts as its default). With *op_id*, a repetition makes no
        second change and returns the records as they are (``UnsupportedError`` without
        ``ATOMIC_LEDGER``). Raises ``RecordExistsError``,
        ``RecordNotFoundError``, ``ConstraintError``; then nothing was changed. Deletes cascade,
        restrict or set null as the entities declare. Under control the records carry the version
        they were given; ``StalePhaseError`` where this backend is not the authority,
        ``SealedError`` where it is sealed or committing.
        """
        ...

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor* (``None``: the start) in its own order.

        While others write, every record that nobody touches meanwhile is on one of the pages.
        """
        ...

    def find(self, query: Query) -> Found:
        """Return the records that *query* asks for; ``UsageError`` for a cursor not its own."""
        ...

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        ...

    def size(self) -> Size:
        """Return how much there is, cheaply."""
        ...

    def place(self) -> str:
        """Return the file or table in words, for messages and reports."""
        ...

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, writing nothing that lasts.

        References between records are the caller's to foresee.
        """
        ...

    def merge(self, batch: Batch) -> Merged:
        """Merge a batch in one transaction with its cursor; equal records are not written."""
        ...

    def apply_if_newer(
        self, changes: Sequence[Versioned], *, epoch: int | None = None
    ) -> Sequence[bool]:
        """Apply each change whose version is newer than the one here, with its version and ops.

        One transaction, rules judged at its end (in ``Adapter.transaction``, at the end of that
        where the store can); no mark is made. Returns for each whether it was applied; the ops of
        one that is not newer are kept, too. Where there is control, this side must be follower, in
        *epoch* where that is given: ``StalePhaseError``. ``ConstraintError`` where a rule of this
        side is in the way.
        """
        ...


class Ledger(Protocol):
    """What a backend keeps beside its records, in the same atomic unit."""

    def controls(self) -> Mapping[str, Control]:
        """Return every control record by entity (or ``*``)."""
        ...

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        ...

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Compare and set under the exclusive fence; ``False`` unless *expected* is there.

        ``None`` as *control* takes the record away. Versions and marks are kept while control names
        a phase other than ``off``; what keeps them (triggers, for one) comes and goes here, in the
        same transaction. With *purge*, every version, tombstone, mark and cursor of the entities
        that this record governs is forgotten in it, too. The fence is tried for 200 ms at a time,
        so that writers get through; ``LeaseError`` names who holds it when *patience_seconds* are
        over, and nothing was changed.
        """
        ...

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        ...

    def touched(self, entity: str, after: int, limit: int) -> Sequence[Touch]:
        """Return up to *limit* touched keys, in the order in which each was written last.

        Those beyond the place *after*; 0 is before all. A key that is written again moves behind
        all others. What ``apply_if_newer`` brings may have any place.
        """
        ...

    def last_touch(self, entity: str) -> int:
        """Return the place of the last key that was written, 0 where there is none.

        No write that is under way gets a place up to it any more; ``LeaseError`` names a
        transaction that stays open instead.
        """
        ...

    def operations(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return the ids of the operations that changed *keys* and may still be repeated."""
        ...

    def owed(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return those of them that are not known to have crossed to the other side.

        What ``apply_if_newer`` brought came from there. What crossed in one migration is owed
        again in another.
        """
        ...

    def operated(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys that such operations have changed, in one order, after *after*.

        Records that were deleted in phase ``off`` are found nowhere else.
        """
        ...

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks of the outbox, the oldest first."""
        ...

    def backlog(self, entity: str) -> Backlog:
        """Return how many marks of *entity* there are, and how old the oldest is."""
        ...

    def clear(self, marks: Sequence[Mark], crossed: Sequence[Crossed] = ()) -> int:
        """Clear each mark that still is the one given; return how many.

        In the same unit, *crossed* operations are owed no more: each that is of the migration
        which control names (``Crossed.is_of``).
        """
        ...

    def fact(self, name: str) -> Any:
        """Return the JSON value that is kept under *name*, or ``None``."""
        ...

    def set_fact(self, name: str, value: Any) -> None:
        """Keep a JSON value under *name*, durably; ``None`` forgets it."""
        ...

    def cursor(self, migration: str, entity: str) -> Cursor | None:
        """Return where a migration stands, saved by the last merged batch."""
        ...

    def drop_cursors(self, migration: str) -> None:
        """Forget where a migration stands: it is over, or begins afresh."""
        ...

    def quarantine(self, entity: str) -> Sequence[Rejected]:
        """Return what is in quarantine of *entity*."""
        ...

    def set_quarantine(self, entity: str, rejected: Iterable[Rejected]) -> None:
        """Replace the quarantine of *entity*."""
        ...

    def parts(self, entity: str) -> Iterator[Part]:
        """Return what *entity*'s file has beside its records (saved, or read from the file)."""
        ...

    def save_parts(self, entity: str, parts: Iterable[Part]) -> int:
        """Replace the parts of *entity*, writing only what differs; return how many."""
        ...

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the lease *name* for the context; ``LeaseError`` if another holds it."""
        ...


class Adapter(Protocol):
    """Code that knows one kind of store, opened as one backend."""

    name: ClassVar[str]
    Settings: ClassVar[type]
    """A frozen attrs class: the keys of ``[backends.<name>]`` beside ``adapter``, ``entities``."""
    EntitySettings: ClassVar[type]
    """A frozen attrs class: the keys of ``[backends.<name>.entities.<entity>]``."""
    capabilities: frozenset[Capability]
    ledger: Ledger

    def __init__(self, opening: Opening) -> None:
        """Open the backend; ``ConfigError``, ``AccessError`` or ``BackendUnavailableError``."""
        ...

    def collection(self, entity: Entity) -> Collection:
        """Return the collection of *entity*, the same one each time."""
        ...

    def transaction(self, governed: Sequence[Entity] = ()) -> AbstractContextManager[None]:
        """Make this thread's commits one transaction; an error in the context undoes it.

        Entering checks control of *governed* as a write would (``StalePhaseError``,
        ``SealedError``); it cannot change before the context ends.
        """
        ...

    def prepare(self, entities: Sequence[Entity]) -> None:
        """Make the backend ready for *entities*; indexes may come in ``complete``."""
        ...

    def complete(self, entities: Sequence[Entity]) -> None:
        """End a migration's writing: indexes, constraints, files folded, everything durable."""
        ...

    def examine(self) -> Sequence[Finding]:
        """Return what ``doctor`` should say: settings that lose data, rights, versions, disk."""
        ...

    def describe(self) -> str:
        """Return where the backend is, without secrets."""
        ...

    def close(self) -> None:
        """Let go of everything; a second call does nothing."""
        ...


@runtime_checkable
class HasSchema(Protocol):
    """``Capability.SCHEMA``."""

    def ddl(self) -> str:
        """Return the statements that make the tables of all entities."""
        ...

    def differences(self) -> Sequence[Finding]:
        """Return how what is there differs from what the entities need."""
        ...

    def apply_steps(self, folder: Path, *, dry_run: bool = False) -> Sequence[str]:
        """Apply the numbered SQL files of *folder* that have not run yet; return their names.

        Each runs in a transaction with the record that it ran. ``PlanError`` for one edited since.
        """
        ...


@runtime_checkable
class HasBackup(Protocol):
    """``Capability.BACKUP``."""

    def backup(self, folder: Path) -> Path:
        """Copy everything into a new folder or file below *folder*, verified; return its path."""
        ...

    def restore(self, backup: Path) -> None:
        """Replace everything by a backup made earlier."""
        ...


@runtime_checkable
class HasSnapshot(Protocol):
    """``Capability.SNAPSHOT``."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Make this thread's reads, the ledger's included, those of one moment in the context."""
        ...
