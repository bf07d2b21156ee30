"""Records ⇄ rows of a table.

A row is a tuple of the table's columns in the entity's order, and last the residue as JSON text (or
``None``). A column always has a value: where a field is missing it holds the field's default, and
the residue says so, for as long as the column still holds that default.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs

from fluxstore.codec import Refusal
from fluxstore.errors import UnreadableRecordError, shortened
from fluxstore.kinds import Kind
from fluxstore.records import (
    NO_RESIDUE,
    UNTOUCHED,
    Key,
    Reason,
    Record,
    Rejected,
    Residue,
    Row,
    Version,
)
from fluxstore_sqlite.broken import Breaks
from fluxstore_sqlite.columns import Stored, from_json_text, to_json_text
from fluxstore_sqlite.table import Table

StoredRow: TypeAlias = tuple[Stored, ...]
_SURELY_SMALL_CHARACTERS = 200_000


@attrs.frozen
class Found:
    """What a table holds of one key: its row, and its version where it was touched."""

    row: StoredRow
    version: Version = UNTOUCHED

    @classmethod
    def of(cls, fetched: Sequence[Any]) -> Found:
        """Return what a statement fetched: the row, epoch and seq."""
        *row, epoch, seq = fetched
        return cls(tuple(row), UNTOUCHED if epoch is None else Version(epoch, seq))


class FieldRefusedError(Exception):
    """A refusal of one field; caught where the record is known."""

    def __init__(self, field: str, refusal: Refusal) -> None:
        """Hold both."""
        super().__init__(field, refusal)
        self.field = field
        self.refusal = refusal


class Rows:
    """The conversions of one table."""

    def __init__(self, table: Table, place: str, backend: str) -> None:
        """Know the table, and what to call it in messages."""
        self.table = table
        self.breaks = Breaks(table.entity)
        self._place = place
        self._backend = backend
        self._defaults: dict[str, Stored] = {}
        self._at = {column.field.name: at for at, column in enumerate(table.columns)}
        self._writers = tuple((column.field.name, column.write) for column in table.columns)
        self._readers = tuple((column.field.name, column.read) for column in table.columns)

    # to rows

    def row(self, key: Key, values: Row, residue: Residue) -> StoredRow:
        """Return the row of a record; ``FieldRefusedError`` for what cannot be kept."""
        parts = dict(zip(self.table.entity.key, _parts(self.table, key), strict=True))
        given = {**values, **parts}
        row: list[Stored] = []
        missing: list[str] = []
        for name, write in self._writers:
            try:
                if name in given:
                    row.append(write(given[name]))
                else:
                    row.append(self._default(name))
                    missing.append(name)
            except Refusal as refusal:
                raise FieldRefusedError(name, refusal) from None
        kept = residue.to_json(tuple(missing)) if missing or residue else None
        return (*row, None if kept is None else to_json_text(kept))

    def _default(self, name: str) -> Stored:
        column = self.table.by_field[name]
        if column.field.required:
            raise Refusal(Reason.MISSING, "a value expected, none found")
        if name not in self._defaults:
            self._defaults[name] = column.write(self.table.codec.default(name))
        return self._defaults[name]

    @cached_property
    def _long(self) -> tuple[int, ...]:
        """Where values of any length stand in a row."""
        bounded = (Kind.INT, Kind.BOOL, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.DATETIME, Kind.UUID)
        places = [
            at
            for at, column in enumerate(self.table.columns)
            if column.field.type.scalar not in bounded and not column.field.type.choices
        ]
        return (*places, len(self.table.columns))

    def is_surely_small(self, row: StoredRow) -> bool:
        """Tell whether a row is so short that its record cannot be too large.

        A record is measured by its canonical bytes, and making those takes longer than this.
        """
        total = 0
        for at in self._long:
            part = row[at]
            if type(part) in (str, bytes):
                total += len(part)  # type: ignore[arg-type]  # it is one of the two
        return total < _SURELY_SMALL_CHARACTERS

    def stored_key(self, key: Key) -> tuple[Stored, ...]:
        """Return the stored values of a plain key; ``FieldRefusedError`` where it cannot be one."""
        try:
            return self.table.stored_key(key)
        except Refusal as refusal:
            raise FieldRefusedError(self.table.entity.key[0], refusal) from None

    # from rows

    def record(self, found: Found) -> Record:
        """Return the record of a row; ``UnreadableRecordError`` where it cannot be decoded."""
        try:
            return self.decoded(found)
        except FieldRefusedError as error:
            raise UnreadableRecordError(
                f"{error.refusal.expected} ({error.refusal.reason})",
                backend=self._backend,
                entity=self.table.entity.name,
                key=self.words(self.key_row(found.row)),
                field=error.field + error.refusal.path,
                file=self._place,
                next_step="it stays as it is; mend it there",
            ) from None

    def rejected(self, found: Found, error: FieldRefusedError) -> Rejected:
        """Return a row that cannot be decoded as what a scan lists."""
        return Rejected(
            self.table.codec.problem(
                error.field, error.refusal, self.words(self.key_row(found.row)), file=self._place
            ),
            raw=self.raw(found.row),
        )

    def decoded(self, found: Found) -> Record:
        """Return the record of a row; ``FieldRefusedError`` where it cannot be decoded."""
        row = found.row
        values: dict[str, Any] = {}
        for (name, read), stored in zip(self._readers, row, strict=False):
            try:
                values[name] = read(stored)
            except Refusal as refusal:
                raise FieldRefusedError(name, refusal) from None
        key = self.table.codec.key_of(values)
        if row[-1] is None:
            return Record(key, values, NO_RESIDUE, found.version)
        kept = self.kept(row)
        for name in kept.get("missing", ()):
            if self._is_default(name, row):
                values.pop(name, None)
        return Record(key, values, Residue.from_json(kept), found.version)

    def kept(self, row: StoredRow) -> Mapping[str, Any]:
        """Return what the residue of a row holds; ``FieldRefusedError`` where it is no object."""
        try:
            kept = from_json_text(row[-1])
        except Refusal as refusal:
            raise FieldRefusedError("residue", refusal) from None
        if not isinstance(kept, dict):
            raise FieldRefusedError("residue", Refusal(Reason.TYPE, "an object expected"))
        return kept

    def _is_default(self, name: str, row: StoredRow) -> bool:
        return name in self._at and self.value(row, name) == self._default(name)

    def key_row(self, row: StoredRow) -> tuple[Stored, ...]:
        """Return the stored values of a row's key."""
        return tuple(row[place] for place in self.table.key_places)

    def value(self, row: StoredRow, field: str) -> Stored:
        """Return the stored value of one field."""
        return row[self._at[field]]

    def replaced(self, row: StoredRow, field: str, stored: Stored) -> StoredRow:
        """Return *row* with another stored value of one field."""
        at = self._at[field]
        return (*row[:at], stored, *row[at + 1 :])

    def key(self, stored: StoredRow) -> Key:
        """Return the plain key of a stored one; ``Refusal`` where it cannot be decoded."""
        parts = [column.read(value) for column, value in zip(self.table.key, stored, strict=True)]
        return parts[0] if len(parts) == 1 else tuple(parts)

    def words(self, stored_key: StoredRow) -> str:
        """Return a stored key as text, for messages: readable or not."""
        try:
            return self.table.codec.key_text(self.key(stored_key))
        except Refusal:
            shown = ["NULL" if part is None else str(part) for part in stored_key]
            return shortened(", ".join(shown), 80)

    def raw(self, row: StoredRow) -> bytes:
        """Return a row as JSON: what quarantine keeps of it."""
        shown = {name: _shown(stored) for name, stored in zip(self.table.names, row, strict=False)}
        return to_json_text(shown).encode()


def _parts(table: Table, key: Key) -> tuple[Any, ...]:
    return (key,) if len(table.key) == 1 else tuple(key)


def _shown(stored: Stored) -> Any:
    if isinstance(stored, bytes):
        return {"$bytes": base64.b64encode(stored).decode("ascii")}
    if isinstance(stored, str):
        return stored.encode("utf-8", "backslashreplace").decode()
    return stored
