"""One entity's records in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from fluxstore.adapter import Batch, Merged, Page, Size
from fluxstore.entity import Entity
from fluxstore.errors import OutcomeUnknown
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Put, Record, Rejected, Row, Versioned
from fluxstore_sqlite.applying import Application
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.fence import let_follow, let_merge, let_write
from fluxstore_sqlite.governed import SqliteReads
from fluxstore_sqlite.merging import Merge
from fluxstore_sqlite.notes import Ops, note
from fluxstore_sqlite.reading import Reading
from fluxstore_sqlite.tables import Tables
from fluxstore_sqlite.unit import Unit
from fluxstore_sqlite.writing import Commit


class SqliteCollection:
    """The verbs, each a transaction of its own or a part of this thread's."""

    def __init__(self, entity: Entity, connections: Connections, tables: Tables, ops: Ops) -> None:
        """Know where everything is."""
        self.entity = entity
        self._connections = connections
        self._tables = tables
        self._ops = ops
        self._reads = SqliteReads(entity, connections, tables, checks=False)
        self._governed = SqliteReads(entity, connections, tables, checks=True)

    # reading

    @property
    def governed(self) -> SqliteReads:
        """The same reads, each refused unless control lets this backend answer."""
        return self._governed

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        return self._reads.read(keys)

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return *limit* records after *cursor* in the order of keys."""
        nothing = Page((), None, done=1.0)
        return self._reads.asked(lambda reading: reading.scan(cursor, limit), nothing)

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        return self._reads.find(query)

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        return self._reads.count(query)

    def size(self) -> Size:
        """Return the number of records and roughly their bytes."""
        return self._reads.asked(lambda reading: reading.size(), Size(0, 0))

    def place(self) -> str:
        """Return file and table."""
        return self._tables.place(self.entity)

    # writing

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes* in one transaction; return the records of the puts as they are now."""
        try:
            return self._commit(changes, expect or {}, op_id)
        except OutcomeUnknown as error:
            error.entity, error.op_id = self.entity.name, op_id or ""
            raise

    def _commit(
        self, changes: Sequence[Change], expect: Mapping[Key, Row], op_id: str | None
    ) -> Mapping[Key, Record]:
        with self._unit(as_others_do=True) as unit:
            let_write(unit.control(self.entity), self.entity.name)
            keys = [change.key for change in changes]
            if op_id is None or not self._ops.is_done(unit.driver, op_id, self.entity):
                Commit(unit, self.entity, self._connections.backend).make(changes, expect)
                note(unit)
                if op_id is not None:
                    self._ops.note(unit.driver, op_id, self.entity, keys)
            reading = Reading(unit.driver, unit.rows(self.entity), has_ledger=True)
            return reading.read([change.key for change in changes if isinstance(change, Put)])

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, references apart."""
        with self._connections.rehearse() as driver:
            unit = Unit(driver, self._tables)
            with unit.writes():
                return Merge(unit, self.entity).foresee(records)

    def merge(self, batch: Batch) -> Merged:
        """Write what differs, leave what is equal, refuse singly what breaks a rule."""
        with self._unit() as unit:
            if batch.epoch is None:
                let_merge(unit.control(self.entity), self.entity.name)
            else:
                let_follow(unit.control(self.entity), self.entity.name, batch.epoch)
            return Merge(unit, self.entity).make(batch)

    def apply_if_newer(
        self, changes: Sequence[Versioned], *, epoch: int | None = None
    ) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and ops.

        What the changes break is judged before the transaction is committed.
        """
        with self._unit() as unit:
            let_follow(unit.control(self.entity), self.entity.name, epoch)
            application = Application.of(unit, self._connections, self._ops)
            return application.make(self.entity, changes)

    @contextmanager
    def _unit(self, *, as_others_do: bool = False) -> Iterator[Unit]:
        with self._connections.write() as driver:
            unit = Unit(driver, self._tables)
            with unit.writes(as_others_do=as_others_do):
                yield unit
