"""A watch over calls in flight: a server that says nothing at all is given up in time.

``statement_timeout`` is the server's own clock, and a stopped or unreachable server has none. The
driver would wait for ever, so a thread of ours shuts the socket down, and the waiting call fails.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref

import psycopg

LONGEST_NAP_SECONDS = 1.0


class Call:
    """One connection's call in flight; ``deadline`` is 0.0 while there is none."""

    __slots__ = ("__weakref__", "connection", "deadline", "expired", "lock")

    def __init__(self, connection: psycopg.Connection[object]) -> None:
        """Watch *connection* as long as both live."""
        self.connection = weakref.ref(connection)
        self.deadline = 0.0
        self.expired = False
        self.lock = threading.Lock()

    def begin(self, seconds: float) -> None:
        """Give the call that begins now *seconds*, and its server's own timeout a head start."""
        self.deadline = time.monotonic() + seconds

    def end(self) -> None:
        """Let the call be over."""
        with self.lock:
            self.deadline = 0.0

    def give_up(self, now: float) -> None:
        """Shut the connection's socket down if the call is overdue."""
        with self.lock:
            if not 0.0 < self.deadline < now:
                return
            self.deadline, self.expired = 0.0, True
            connection = self.connection()
            if connection is not None and not connection.closed:
                _shut_down(connection.fileno())


class Watchdog:
    """The thread that looks at every call in flight."""

    def __init__(self, shortest_seconds: float) -> None:
        """Look often enough for calls of *shortest_seconds*; the thread starts with the first."""
        self._nap_seconds = min(LONGEST_NAP_SECONDS, shortest_seconds / 4)
        self._calls: weakref.WeakSet[Call] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, connection: psycopg.Connection[object]) -> Call:
        """Return the call slot of a new connection."""
        call = Call(connection)
        with self._lock:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._look, name="fluxstore-postgres-watchdog", daemon=True
                )
                self._thread.start()
        return call

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(self._nap_seconds):
            with self._lock:
                calls = list(self._calls)
            now = time.monotonic()
            for call in calls:
                call.give_up(now)


def _shut_down(descriptor: int) -> None:
    # A duplicate: closing our socket object must not close the driver's descriptor.
    with socket.socket(fileno=os.dup(descriptor)) as handle:
        try:
            handle.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is down already
