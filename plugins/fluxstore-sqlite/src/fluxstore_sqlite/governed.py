"""Reads that control must let pass, checked in the statement or transaction that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fluxstore.entity import Entity
from fluxstore.errors import UsageError
from fluxstore.query import Found, Query
from fluxstore.records import Key, Record
from fluxstore_sqlite import queries
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.fence import let_read
from fluxstore_sqlite.ledger import role_of
from fluxstore_sqlite.reading import Reading
from fluxstore_sqlite.tables import Tables

T = TypeVar("T")


class SqliteReads:
    """One entity's records; with *checks*, refused unless control lets this backend answer."""

    def __init__(
        self, entity: Entity, connections: Connections, tables: Tables, *, checks: bool
    ) -> None:
        """Know where everything is."""
        self.entity = entity
        self._connections = connections
        self._tables = tables
        self._checks = checks

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        nothing: dict[Key, Record] = {}
        if len(keys) == 1:
            # One statement sees one moment as it is; several need a transaction.
            return self.asked(lambda reading: self._one(reading, keys[0]), nothing, alone=True)
        return self.asked(lambda reading: reading.read(keys), nothing)

    def _one(self, reading: Reading, key: Key) -> dict[Key, Record]:
        if not (self._checks and reading.has_ledger):
            return reading.read([key])
        role, record = reading.governed(key)
        let_read(role, self.entity.name)
        return {} if record is None else {key: record}

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        queries.check(self.entity, query)
        predicates = self._connections.predicates
        return self.asked(lambda reading: reading.find(query, predicates), Found(()))

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        queries.check(self.entity, Query(filters=query.filters))
        predicates = self._connections.predicates
        return self.asked(lambda reading: reading.count_of(query, predicates), 0)

    def asked(self, ask: Callable[[Reading], T], nothing: T, *, alone: bool = False) -> T:
        """Return what *ask* answers, or *nothing* where there is no table yet.

        *alone* says that *ask* is one statement, and checks control in it where that is to be.
        """
        if not self._connections.there():
            return nothing

        def work(driver: sqlite3.Connection) -> T:
            table = self._tables.find(driver, self.entity)
            # Without a ledger nobody else was the authority when this read began.
            has_ledger = self._tables.has_ledger(driver)
            if self._checks and has_ledger and not (alone and table):
                let_read(role_of(driver, self.entity.name), self.entity.name)
            if table is None:
                return nothing
            return ask(Reading(driver, self._tables.rows(table), has_ledger=has_ledger))

        try:
            return (
                self._connections.ask(work) if alone else self._connections.ask_at_one_moment(work)
            )
        except (OverflowError, UnicodeEncodeError):
            raise UsageError(f"{self.entity.name}: a value that can be stored expected") from None
