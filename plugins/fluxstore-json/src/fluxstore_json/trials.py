"""Trials: units of change on a private copy of the ledger, of which nothing lasts."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from fluxstore.ledger import Transaction, facts, scratch
from fluxstore_json.moment import Moment
from fluxstore_json.places import Place
from fluxstore_json.rules import Rules
from fluxstore_json.unit import Unit

T = TypeVar("T")

_abandoned: list[sqlite3.Connection | None] = []


class _UndoneError(Exception):
    """Ends a trial."""


class Trials:
    """Keeps one copy for as long as nothing changes: its facts are made once."""

    def __init__(self, rules: Rules) -> None:
        """Begin without a copy."""
        self._rules = rules
        self._mutex = threading.Lock()
        self._copy: sqlite3.Connection | None = None
        self._version: int | None = None
        self._indexed: dict[str, str] = {}

    def run(
        self, moment: Moment, version: int | None, place: Place, work: Callable[[Unit], T]
    ) -> T:
        """Return what *work* makes of a unit on a copy of what *moment* sees.

        *version* is the ledger's; *place* is whose records will be written.
        """
        with self._mutex:
            transaction = Transaction(self._connection(moment, version))
            own = Moment(transaction.connection, moment.shelves, accept=True)
            self._index(transaction, own, place)
            made: list[T] = []

            def part(_: Transaction) -> None:
                made.append(work(Unit(transaction, own, self._rules)))
                raise _UndoneError

            with suppress(_UndoneError):
                transaction.part(part)
            return made[0]

    def _connection(self, moment: Moment, version: int | None) -> sqlite3.Connection:
        if self._copy is None or self._version != version:
            self.close()
            self._copy, self._version = scratch(moment.connection), version
        return self._copy

    def _index(self, transaction: Transaction, moment: Moment, place: Place) -> None:
        """Make the facts of *place* once for each version of its file."""
        identity = moment.shelf(place.file).file.identity
        if not place.entity.unique or self._indexed.get(place.name) == identity:
            return
        if place.name in self._indexed:
            facts.begin(transaction.connection, place.name)
        Unit(transaction, moment, self._rules).index(place)
        self._indexed[place.name] = identity

    def forget(self) -> None:
        """In a forked child: leave the parent's copy alone."""
        _abandoned.append(self._copy)
        self._mutex, self._copy = threading.Lock(), None
        self._indexed.clear()

    def close(self) -> None:
        """Forget the copy."""
        copy, self._copy = self._copy, None
        self._indexed.clear()
        if copy is not None:
            copy.close()
