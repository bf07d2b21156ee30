"""One ordered cursor over a table whose index has another order: it is sorted once, not per page.

An adopted table may order its text keys by a language's rules; pages that sort the whole table
each would take for ever. A page that does not go on where the last one ended begins a new cursor.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from itertools import count
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from fluxstore_postgres.connections import Connections
from fluxstore_postgres.failures import Where, translated
from fluxstore_postgres.statements import Statement, statement

Params = dict[str, Any]
NUMBERS = count()


class OrderedScan:
    """The cursor of one scan at a time, in the thread's snapshot or on its own connection."""

    def __init__(self, connections: Connections) -> None:
        """Open nothing yet."""
        self._connections = connections
        self._lock = threading.Lock()
        self._held = ExitStack()
        self._cursor: psycopg.ServerCursor[TupleRow] | None = None
        self._peeked: list[TupleRow] = []
        self._goes_on_after: Params | None = None

    def rows(self, everything: Statement, params: Params, *, where: Where) -> list[TupleRow]:
        """Return the rows after a key, one more than the page is to hold."""
        with self._lock:
            try:
                return self._rows(everything, params, where)
            except psycopg.Error as error:
                self._close()
                raise translated(error, where) from error

    def close(self) -> None:
        """Let go of the cursor and its connection."""
        with self._lock:
            self._close()

    def _rows(self, everything: Statement, params: Params, where: Where) -> list[TupleRow]:
        after = {name: text for name, text in params.items() if name != "limit"}
        cursor = self._cursor
        if cursor is None or after != self._goes_on_after:
            cursor = self._open(everything, after, where)
        wanted = int(params["limit"])
        rows = self._peeked + cursor.fetchmany(wanted - len(self._peeked))
        if len(rows) < wanted:
            self._close()
        else:
            self._peeked = rows[-1:]
            self._goes_on_after = None
        return rows

    def goes_on(self, after: Params) -> None:
        """Say after which key the next page goes on, if it goes on."""
        self._goes_on_after = after

    def _open(
        self, everything: Statement, after: Params, where: Where
    ) -> psycopg.ServerCursor[TupleRow]:
        self._close()
        link = self._connections.link_of_unit()
        if link is None:
            link = self._held.enter_context(self._connections.apart(where))
            link.execute(statement("session", "no_timeout").text)
            link.execute(statement("session", "begin_snapshot").text)
        self._cursor = cursor = link.cursor(name=f"fluxstore_scan_{next(NUMBERS)}")
        cursor.execute(everything.text, after, binary=True)
        return cursor

    def _close(self) -> None:
        if self._cursor is not None:
            with suppress(psycopg.Error):  # its transaction may have ended, and it with that
                self._cursor.close()
        self._held.close()
        self._cursor, self._peeked, self._goes_on_after = None, [], None
