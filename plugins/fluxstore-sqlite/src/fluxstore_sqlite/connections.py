"""Who reads and who writes one SQLite file, and what a failure leaves behind: nothing."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from fluxstore.adapter import Use
from fluxstore.errors import (
    BackendUnavailableError,
    FluxstoreError,
    OutcomeUnknown,
    UnsupportedError,
)
from fluxstore_sqlite import sql
from fluxstore_sqlite.failures import BusyError, Where, may_be_whole, no_file
from fluxstore_sqlite.logs import overwrite
from fluxstore_sqlite.pool import Connection, Pool
from fluxstore_sqlite.predicates import Predicates
from fluxstore_sqlite.settings import Settings
from fluxstore_sqlite.transactions import at_one_moment, begin_to_read, in_memory, savepoint
from fluxstore_sqlite.turns import Turns

T = TypeVar("T")
_ATTEMPTS = 5
_TRY_SECONDS = 0.2
_everywhere: weakref.WeakSet[Connections] = weakref.WeakSet()
_inherited: list[object] = []


class Ending(Protocol):
    """Something to be done before a transaction is committed; its error undoes everything."""

    def __call__(self) -> None:
        """Do it."""
        ...

    def copy(self) -> Ending:
        """Return the same, to go back to where a part of the transaction is undone."""
        ...


class Connections:
    """All connections of one adapter; a thread that writes has one to itself."""

    def __init__(self, backend: str, path: Path, settings: Settings, use: Use) -> None:
        """Know the file; nothing is opened yet."""
        self.backend = backend
        self.path = path
        self.read_only = use is Use.SOURCE
        self.on_commit: list[Callable[[], None]] = []
        self.on_undo: list[Callable[[], None]] = []
        """Called after a transaction, or a part of it, was undone: what it made is gone."""
        self._settings = settings
        self._pool = Pool(backend, path, settings, read_only=self.read_only)
        self._thread = threading.local()
        self._turns = Turns(self._pool.where, path, settings.timeout.total_seconds())
        self._has_journal = False
        self.on_other_file.append(self._look_at_journal)
        _everywhere.add(self)

    @property
    def on_other_file(self) -> list[Callable[[], None]]:
        """Called when another file is found at the path, or a source that was changed."""
        return self._pool.on_other_file

    @property
    def predicates(self) -> Predicates:
        """What statements may ask in Python."""
        return self._pool.predicates

    @property
    def where(self) -> Where:
        """What an error is about when nothing narrower is known."""
        return self._pool.where

    def there(self) -> bool:
        """Tell whether there is a file, or was one: asking it then says that it is gone."""
        return self._pool.there() and not getattr(self._thread, "looks_before_it", False)

    def is_writing(self) -> bool:
        """Tell whether this thread is in a transaction of its own."""
        return self._held is not None

    @property
    def _held(self) -> sqlite3.Connection | None:
        return getattr(self._thread, "writing", None)

    # reading

    def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* answers, given this thread's own connection while it writes, else any.

        *work* may be called again: where a source changes while it is read, the answer is dropped.
        """
        held = self._held
        if held is not None:
            return self._answer(held, work)
        view: Connection | None = getattr(self._thread, "view", None)
        if view is not None:
            return self._ask_view(view, work)
        for _ in range(_ATTEMPTS):
            connection = self._pool.take()
            try:
                answer = work(connection.driver)
            except sqlite3.Error as error:
                if not self._pool.has_moved(connection):
                    raise self._pool.failure(error) from error
            except FluxstoreError:
                if not self._pool.has_moved(connection):
                    raise
            else:
                if not self._pool.has_moved(connection):
                    return answer
            finally:
                self._pool.give_back(connection)
        self._pool.is_restless = True
        return self.ask(work)

    def ask_at_one_moment(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what *work* answers; all its statements see the same moment."""
        return self.ask(lambda driver: at_one_moment(driver, work))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Make this thread's reads those of one moment while the context lasts."""
        if getattr(self._thread, "view", None) is not None:
            yield
        elif self.there():
            connection = self._pool.take()
            try:
                begin_to_read(connection.driver)
                self._thread.view = connection
                yield
            except sqlite3.Error as error:
                raise self._pool.failure(error) from error
            finally:
                self._thread.view = None
                self._pool.give_back(connection)
        else:
            self._thread.looks_before_it = True
            try:
                yield
            finally:
                self._thread.looks_before_it = False

    def _ask_view(self, view: Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        answer = self._answer(view.driver, work)
        if self._pool.has_moved(view):
            raise BackendUnavailableError(
                f"{self.path} was changed while it was read",
                backend=self.backend,
                next_step="try again; what writes to it may go on",
            )
        return answer

    def _answer(self, driver: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(driver)
        except sqlite3.Error as error:
            raise self._pool.failure(error) from error

    # writing

    @property
    def endings(self) -> list[Ending]:
        """What is called before this thread's transaction is committed."""
        endings: list[Ending] = self._thread.endings
        return endings

    @contextmanager
    def write_patiently(self, patience_seconds: float) -> Iterator[sqlite3.Connection]:
        """Yield what ``write`` does, tried for 200 ms at a time, so that others get through.

        Raises ``LeaseError`` with who writes when *patience_seconds* are over.
        """
        until = time.monotonic() + patience_seconds
        with ExitStack() as stack:
            driver: sqlite3.Connection | None = None
            while driver is None:
                driver = self._tried(stack, until, patience_seconds)
            yield driver

    def _tried(
        self, stack: ExitStack, until: float, patience_seconds: float
    ) -> sqlite3.Connection | None:
        """Return what ``write`` yields, entered into *stack*; ``None`` where others write."""
        try:
            with self._turns.waiting(min(_TRY_SECONDS, patience_seconds)):
                return stack.enter_context(self.write())
        except BusyError as error:
            if time.monotonic() >= until:
                raise error.as_lease(patience_seconds) from error
        return None

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction that is committed at the end, undone by an error.

        Inside another one of this thread it is a part of that: an error undoes this part only.
        """
        self._pool.refuse_closed()
        held = self._held
        try:
            if held is not None:
                with self._part(held):
                    yield held
            else:
                with self.alone() as driver, self._transaction(driver):
                    yield driver
        except sqlite3.Error as error:
            raise self._pool.failure(error) from error

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in no transaction, while no other thread of this process writes."""
        self._pool.refuse_closed()
        if self.read_only:
            raise UnsupportedError("is opened to be read only", backend=self.backend)
        with self._turns.of_this_process():
            self._make_folder()
            try:
                connection = self._pool.take()
                try:
                    self._thread.connection = connection
                    yield connection.driver
                finally:
                    self._thread.connection = None
                    self._pool.give_back(connection)
            except sqlite3.Error as error:
                raise self._pool.failure(error) from error

    def _make_folder(self) -> None:
        if self._pool.there():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_file(error, self.where) from error

    @contextmanager
    def _transaction(self, driver: sqlite3.Connection) -> Iterator[None]:
        with self._turns.of_this_host():
            if not self._has_journal:
                self._set_journal(driver)
            self._turns.begin(driver)
            self._pool.know_log(self._thread.connection)
            self._thread.writing = driver
            self._thread.endings = []
            try:
                yield
                for ending in self.endings:
                    ending()
                self._commit(driver)
            except BaseException:
                self._undo(driver)
                raise
            else:
                _call(self.on_commit)
            finally:
                self._thread.writing = None

    def _commit(self, driver: sqlite3.Connection) -> None:
        try:
            driver.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            if may_be_whole(error):
                self._take_back(error)
            raise
        try:
            self._pool.keep(self._thread.connection)
        except BackendUnavailableError as error:
            raise OutcomeUnknown(error.problem, next_step=error.next_step) from error

    def _take_back(self, failed: sqlite3.Error) -> None:
        """See to it that a commit that *failed* has no effect; ``OutcomeUnknown`` if it may."""
        connection = self._pool.renewed(self._thread.connection)
        try:
            overwrite(connection.driver)
        except sqlite3.Error:
            connection.is_spoilt = True
            raise OutcomeUnknown(
                f"{self.path}: whether it was written is not known, the disk failed ({failed})",
                next_step="the same op_id again has one effect; look at the system's log",
            ) from failed
        finally:
            self._pool.give_back(connection)

    def _set_journal(self, driver: sqlite3.Connection) -> None:
        wanted = self._settings.journal
        (mode,) = driver.execute("PRAGMA journal_mode").fetchone()
        if mode != wanted:
            # Where that fails SQLite says so only by the mode that stays; the next write tries.
            (mode,) = driver.execute(sql.pragma("journal_mode", wanted)).fetchone()
        self._has_journal = mode == wanted

    def _look_at_journal(self) -> None:
        self._has_journal = False

    def _undo(self, driver: sqlite3.Connection) -> None:
        # A full disk or a failed one may have ended the transaction already.
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        _call(self.on_undo)

    @contextmanager
    def _part(self, driver: sqlite3.Connection) -> Iterator[None]:
        before = [ending.copy() for ending in self.endings]
        try:
            with savepoint(driver):
                yield
        except BaseException:
            self._thread.endings = before
            _call(self.on_undo)
            raise

    # rehearsing

    @contextmanager
    def rehearse(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a transaction that is undone at the end.

        Where there is no file yet, it is one in memory: a rehearsal makes nothing.
        """
        held = self._held
        if held is not None:
            with self._undone(held, "SAVEPOINT tried", "ROLLBACK TO tried", "RELEASE tried"):
                yield held
        elif self.there():
            with self.alone() as driver, self._undone(driver, "BEGIN IMMEDIATE", "ROLLBACK"):
                yield driver
        else:
            with in_memory() as driver:
                self._pool.prepare(driver)
                with self._undone(driver, "BEGIN", "ROLLBACK"):
                    yield driver

    @contextmanager
    def _undone(self, driver: sqlite3.Connection, begin: str, *undo: str) -> Iterator[None]:
        held = self._held
        driver.execute(begin)
        self._thread.writing = driver
        if held is None:
            self._thread.endings = []
        try:
            yield
        except sqlite3.Error as error:
            raise self._pool.failure(error) from error
        finally:
            self._thread.writing = held
            for statement in undo if driver.in_transaction else ():
                driver.execute(statement)
            _call(self.on_undo)

    # the end

    def close(self) -> None:
        """Let go of everything; the queue's file goes unless somebody is in it."""
        self._pool.close()
        self._turns.tidy()

    def renew(self) -> None:
        """In a forked child: begin anew, and leave what was open to the parent.

        Closing a database that the parent has open too is what SQLite says never to do
        (https://www.sqlite.org/howtocorrupt.html, 2.6).
        """
        _inherited.append((self._pool.leave(), self._thread))
        self._thread = threading.local()
        self._turns.renew()


def _renew_all() -> None:
    for connections in list(_everywhere):
        connections.renew()


os.register_at_fork(after_in_child=_renew_all)


def _call(callbacks: Sequence[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
