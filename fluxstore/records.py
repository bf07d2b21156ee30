"""What travels between application, core and backends: keys, records, changes, problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from typing import Any, TypeAlias

import attrs

from fluxstore.errors import printable, shortened

KeyPart: TypeAlias = Any
"""One field of a key as a plain value: str, int, UUID, date, …"""

Key: TypeAlias = Any
"""A single key's plain value, or a tuple of them for a composite key."""

Row: TypeAlias = Mapping[str, Any]
"""Field name to plain value (``fluxstore.codec``). A field that the record does not have is absent;
``None`` is a null that is there."""


@attrs.frozen(order=True)
class Version:
    """How new a record is. Compared as ``(epoch, seq)``; clocks never order anything."""

    epoch: int
    seq: int
    deleted: bool = attrs.field(default=False, order=False)


UNTOUCHED = Version(0, 1)
"""The version of a record for which the ledger has no row: versions are sparse."""


@attrs.frozen
class Residue:
    """What a record has beside its declared values, so that its document can be made again.

    ``extras``: undeclared fields and their JSON values. ``spelling``: field to its original JSON
    value where encoding the plain value would spell it differently; void once the value changes,
    which the reader finds out by decoding it. ``alias``: field to the name it was found under.
    ``absent``: nested entities whose array was not there at all (an empty array was). Names of
    missing fields are not residue of a ``Record``: a missing field is absent from its ``values``.
    """

    extras: Mapping[str, Any] = attrs.field(factory=dict)
    spelling: Mapping[str, Any] = attrs.field(factory=dict)
    alias: Mapping[str, str] = attrs.field(factory=dict)
    absent: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is anything to keep."""
        return bool(self.extras or self.spelling or self.alias or self.absent)

    def to_json(self, missing: tuple[str, ...] = ()) -> dict[str, Any] | None:
        """Return a JSON object for a residue column, or ``None`` where there is nothing to keep.

        *missing* names the fields that a typed column cannot leave out.
        """
        parts: dict[str, Any] = {
            "missing": sorted(missing),
            "extras": dict(self.extras),
            "spelling": dict(self.spelling),
            "alias": dict(self.alias),
            "absent": sorted(self.absent),
        }
        return {name: part for name, part in parts.items() if part} or None

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Residue:
        """Return the residue of a JSON object; its ``missing`` is the adapter's to apply."""
        if not value:
            return NO_RESIDUE
        return cls(
            extras=value.get("extras", {}),
            spelling=value.get("spelling", {}),
            alias=value.get("alias", {}),
            absent=tuple(value.get("absent", ())),
        )


NO_RESIDUE = Residue()


@attrs.frozen
class Record:
    """One record of a backend."""

    key: Key
    values: Row
    residue: Residue = NO_RESIDUE
    version: Version = UNTOUCHED


class Intent(Enum):
    """What a ``Put`` means to do."""

    CREATE = "create"
    """The key must not be there: ``RecordExistsError`` otherwise."""
    REPLACE = "replace"
    """The whole record, whether it is there or not."""
    CHANGE = "change"
    """The named fields only, of a record that is there: ``RecordNotFoundError`` otherwise."""


@attrs.frozen
class Put:
    """A record to be written. ``values`` is the whole record, or for ``CHANGE`` the fields.

    ``residue=None`` keeps what the record has (``put`` and ``update`` of an application);
    a ``Residue`` replaces it.
    """

    key: Key
    values: Row
    intent: Intent = Intent.REPLACE
    residue: Residue | None = None


@attrs.frozen
class Delete:
    """A record to be deleted: ``RecordNotFoundError`` where it is not there."""

    key: Key


Change: TypeAlias = Put | Delete


@attrs.frozen
class Versioned:
    """A record or a tombstone (``record=None``) with its version, for ``apply_if_newer``."""

    key: Key
    version: Version
    record: Record | None
    op_ids: Sequence[str] = ()
    """Operations that made it what it is, so that a repetition of them is known here, too."""


class Reason(StrEnum):
    """Why a record cannot be taken; the same word in every command and report."""

    MISSING = "missing"
    TYPE = "type"
    CHOICE = "choice"
    RANGE = "range"
    PATTERN = "pattern"
    LENGTH = "length"
    SIZE = "size"
    DEPTH = "depth"
    NOT_FINITE = "not_finite"
    NAIVE = "naive"
    NUL = "nul"
    SURROGATE = "surrogate"
    KEY = "key"
    UNKNOWN_FIELD = "unknown_field"
    DUPLICATE_NAME = "duplicate_name"
    DUPLICATE_KEY = "duplicate_key"
    UNIQUE = "unique"
    REFERENCE = "reference"
    CHECK = "check"
    UNREPRESENTABLE = "unrepresentable"
    FILE = "file"


@attrs.frozen
class Problem:
    """One thing wrong with one record (or, with ``Reason.FILE``, with a whole file)."""

    entity: str
    reason: Reason
    expected: str
    """What was expected, and what was found, shortened and without personal data."""
    key: str = ""
    """The record's key as text, or ``[index]`` where it has none that can be read."""
    field: str = ""
    """The field, with a path into it: ``tags[3]``, ``address.city``."""
    file: str = ""
    """The file or table, where there is one."""

    def __str__(self) -> str:
        """Return one line: file, entity, record, field, what was expected."""
        where = " ".join(part for part in (self.file, self.entity, shortened(self.key, 60)) if part)
        field = f" {self.field}" if self.field else ""
        return printable(f"{where}{field}: {self.expected} ({self.reason})")


@attrs.frozen
class Rejected:
    """A record that cannot cross: its problem and its bytes as they are at the source."""

    problem: Problem
    raw: bytes = b""
