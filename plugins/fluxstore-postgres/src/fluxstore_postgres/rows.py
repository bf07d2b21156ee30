"""From a row that the driver returns to a ``Record``, and from a record's residue to its column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fluxstore.codec import Codec, Refusal
from fluxstore.errors import UnreadableRecordError
from fluxstore.records import NO_RESIDUE, UNTOUCHED, Key, Put, Record, Residue, Version
from fluxstore_postgres.forms import json_text
from fluxstore_postgres.tables import Table


class Rows:
    """Makes records of one table's rows: columns in the entity's order, residue, epoch, seq."""

    def __init__(self, table: Table, backend: str) -> None:
        """Prepare what can be prepared."""
        self._table = table
        self._backend = backend
        self._codec = Codec.of(table.entity)
        self._names = tuple(column.field.name for column in table.columns)
        self._width = len(self._names)
        self._decoders = tuple(
            (name, column.form.decode)
            for name, column in zip(self._names, table.columns, strict=True)
            if column.form.decode is not None
        )
        self._defaults = {column.field.name: column.default for column in table.columns}

    def record(self, row: Sequence[Any]) -> Record:
        """Return the record; ``UnreadableRecordError`` for a document that is none of the field."""
        values = dict(zip(self._names, row, strict=False))
        for name, decode in self._decoders:
            value = values[name]
            if value is not None:
                try:
                    values[name] = decode(value)
                except Refusal as refusal:
                    raise self._unreadable(values, name, refusal) from None
        key = self._codec.key_of(values)
        residue, epoch, seq = row[self._width : self._width + 3]
        version = UNTOUCHED if epoch is None else Version(epoch, seq)
        if residue is None:
            return Record(key, values, NO_RESIDUE, version)
        for name in residue.get("missing", ()):
            if name in values and values[name] == self._defaults[name]:
                del values[name]
        return Record(key, values, Residue.from_json(residue), version)

    def records(self, rows: Sequence[Sequence[Any]]) -> dict[Key, Record]:
        """Return the records by key."""
        return {record.key: record for record in map(self.record, rows)}

    def _unreadable(
        self, values: Mapping[str, Any], name: str, refusal: Refusal
    ) -> UnreadableRecordError:
        return UnreadableRecordError(
            refusal.expected,
            backend=self._backend,
            entity=self._table.entity.name,
            key=self._codec.key_text(self._codec.key_of(values)),
            file=self._table.words,
            field=name + refusal.path,
        )


def residue_document(table: Table, put: Put | Record) -> dict[str, Any] | None:
    """Return what the residue column holds for a whole record, ``None`` for nothing."""
    residue = put.residue or NO_RESIDUE
    missing = table.missing(put.values)
    return residue.to_json(missing) if residue or missing else None


def residue_texts(table: Table, records: Sequence[Record]) -> list[str | None]:
    """Return what the residue column holds for each record, as text; ``None`` for null."""
    known: dict[tuple[Any, ...], str | None] = {}
    made: list[str | None] = []
    for one in records:
        residue = one.residue
        if residue.extras or residue.spelling:
            made.append(document_text(residue_document(table, one)))
            continue
        alike = tuple(one.values), tuple(residue.alias.items()), residue.absent
        if alike not in known:
            known[alike] = document_text(residue_document(table, one))
        made.append(known[alike])
    return made


def document_text(document: object) -> str | None:
    """Return a JSON document as text, ``None`` for null."""
    return None if document is None else json_text(document)
