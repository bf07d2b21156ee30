"""What the contract's verbs take and return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs

from fluxstore.entity import Entities
from fluxstore.records import Key, Record, Rejected, Version


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

    A record replaces what is there where it differs (values or residue); ``deletes`` go. With
    *epoch* it is a batch of a live backfill, of records that nobody has touched at the source: this
    side must be follower in that epoch (``StalePhaseError``); no other write of the entity runs
    between its start and its commit; a key with a version row here, a tombstone included, is left
    as it is and counted unchanged.
    """

    records: Sequence[Record]
    deletes: Sequence[Key] = ()
    cursor: Cursor | None = None
    epoch: int | None = None


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


@attrs.frozen
class Crossed:
    """Operations on a key that the follower has now; it took them in *epoch*."""

    entity: str
    key: Key
    op_ids: Sequence[str]
    epoch: int

    def is_of(self, control: Control | None) -> bool:
        """Tell whether the follower was the one of the migration that *control* names.

        A sealed side is an epoch ahead of its follower; between two migrations lie more.
        """
        return control is not None and control.epoch - self.epoch in (0, 1)


@attrs.frozen
class Touch:
    """A touched key, and its place in the order in which an entity's keys were written last."""

    key: Key
    number: int


@attrs.frozen
class Backlog:
    """How far a follower is behind."""

    marks: int
    seconds: float = 0.0
    """The age of the oldest mark."""
