"""The whole contract for backends: ``Adapter``, ``Collection``, ``Ledger``, ``Capability``.

Verbs are few and plural: one record is a batch of one, and a missing key is absent from an answer.
A record inside is a mapping of plain values (``fluxstore.codec``); what a backend cannot hold in
typed columns travels as ``Residue``. Optional abilities are a ``Capability`` and a small protocol;
asking for one that is not declared raises ``UnsupportedError``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Record, Rejected, Row, Version, Versioned


class Capability(Enum):
    """What an adapter can do beside the verbs."""

    DURABLE = "durable"
    """An acknowledged commit survives a power cut."""
    TRANSACTIONS = "transactions"
    """Changes of several entities commit together (``Adapter.transaction``)."""
    ATOMIC_LEDGER = "atomic_ledger"
    """The ledger commits in the same atomic unit as the records; ``op_id`` works."""
    FENCING = "fencing"
    """Control is checked in each write's own atomic unit: fit to be an end of a live migration."""
    CAPTURE = "capture"
    """Writes of other clients are captured in the ledger."""
    KEY_ORDER = "key_order"
    """``scan`` yields records in the order of their keys."""
    PLACES = "places"
    """Records have places among each other (array order), which count as part of the data."""
    SCHEMA = "schema"
    """Tables that can be shown, compared and changed by steps: ``HasSchema``."""
    BACKUP = "backup"
    """Can be backed up and restored: ``HasBackup``."""
    SNAPSHOT = "snapshot"
    """A thread's reads can all be of one moment: ``HasSnapshot``."""


class Use(Enum):
    """What a backend is opened for."""

    SERVE = "serve"
    """An application reads and writes; what is not there yet is made at the first write."""
    SOURCE = "source"
    """Only read; what is missing is an error, and nothing is made or changed."""
    TARGET = "target"
    """Filled by a migration; what is missing is made."""


@attrs.frozen
class Opening:
    """Everything an adapter is opened with."""

    backend: str
    """The configured name, for messages."""
    settings: Any
    """An instance of the adapter's ``Settings``."""
    entities: Entities
    entity_settings: Mapping[str, Any]
    """Entity name to an instance of ``EntitySettings``; only for entities that have a table."""
    folder: Path
    """Where the configuration file is: relative paths start there."""
    use: Use = Use.SERVE


@attrs.frozen
class Page:
    """One page of a scan; ``cursor`` is ``None`` after the last page.

    ``rejected`` holds what stands between the records and cannot be decoded. ``done`` is how much
    of the whole has been passed, 0 to 1, where that is known.
    """

    records: tuple[Record, ...]
    cursor: str | None
    rejected: tuple[Rejected, ...] = ()
    done: float | None = None


@attrs.frozen
class Cursor:
    """Where an offline copy or backfill of one entity stands; saved with what it covers."""

    migration: str
    entity: str
    position: str | None
    """Where to go on in the source: what comes before it is settled. ``None``: the start."""
    fingerprint: str
    """Of the entity's schema: a cursor of another schema is not resumed."""
    counts: Mapping[str, int] = attrs.field(factory=dict)
    format: int = 1


@attrs.frozen
class Batch:
    """Records of a migration that are merged in one transaction, with the cursor they lead to.

    A record replaces what is there where it differs (values or residue); ``deletes`` go.
    """

    records: Sequence[Record]
    deletes: Sequence[Key] = ()
    cursor: Cursor | None = None


@attrs.frozen
class Merged:
    """What came of a batch: each record is written, unchanged or refused."""

    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    refused: tuple[Rejected, ...] = ()


@attrs.frozen
class Part:
    """A piece of what a whole file has beside its records, in chunks.

    ``name`` is ``order`` (``value``: 1,000 key texts in array order), ``wrapper`` (the other keys
    of the wrapping object), or an adapter's own. ``number`` counts a name's pieces from 0.
    """

    entity: str
    name: str
    number: int
    value: Any


@attrs.frozen
class Size:
    """How much an entity holds: ``records`` where it is cheap to know, ``bytes`` roughly."""

    records: int | None
    bytes: int


@attrs.frozen
class Finding:
    """Something ``doctor`` found; ``blocks`` says whether a migration must not start.

    ``offline`` says that an offline copy may go on all the same: settings that lose data in a power
    cut, say, which keep a backend from becoming the authority.
    """

    subject: str
    problem: str
    next_step: str = ""
    blocks: bool = False
    statements: tuple[str, ...] = ()
    """SQL for an administrator, where that is the next step."""
    offline: bool = False


class Collection(Protocol):
    """One entity's records in one backend."""

    entity: Entity

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
        restrict or set null as the entities declare.
        """
        ...

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor* (``None``: the start) in its own order."""
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

    def apply_if_newer(self, changes: Sequence[Versioned]) -> Sequence[bool]:
        """Apply each change whose version is newer than the one here, with its version and op.

        One transaction; no mark is made. Returns for each whether it was applied.
        """
        ...


Role = Literal["authority", "follower", "sealed", "committing", "archived"]


@attrs.frozen
class Control:
    """What a ledger says about an entity (or ``*``): the only truth about the phase."""

    epoch: int
    role: Role
    phase: str
    migration: str
    format: int = 1


@attrs.frozen
class Mark:
    """This key may differ in the follower since (epoch, seq)."""

    entity: str
    key: Key
    version: Version


class Ledger(Protocol):
    """What a backend keeps beside its records, in the same atomic unit."""

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        ...

    def set_control(self, entity: str, expected: Control | None, control: Control) -> bool:
        """Compare and set under the exclusive fence; ``False`` unless *expected* is there."""
        ...

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        ...

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks of the outbox."""
        ...

    def clear(self, marks: Sequence[Mark]) -> int:
        """Clear each mark that still is the one given; return how many."""
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

    def transaction(self) -> AbstractContextManager[None]:
        """Make this thread's commits one transaction; an error in the context undoes it."""
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
