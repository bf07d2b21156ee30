"""A unit of work: one transaction on one connection, with an honest end."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import TupleRow

from fluxstore_postgres.failures import Undone, Where, is_lost, outcome, translated
from fluxstore_postgres.statements import Part, Statement, statement

if TYPE_CHECKING:
    from fluxstore_postgres.connections import Connections, Link

T = TypeVar("T")
Params = Sequence[Any] | Mapping[str, Any] | None


def rows_of(link: psycopg.Connection[TupleRow], asked: Statement, params: Params) -> list[TupleRow]:
    """Run a prepared statement and return its rows, none where it has none."""
    cursor = link.execute(asked.text, params, prepare=asked.is_prepared or None, binary=True)
    result = cursor.pgresult  # `description` would describe every column
    return cursor.fetchall() if result is not None and result.nfields else []


def _drain(link: psycopg.Connection[TupleRow]) -> None:
    """Wait until what was written is on its way: libpq would pile it up and move the pile."""
    while link.pgconn.flush():
        select.select([], [link.fileno()], [], 1.0)


class Unit:
    """A transaction that is open in this thread."""

    def __init__(
        self,
        connections: Connections,
        link: Link,
        where: Where,
        *,
        begin: Statement | None = None,
        seconds: float | None = None,
        writes: bool = True,
        op_id: str = "",
    ) -> None:
        """Hold the connection; ``transaction`` begins and ends it."""
        self.link = link
        self.where = where
        self.op_id = op_id
        self._connections = connections
        self._seconds = seconds
        self._begin = begin or connections.sessions.begin(seconds, writes=writes)
        self._number: str | None = None
        """By which that run of the server knows the transaction, where it may write."""
        self._end = statement("session", "commit")

    def run(
        self, asked: Statement, params: Params = None, *, where: Where | None = None
    ) -> list[TupleRow]:
        """Run one statement and return its rows."""
        return self.do(asked.name, lambda: rows_of(self.link, asked, params), where=where)

    def execute(self, part: Part) -> None:
        """Run a statement that is made for the occasion."""
        text = part.as_string(None).encode()
        self.do("ddl", lambda: self.link.execute(text))

    def copy(self, asked: Statement, blocks: Iterable[str]) -> None:
        """Send *blocks* of lines to a COPY, no faster than the server takes them."""

        def work() -> None:
            with self.link.cursor() as cursor, cursor.copy(asked.text) as copy:
                for block in blocks:
                    copy.write(block)
                    _drain(self.link)

        self.do(asked.name, work)

    def do(self, name: str, work: Callable[[], T], *, where: Where | None = None) -> T:
        """Do something else with the connection (a COPY), watched and translated alike."""
        try:
            return self._connections.call(self.link, name, work, seconds=self._seconds)
        except psycopg.Error as error:
            raise translated(error, where or self.where) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin; commit at the end, undo after an error.

        Where the connection dies while committing, the server is asked what came of it; where it
        does not say so in time: OutcomeUnknown.
        """
        try:
            self._number = self._briefly(self._begin)
        except psycopg.Error as error:
            raise translated(error, self.where) from error
        try:
            yield
        except BaseException:
            self._undo()
            raise
        try:
            self._briefly(self._end)
        except psycopg.Error as error:
            self._undo()
            if not is_lost(error):
                raise translated(error, self.where) from error
            self._settle(error)

    def _settle(self, error: psycopg.Error) -> None:
        """Return if the transaction was committed after all."""
        said = self._connections.settled(self._number) if self._number else None
        if said == "committed":
            return
        if said == "aborted":
            undone = Undone("the connection failed while committing, and nothing was done")
            raise translated(undone, self.where) from undone
        raise outcome(error, self.where, is_open=True, op_id=self.op_id) from error

    @contextmanager
    def savepoint(self, where: Where | None = None) -> Iterator[None]:
        """Make a part of the transaction that can fail alone."""
        try:
            with self.link.transaction():
                yield
        except psycopg.Error as error:
            raise translated(error, where or self.where) from error

    def _undo(self) -> None:
        if self.link.closed:
            return
        try:
            self._briefly(statement("session", "rollback"))
        except psycopg.Error:
            self.link.close()  # its server undoes what was open

    def _briefly(self, asked: Statement) -> str | None:
        """Run what only begins or ends, within the usual time; return what its last part says."""

        def work() -> str | None:
            cursor = self.link.execute(asked.text)
            while cursor.nextset():
                continue
            row = cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else None

        return self._connections.call(self.link, asked.name, work)
