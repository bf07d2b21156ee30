"""One entity's records in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from fluxstore.adapter import Batch, Merged, Page, Size
from fluxstore.entity import Entity
from fluxstore.errors import UsageError
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Put, Record, Rejected, Row, Versioned
from fluxstore_sqlite import queries
from fluxstore_sqlite.applying import Application
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.merging import Merge
from fluxstore_sqlite.notes import Ops, fence, note
from fluxstore_sqlite.reading import Reading
from fluxstore_sqlite.tables import Tables
from fluxstore_sqlite.unit import Unit
from fluxstore_sqlite.writing import Commit

T = TypeVar("T")


class SqliteCollection:
    """The verbs, each a transaction of its own or a part of this thread's."""

    def __init__(self, entity: Entity, connections: Connections, tables: Tables, ops: Ops) -> None:
        """Know where everything is."""
        self.entity = entity
        self._connections = connections
        self._tables = tables
        self._ops = ops

    # reading

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        nothing: dict[Key, Record] = {}
        # One statement sees one moment as it is; several need a transaction.
        return self._reading(lambda reading: reading.read(keys), nothing, alone=len(keys) < 2)

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return *limit* records after *cursor* in the order of keys."""
        return self._reading(lambda reading: reading.scan(cursor, limit), Page((), None, done=1.0))

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        queries.check(self.entity, query)
        predicates = self._connections.predicates
        return self._reading(lambda reading: reading.find(query, predicates), Found(()))

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        queries.check(self.entity, Query(filters=query.filters))
        predicates = self._connections.predicates
        return self._reading(lambda reading: reading.count_of(query, predicates), 0)

    def size(self) -> Size:
        """Return the number of records and roughly their bytes."""
        return self._reading(lambda reading: reading.size(), Size(0, 0))

    def place(self) -> str:
        """Return file and table."""
        return self._tables.place(self.entity)

    def _reading(self, ask: Callable[[Reading], T], nothing: T, *, alone: bool = False) -> T:
        if not self._connections.there():
            return nothing

        def work(driver: sqlite3.Connection) -> T:
            table = self._tables.find(driver, self.entity)
            if table is None:
                return nothing
            rows = self._tables.rows(table)
            return ask(Reading(driver, rows, has_ledger=self._tables.has_ledger(driver)))

        try:
            return (
                self._connections.ask(work) if alone else self._connections.ask_at_one_moment(work)
            )
        except (OverflowError, UnicodeEncodeError):
            raise UsageError(f"{self.entity.name}: a value that can be stored expected") from None

    # writing

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes* in one transaction; return the records of the puts as they are now."""
        with self._unit() as unit:
            fence(unit.driver, self.entity)
            if op_id is None or not self._ops.is_done(unit.driver, op_id, self.entity):
                Commit(unit, self.entity, self._connections.backend).make(changes, expect or {})
                note(unit)
                if op_id is not None:
                    keys = [change.key for change in changes]
                    self._ops.note(unit.driver, op_id, self.entity, keys)
            reading = Reading(unit.driver, unit.rows(self.entity), has_ledger=True)
            return reading.read([change.key for change in changes if isinstance(change, Put)])

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, references apart."""
        with self._connections.rehearse() as driver:
            return Merge(Unit(driver, self._tables), self.entity).foresee(records)

    def merge(self, batch: Batch) -> Merged:
        """Write what differs, leave what is equal, refuse singly what breaks a rule."""
        with self._unit() as unit:
            return Merge(unit, self.entity).make(batch)

    def apply_if_newer(self, changes: Sequence[Versioned]) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and op."""
        with self._unit() as unit:
            application = Application(unit, self.entity, self._ops, self._connections.backend)
            return application.make(changes)

    @contextmanager
    def _unit(self) -> Iterator[Unit]:
        with self._connections.write() as driver:
            yield Unit(driver, self._tables)
