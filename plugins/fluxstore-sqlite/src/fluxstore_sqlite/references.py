"""What references ask for: a record that is there, and what becomes of those left behind."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from fluxstore.codec import Refusal
from fluxstore.entity import Field
from fluxstore.records import Key
from fluxstore_sqlite.rows import Found, Rows, StoredRow
from fluxstore_sqlite.unit import Unit


def dangling(unit: Unit, rows: Rows, old: Found | None, row: StoredRow) -> Iterator[Field]:
    """Yield the fields of a row that changed and name a record that is not there."""
    for field in rows.table.entity.references:
        stored = rows.value(row, field.name)
        if stored is None or (old is not None and rows.value(old.row, field.name) == stored):
            continue
        if not unit.is_there(parents(unit, field), (stored,)):
            yield field


def parents(unit: Unit, field: Field) -> Rows:
    """Return the rows that *field* refers to."""
    return unit.rows(unit.tables.entities[field.rules.references or ""])


def delete(unit: Unit, rows: Rows, key: Key) -> None:
    """Delete the record of *key*, and do to those that refer to it as they declare.

    Raises ``BrokenRuleError`` where one of them restricts it; the caller undoes what was done.
    """
    _Deletion(unit, rows, key).run()


@attrs.frozen
class _Step:
    """A record to be deleted: what refers to it first, then the record itself."""

    rows: Rows
    stored: StoredRow
    key: Key
    is_bare: bool = False
    """Nothing refers to it any more."""


class _Deletion:
    """One record's deletion, down all levels, however many there are.

    Children go first: SQLite's own ON DELETE then finds nothing that the ledger has not seen.
    """

    def __init__(self, unit: Unit, rows: Rows, key: Key) -> None:
        self._unit = unit
        self._rows = rows
        self._key = key
        self._visited: set[tuple[str, StoredRow]] = set()
        self._waiting = [_Step(rows, rows.stored_key(key), key)]

    def run(self) -> None:
        while self._waiting:
            step = self._waiting.pop()
            if step.is_bare:
                self._unit.remove(step.rows, step.key)
            elif self._is_new(step.rows, step.stored):
                self._visited.add((step.rows.table.entity.name, step.stored))
                self._waiting.append(attrs.evolve(step, is_bare=True))
                self._go_down(step)

    def _is_new(self, rows: Rows, stored: StoredRow) -> bool:
        return (rows.table.entity.name, stored) not in self._visited

    def _go_down(self, step: _Step) -> None:
        referring = self._unit.tables.entities.referring_to(step.rows.table.entity.name)
        for child, field in referring:
            rows = self._unit.rows(child)
            for stored in _children(self._unit, rows, field, step.stored):
                if self._is_new(rows, stored):
                    self._child(rows, field, stored)

    def _child(self, rows: Rows, field: Field, stored: StoredRow) -> None:
        match field.rules.on_delete:
            case "cascade":
                self._waiting.append(_Step(rows, stored, _key(rows, stored)))
            case "set_null":
                _set_null(self._unit, rows, field, _key(rows, stored))
            case "restrict":
                child = rows.table.entity
                raise self._rows.breaks.restrict(self._key, child, field, rows.words(stored))


def _children(unit: Unit, rows: Rows, field: Field, parent: StoredRow) -> list[StoredRow]:
    return [tuple(key) for key in unit.keys_where(rows, (field.name,), parent)]


def _key(rows: Rows, stored: StoredRow) -> Key:
    try:
        return rows.key(stored)
    except Refusal as refusal:
        raise rows.breaks.check(rows.words(stored), rows.table.entity.key[0], refusal) from None


def _set_null(unit: Unit, rows: Rows, field: Field, key: Key) -> None:
    found = unit.find(rows, key)
    if found is not None:
        unit.write(rows, key, found, rows.replaced(found.row, field.name, None))
