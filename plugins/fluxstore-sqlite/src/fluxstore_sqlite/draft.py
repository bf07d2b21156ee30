"""Records of one entity on their way into a table, in whatever order unique values allow.

SQLite checks a unique index row by row, and knows no deferrable one. What another row still holds
waits until that row has moved on; what waits in a circle (two records that swap a value) is written
after the rows of the circle have been parked on values that nobody has.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fluxstore.records import Key
from fluxstore_sqlite import sql
from fluxstore_sqlite.broken import BrokenRuleError
from fluxstore_sqlite.columns import Column, Declared, Stored
from fluxstore_sqlite.rows import Found, Rows, StoredRow
from fluxstore_sqlite.transactions import savepoint
from fluxstore_sqlite.unit import Unit

_PARKING: Mapping[Declared, Callable[[], Stored]] = {
    "TEXT": lambda: f"fluxstore-{secrets.token_hex(16)}",
    "INTEGER": lambda: secrets.randbits(62),
    "REAL": lambda: secrets.randbits(62) / 3,
    "BLOB": lambda: secrets.token_bytes(16),
}


class Draft:
    """What a unit is about to write to one table."""

    def __init__(self, unit: Unit, rows: Rows) -> None:
        """Begin with nothing."""
        self._unit = unit
        self._rows = rows
        self._waiting: dict[Key, StoredRow] = {}
        self._olds: dict[Key, Found | None] = {}

    def copy(self) -> Draft:
        """Return the same, to go back to where a part of the transaction is undone."""
        made = Draft(self._unit, self._rows)
        made._waiting, made._olds = dict(self._waiting), dict(self._olds)
        return made

    def current(self, key: Key) -> Found | None:
        """Return a record as it will be: waiting, or in the table."""
        if key in self._waiting:
            return Found(self._waiting[key])
        return self._unit.find(self._rows, key)

    def put(self, key: Key, old: Found | None, row: StoredRow) -> None:
        """Write *row* over *old*, now or later; ``BrokenRuleError`` where a check refuses it."""
        if key in self._waiting:
            self._waiting[key] = row
            return
        try:
            self._unit.write(self._rows, key, old, row)
        except BrokenRuleError as broken:
            if broken.rule != "unique":
                raise
            self._waiting[key] = row
            self._olds[key] = old

    def forget(self, key: Key) -> bool:
        """Drop what waits for *key*; tell whether the table has no record of it either."""
        waited = self._waiting.pop(key, None) is not None
        return waited and self._olds.pop(key) is None

    def write_what_is_free(self) -> bool:
        """Write what waits for nothing any more; tell whether it was any."""
        before = len(self._waiting)
        for broken in self._write_what_is_free():
            raise broken
        return len(self._waiting) < before

    def settle(self) -> list[BrokenRuleError]:
        """Write what waits; return what cannot be written."""
        refused: list[BrokenRuleError] = []
        while self._waiting:
            before = len(self._waiting)
            refused += self._write_what_is_free()
            refused += self._refuse_what_is_taken()
            if len(self._waiting) == before:
                refused += self._write_in_a_circle()
        return refused

    def _write_what_is_free(self) -> Iterator[BrokenRuleError]:
        for key, row in list(self._waiting.items()):
            try:
                self._unit.write(self._rows, key, self._olds[key], row)
            except BrokenRuleError as broken:
                if broken.rule == "unique":
                    continue
                yield broken
            del self._waiting[key]

    def _refuse_what_is_taken(self) -> Iterator[BrokenRuleError]:
        """Yield what collides with a record that is not going to move."""
        moving = {self._rows.key_row(row) for row in self._waiting.values()}
        for key, row in list(self._waiting.items()):
            found = self._unit.owner(self._rows, row)
            if found is None:
                continue
            group, owner = found
            if owner not in moving:
                moving.discard(self._rows.key_row(row))
                del self._waiting[key]
                yield self._rows.breaks.unique(key, group, self._rows.words(owner))

    def _write_in_a_circle(self) -> Iterator[BrokenRuleError]:
        """Write everything that waits at once, or yield the first that cannot be."""
        try:
            with savepoint(self._unit.driver):
                self._park()
                for key, row in self._waiting.items():
                    old = self._unit.find(self._rows, key) if self._olds[key] else None
                    self._unit.write(self._rows, key, old, row)
        except BrokenRuleError as broken:
            del self._waiting[broken.key]
            yield broken
        else:
            self._waiting.clear()

    def _park(self) -> None:
        key = set(self._rows.table.entity.key)
        groups = [group for group in self._rows.table.entity.unique if not key.issuperset(group)]
        columns = list(dict.fromkeys(_parked(self._rows, group) for group in groups))
        statement = self._rows.table.update(tuple(column.name for column in columns))
        with _unchecked(self._unit):
            for key in (key for key in self._waiting if self._olds[key]):
                values = [_parking(column) for column in columns]
                stored = self._rows.stored_key(key)
                self._unit.driver.execute(statement, (*values, *stored))


def _parked(rows: Rows, group: tuple[str, ...]) -> Column:
    """Return the column that frees a unique group: a nullable one, for nulls never collide."""
    columns = [rows.table.by_field[name] for name in group if name not in rows.table.entity.key]
    return next((one for one in columns if one.is_nullable), columns[0])


def _parking(column: Column) -> Stored:
    return None if column.is_nullable else _PARKING[column.form.declared]()


@contextmanager
def _unchecked(unit: Unit) -> Iterator[None]:
    unit.driver.execute(sql.pragma("ignore_check_constraints", "ON"))
    try:
        yield
    finally:
        unit.driver.execute(sql.pragma("ignore_check_constraints", "OFF"))
