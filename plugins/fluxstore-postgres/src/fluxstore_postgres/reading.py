"""Reading one entity's records: by keys, by query, and governed: where control lets us answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fluxstore.query import Found, Query
from fluxstore.records import Key, Record
from fluxstore_postgres import conditions
from fluxstore_postgres.tabling import Tabling

T = TypeVar("T")


class Reading:
    """The three ways to read."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when something is read."""
        self._tabling = tabling

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        return self._tabling.read(keys)

    def find(self, query: Query) -> Found:
        """Return the page of records that *query* asks for."""
        bound = self._tabling.planned()
        asked = conditions.find(bound.statements, query)
        if not bound.table.exists:
            self._tabling.let_nothing_be_read()
            return Found(())
        records = self._tabling.records(asked.statement, asked.params)
        if query.limit is None or len(records) <= query.limit:
            return Found(tuple(records))
        page = tuple(records[: query.limit])
        return Found(page, conditions.cursor(bound.statements, query, page[-1]))

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        bound = self._tabling.planned()
        asked = conditions.count(bound.statements, query)
        if not bound.table.exists:
            self._tabling.let_nothing_be_read()
            return 0
        run = self._tabling.database.connections.run
        return int(run(asked.statement, asked.params, where=bound.where)[0][0])


class GovernedReading:
    """The same, each refused unless control lets this backend answer.

    Once there is a ledger, control is asked in the read's own statement. Until then there is none
    to ask: a ledger that has not come by the time that a read is done held no control before.
    """

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when something is read; *tabling* is one of governed reads."""
        self._database = tabling.database
        self._reading = Reading(tabling)

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        if self._database.ledger is not None:
            return self._reading.read(keys)
        return self._without_ledger(lambda: self._reading.read(keys))

    def find(self, query: Query) -> Found:
        """Return the page of records that *query* asks for."""
        if self._database.ledger is not None:
            return self._reading.find(query)
        return self._without_ledger(lambda: self._reading.find(query))

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        if self._database.ledger is not None:
            return self._reading.count(query)
        return self._without_ledger(lambda: self._reading.count(query))

    def _without_ledger(self, read: Callable[[], T]) -> T:
        found = read()
        return found if self._database.known_ledger() is None else read()
