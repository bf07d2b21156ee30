"""Writers take turns: threads of a process, processes of a host, programs that know SQLite only."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fluxstore.ledger.lock import KernelLock, holders
from fluxstore_sqlite import sql
from fluxstore_sqlite.failures import BusyError, Where, is_busy, no_file
from fluxstore_sqlite.leases import writer_of


class Turns:
    """The turn to write to one file; whoever waits longer than it would is told for whom."""

    def __init__(self, where: Where, path: Path, timeout_seconds: float) -> None:
        """Wait up to *timeout_seconds* for a turn."""
        self._where = where
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._thread = threading.local()
        self._writers = threading.RLock()
        # SQLite's own lock knows no queue: of eight busy processes some write once in seconds.
        self._queue_file = path.with_name(f"{path.name}-queue")
        self._queue = KernelLock(self._queue_file, what=f"the turn to write to {path}")

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """Make this thread wait up to *seconds* for a turn that it asks for in the context."""
        self._thread.seconds = seconds
        try:
            yield
        finally:
            del self._thread.seconds

    @property
    def _seconds(self) -> float:
        return getattr(self._thread, "seconds", self._timeout_seconds)

    @contextmanager
    def of_this_process(self) -> Iterator[None]:
        """Hold back the other threads of this process; ``BusyError``."""
        try:  # an interrupt may come as soon as the lock is held: who holds it, the lock knows
            if not self._writers.acquire(timeout=self._seconds):
                problem = f"other threads wrote for {self._seconds:g} s"
                raise self._busy(problem, f"another thread of process {os.getpid()}")
            yield
        finally:
            with suppress(RuntimeError):
                self._writers.release()

    @contextmanager
    def of_this_host(self) -> Iterator[None]:
        """Hold back the writers of other processes, who come in the order in which they asked."""
        seconds = self._seconds
        try:
            if not self._is_queue_ours(seconds):
                holder = holders(self._queue_file)
                raise self._busy(
                    f"the turn to write has been held for {seconds:g} s by {holder}", holder
                )
            yield
        finally:
            self._queue.release()

    def _is_queue_ours(self, seconds: float) -> bool:
        try:
            return self._queue.is_acquired(seconds)
        except OSError as error:
            raise no_file(error, self._where) from error

    def begin(self, driver: sqlite3.Connection) -> None:
        """Begin a transaction in which nobody else writes; ``BusyError``."""
        seconds = self._seconds
        if seconds != self._timeout_seconds:
            _wait_up_to(driver, seconds)
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            holder = writer_of(self._path)
            raise self._busy(f"is locked by {holder} ({error})", holder) from error
        finally:
            if seconds != self._timeout_seconds:
                _wait_up_to(driver, self._timeout_seconds)

    def _busy(self, problem: str, holder: str) -> BusyError:
        error = BusyError(
            f"{self._path}: {problem}",
            backend=self._where.backend,
            next_step="nothing was changed; see what that process is doing, then try again",
        )
        error.holder = holder
        return error

    def tidy(self) -> None:
        """Remove the queue's file unless somebody is in it."""
        # A folder that is gone, or that takes no changes any more, has nothing to be tidied.
        with suppress(OSError):
            if self._queue_file.exists() and self._queue.try_acquire():
                self._queue_file.unlink(missing_ok=True)
                self._queue.release()

    def renew(self) -> None:
        """In a forked child: begin anew, for no other thread of the parent's is here."""
        self._thread = threading.local()
        self._writers = threading.RLock()


def _wait_up_to(driver: sqlite3.Connection, seconds: float) -> None:
    driver.execute(sql.pragma("busy_timeout", str(int(seconds * 1000))))
