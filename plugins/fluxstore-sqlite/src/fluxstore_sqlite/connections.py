"""Connections to one SQLite file: who reads, who writes, and what a failure leaves behind."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import attrs

from fluxstore.adapter import Use
from fluxstore.errors import BackendUnavailableError, FluxstoreError, UnsupportedError
from fluxstore.ledger.lock import KernelLock
from fluxstore_sqlite import collations, sql
from fluxstore_sqlite.failures import Where, no_file, translated
from fluxstore_sqlite.opening import Identity, identity, uri
from fluxstore_sqlite.predicates import Predicates
from fluxstore_sqlite.settings import Settings

T = TypeVar("T")
_CACHED_STATEMENTS = 512
_ATTEMPTS = 5


@attrs.frozen(eq=False)
class _Connection:
    driver: sqlite3.Connection
    identity: Identity
    immutable: bool
    process: int


class Connections:
    """All connections of one adapter; a thread that writes has one to itself."""

    def __init__(self, backend: str, path: Path, settings: Settings, use: Use) -> None:
        """Know the file; nothing is opened yet."""
        self.backend = backend
        self.path = path
        self.read_only = use is Use.SOURCE
        self.predicates = Predicates()
        self.on_commit: list[Callable[[], None]] = []
        self.on_undo: list[Callable[[], None]] = []
        """Called after a transaction, or a part of it, was undone: what it made is gone."""
        self._settings = settings
        self._timeout_seconds = settings.timeout.total_seconds()
        self._idle: deque[_Connection] = deque()
        self._thread = threading.local()
        self._writers = threading.Lock()
        # SQLite's own lock knows no queue: of eight busy processes some write once in seconds.
        queue = path.with_name(f"{path.name}-queue")
        self._queue = KernelLock(queue, what=f"the turn to write to {path}")
        self._has_journal = False
        self._is_restless = False
        self._closed = False
        self._was_there = False

    def is_writing(self) -> bool:
        """Tell whether this thread is in a transaction of its own."""
        return getattr(self._thread, "writing", None) is not None

    def there(self) -> bool:
        """Tell whether the file is there; raise where it was, and is no more."""
        self._refuse_closed()
        if self._identity() is not None:
            self._was_there = True
        elif self._was_there:
            raise BackendUnavailableError(
                f"{self.path} was there and is gone",
                backend=self.backend,
                next_step="put it back, or restore a backup",
            )
        return self._was_there

    # reading

    def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* answers, given this thread's own connection while it writes, else any.

        *work* may be called again: where a source changes while it is read, the answer is dropped.
        """
        self._refuse_closed()
        held: sqlite3.Connection | None = getattr(self._thread, "writing", None)
        if held is not None:
            return work(held)
        for _ in range(_ATTEMPTS):
            connection = self._take()
            try:
                answer = work(connection.driver)
            except sqlite3.Error as error:
                if not self._has_moved(connection):
                    raise self._failure(error) from error
            except FluxstoreError:
                if not self._has_moved(connection):
                    raise
            else:
                if not self._has_moved(connection):
                    return answer
            finally:
                self._give_back(connection)
        self._is_restless = True
        return self.ask(work)

    def ask_at_one_moment(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* answers; all its statements see the same moment."""
        return self.ask(lambda driver: _at_one_moment(driver, work))

    def _has_moved(self, connection: _Connection) -> bool:
        return connection.immutable and connection.identity != self._identity()

    # writing

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction that is committed at the end, undone by an error.

        Inside another one of this thread it is a part of that: an error undoes this part only.
        """
        self._refuse_closed()
        held: sqlite3.Connection | None = getattr(self._thread, "writing", None)
        try:
            if held is not None:
                with self._part(held):
                    yield held
            else:
                with self.alone() as driver, self._transaction(driver):
                    yield driver
        except sqlite3.Error as error:
            raise self._failure(error) from error

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in no transaction, while no other thread of this process writes."""
        self._refuse_closed()
        if self.read_only:
            raise UnsupportedError("is opened to be read only", backend=self.backend)
        if not self._writers.acquire(timeout=self._timeout_seconds):
            raise self._waited_long()
        try:
            self._make_folder()
            connection = self._take()
            try:
                yield connection.driver
            finally:
                self._give_back(connection)
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            self._writers.release()

    @contextmanager
    def rehearse(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction that is undone at the end.

        Where there is no file yet, it is one in memory: a rehearsal makes nothing.
        """
        held: sqlite3.Connection | None = getattr(self._thread, "writing", None)
        with self.alone() if held is None and self.there() else _in_memory(held) as driver:
            if held is None:
                self._prepare(driver)
            driver.execute("SAVEPOINT rehearsal")
            self._thread.writing = driver
            try:
                yield driver
            except sqlite3.Error as error:
                raise self._failure(error) from error
            finally:
                driver.execute("ROLLBACK TO rehearsal")
                driver.execute("RELEASE rehearsal")
                _call(self.on_undo)
                self._thread.writing = held

    def _make_folder(self) -> None:
        if self._was_there:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_file(error, self.where) from error

    @contextmanager
    def _transaction(self, driver: sqlite3.Connection) -> Iterator[None]:
        with self._turn():
            if not self._has_journal:
                self._set_journal(driver)
            driver.execute("BEGIN IMMEDIATE")
            self._thread.writing = driver
            try:
                yield
                driver.execute("COMMIT")
            except BaseException:
                self._undo(driver)
                raise
            else:
                _call(self.on_commit)
            finally:
                self._thread.writing = None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold back the writers of other processes, who come in the order in which they asked."""
        try:
            self._queue.acquire(self._timeout_seconds)
        except BackendUnavailableError as error:
            error.backend = self.backend
            raise
        except OSError as error:
            raise no_file(error, self.where) from error
        try:
            yield
        finally:
            self._queue.release()

    def _set_journal(self, driver: sqlite3.Connection) -> None:
        (mode,) = driver.execute("PRAGMA journal_mode").fetchone()
        if mode != self._settings.journal:
            driver.execute(sql.pragma("journal_mode", self._settings.journal))
        self._has_journal = True

    def _undo(self, driver: sqlite3.Connection) -> None:
        # A full disk or a failed one may have ended the transaction already.
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        _call(self.on_undo)

    @contextmanager
    def _part(self, driver: sqlite3.Connection) -> Iterator[None]:
        try:
            with savepoint(driver):
                yield
        except BaseException:
            _call(self.on_undo)
            raise

    # the pool

    def _take(self) -> _Connection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if connection.process == os.getpid() and connection.identity == self._identity():
                return connection
            self._let_go(connection)
        return self._open()

    def _identity(self) -> Identity | None:
        try:
            return identity(self.path, source=self.read_only and not self._is_restless)
        except OSError as error:
            raise no_file(error, self.where) from error

    def _give_back(self, connection: _Connection) -> None:
        if connection.driver.in_transaction:
            connection.driver.rollback()
        if self._closed:
            connection.driver.close()
        else:
            self._idle.append(connection)

    def _let_go(self, connection: _Connection) -> None:
        # A connection from before a fork is the other process's to close.
        if connection.process == os.getpid():
            connection.driver.close()

    def _open(self) -> _Connection:
        found = self._identity()
        immutable = found is not None and found.is_quiet
        try:
            driver = sqlite3.connect(
                uri(self.path, read_only=self.read_only, immutable=immutable),
                uri=True,
                timeout=self._timeout_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_CACHED_STATEMENTS,
            )
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            self._prepare(driver)
            found = found or self._identity()
        except sqlite3.Error as error:
            driver.close()
            raise self._failure(error) from error
        if found is None:
            driver.close()
            raise no_file(FileNotFoundError("it is gone again"), self.where)
        self._was_there = True
        return _Connection(driver, found, immutable, os.getpid())

    def _prepare(self, driver: sqlite3.Connection) -> None:
        collations.register(driver)
        driver.create_function("fluxstore_holds", 2, self.predicates.call)
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute(sql.pragma("synchronous", self._settings.synchronous))

    # failures

    @property
    def where(self) -> Where:
        """What an error is about when nothing narrower is known."""
        return Where(self.backend, str(self.path))

    def _failure(self, error: sqlite3.Error) -> FluxstoreError:
        return translated(error, self.where)

    def _waited_long(self) -> BackendUnavailableError:
        return BackendUnavailableError(
            f"{self.path}: other writers held the lock for {self._timeout_seconds:g} s",
            backend=self.backend,
            next_step="nothing was changed; try again, or raise timeout",
        )

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BackendUnavailableError("is closed", backend=self.backend)

    def close(self) -> None:
        """Close every connection that nobody uses; those in use are closed when given back."""
        self._closed = True
        while self._idle:
            self._let_go(self._idle.pop())
        self._tidy()

    def _tidy(self) -> None:
        """Remove the queue's file unless somebody is in it; a new one is made when needed."""
        if self._has_journal and self._queue.try_acquire():
            self.path.with_name(f"{self.path.name}-queue").unlink(missing_ok=True)
            self._queue.release()


def _call(callbacks: Sequence[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()


def _at_one_moment(driver: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    if driver.in_transaction:
        return work(driver)
    driver.execute("BEGIN")
    try:
        return work(driver)
    finally:
        driver.rollback()


@contextmanager
def _in_memory(held: sqlite3.Connection | None) -> Iterator[sqlite3.Connection]:
    """Yield *held*, or else a database that is gone at the end."""
    if held is not None:
        yield held
        return
    driver = sqlite3.connect(":memory:", isolation_level=None)
    try:
        yield driver
    finally:
        driver.close()


@contextmanager
def savepoint(driver: sqlite3.Connection) -> Iterator[None]:
    """Undo what the context did where it ends with an error, and nothing before it."""
    driver.execute("SAVEPOINT fluxstore")
    try:
        yield
    except BaseException:
        # An error that ended the whole transaction took its savepoints along.
        if driver.in_transaction:
            driver.execute("ROLLBACK TO fluxstore")
            driver.execute("RELEASE fluxstore")
        raise
    driver.execute("RELEASE fluxstore")
