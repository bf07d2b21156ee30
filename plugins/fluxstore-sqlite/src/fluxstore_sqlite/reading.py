"""Reading records of one table: by keys, page by page, by queries."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import msgspec

from fluxstore import evaluate
from fluxstore.adapter import Page, Size
from fluxstore.errors import CursorError
from fluxstore.query import Found as FoundPage
from fluxstore.query import Query
from fluxstore.records import UNTOUCHED, Key, Record, Rejected, Version
from fluxstore_sqlite.columns import Stored
from fluxstore_sqlite.fetching import fetch, fetch_one
from fluxstore_sqlite.ledger import of_ledger, role_of
from fluxstore_sqlite.predicates import Predicates
from fluxstore_sqlite.queries import Translation
from fluxstore_sqlite.rows import FieldRefusedError, Found, Rows, StoredRow
from fluxstore_sqlite.sql import conditions
from fluxstore_sqlite.sql.conditions import Condition

_SAMPLE_ROWS = 100


@attrs.frozen
class _Position:
    """Where a scan stands: the last key, how many it has passed, and how many there were."""

    key: StoredRow
    passed: int
    total: int

    def text(self) -> str:
        """Return it as a cursor."""
        key = [_to_json(part) for part in self.key]
        return msgspec.json.encode([key, self.passed, self.total]).decode()


class Reading:
    """Reads one table over one connection, whose statements should all see the same moment."""

    def __init__(self, driver: sqlite3.Connection, rows: Rows, *, has_ledger: bool) -> None:
        """Use *driver*; without the ledger's tables every record is untouched."""
        self._driver = driver
        self._rows = rows
        self._table = rows.table
        self.has_ledger = has_ledger

    def read(self, keys: Iterable[Key]) -> dict[Key, Record]:
        """Return the records of *keys*."""
        found: dict[Key, Record] = {}
        for key in keys:
            record = self._read_one(key)
            if record is not None:
                found[key] = record
        return found

    def governed(self, key: Key) -> tuple[str | None, Record | None]:
        """Return this backend's role and the record of *key*, both of one moment."""
        try:
            stored = self._rows.stored_key(key)
        except FieldRefusedError:
            return role_of(self._driver, self._table.entity.name), None
        texts = [self._table.codec.key_text(key)] * self._table.texts_of_read
        *row, role = fetch(self._driver, self._table.governed_read, (*stored, *texts))[0]
        return role, self._recorded(Found.of(row), stored)

    def _read_one(self, key: Key) -> Record | None:
        try:
            stored = self._rows.stored_key(key)
        except FieldRefusedError:
            return None
        if self.has_ledger:
            texts = [self._table.codec.key_text(key)] * self._table.texts_of_read
            row = fetch_one(self._driver, self._table.read, (*texts, *stored))
        else:
            row = fetch_one(self._driver, self._table.read_plain, stored)
        return None if row is None else self._recorded(Found.of(row), stored)

    def _recorded(self, found: Found, stored: StoredRow) -> Record | None:
        # A column that folds case finds A for a: another record.
        return self._rows.record(found) if self._rows.key_row(found.row) == stored else None

    # scanning

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return *limit* records after *cursor*, those that cannot be decoded among them."""
        at = _position(cursor, len(self._table.key)) if cursor is not None else None
        key = self._table.asked_key
        condition = conditions.ALWAYS if at is None else conditions.after_key(key, at.key)
        total = at.total if at is not None else self.count(conditions.ALWAYS)
        order = conditions.ordered((), key)
        page = self._page(self._with_keys(condition), order, limit + 1)
        without_key = self._without_key() if at is None else []
        records, rejected = self._decoded([*without_key, *page[:limit]])
        passed = (at.passed if at else len(without_key)) + len(page[:limit])
        more = len(page) > limit > 0
        last = _Position(self._rows.key_row(page[limit - 1].row), passed, total) if more else None
        done = min(passed / total, 1.0) if last and total else 1.0
        return Page(records, None if last is None else last.text(), rejected, done)

    def _with_keys(self, condition: Condition) -> Condition:
        if not self._table.has_null_keys:
            return condition
        there = [conditions.is_null(asked, False) for asked in self._table.asked_key]
        return conditions.all_of((condition, *there))

    def _without_key(self) -> list[Found]:
        """Return the rows that no order of keys reaches; an adopted table may have some."""
        if not self._table.has_null_keys:
            return []
        absent = conditions.any_of(conditions.is_null(one) for one in self._table.asked_key)
        return self._page(absent, conditions.ordered((), self._table.asked_key), -1)

    def _page(self, condition: Condition, order: str, limit: int) -> list[Found]:
        statement = self._table.page(condition, order)
        found = [
            Found.of(row) for row in fetch(self._driver, statement, (*condition.values, limit))
        ]
        return self._with_ledger(found)

    def _decoded(self, found: Sequence[Found]) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
        records: list[Record] = []
        rejected: list[Rejected] = []
        for one in found:
            try:
                records.append(self._rows.decoded(one))
            except FieldRefusedError as error:
                rejected.append(self._rows.rejected(one, error))
        return tuple(records), tuple(rejected)

    # what is kept beside

    def _with_ledger(self, found: list[Found]) -> list[Found]:
        """Return rows with version and, of an adopted table, residue; most have neither."""
        name = self._table.entity.name
        if not self.has_ledger or not found:
            return found
        touched = fetch_one(self._driver, of_ledger("has_versions"), (name,)) is not None
        if not touched and not self._table.adopted:
            return found
        return [self._completed(one) for one in found]

    def _completed(self, found: Found) -> Found:
        text = self._rows.words(self._rows.key_row(found.row))
        row = fetch_one(self._driver, self._table.beside, (text,))
        residue, epoch, seq = row or (None, None, None)
        version = UNTOUCHED if epoch is None else Version(epoch, seq)
        return Found((*found.row[:-1], residue) if self._table.adopted else found.row, version)

    # queries

    def find(self, query: Query, predicates: Predicates) -> FoundPage:
        """Return what *query* asks for."""
        limit = -1 if query.limit is None else query.limit + 1
        with predicates.scope() as register:
            asked = Translation(self._table, query, register)
            found = self._page(asked.paged(), asked.order, limit)
        records = tuple(self._rows.record(one) for one in found[: query.limit])
        more = len(found) > len(records) and records
        entity = self._table.entity
        return FoundPage(records, evaluate.cursor(entity, query, records[-1]) if more else None)

    def count_of(self, query: Query, predicates: Predicates) -> int:
        """Return how many records the filters of *query* find."""
        with predicates.scope() as register:
            return self.count(Translation(self._table, query, register).filtered())

    def count(self, condition: Condition) -> int:
        """Return how many records *condition* finds."""
        row = fetch_one(self._driver, self._table.counted(condition), condition.values)
        return row[0] if row else 0

    def size(self) -> Size:
        """Return the number of records, and their bytes guessed from a few."""
        total = self.count(conditions.ALWAYS)
        order = conditions.ordered((), self._table.asked_key)
        some = self._page(conditions.ALWAYS, order, _SAMPLE_ROWS)
        length = sum(_length(part) for one in some for part in one.row)
        return Size(total, length * total // max(len(some), 1))


def _length(stored: Stored) -> int:
    return len(stored) if isinstance(stored, str | bytes) else 8


def _to_json(stored: Stored) -> Any:
    return {"bytes": base64.b64encode(stored).decode()} if isinstance(stored, bytes) else stored


def _from_json(part: Any) -> Stored:
    if isinstance(part, dict):
        return base64.b64decode(part["bytes"], validate=True)
    if part is None or isinstance(part, str | int | float):
        return part
    raise ValueError("a stored key expected")


def _position(text: str, parts: int) -> _Position:
    try:
        key, passed, total = msgspec.json.decode(text, type=tuple[list[Any], int, int])
        if len(key) != parts:
            raise ValueError("another key expected")
        return _Position(tuple(map(_from_json, key)), passed, total)
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, binascii.Error):
        raise CursorError(
            "a scan's cursor expected", next_step="start this entity afresh"
        ) from None
