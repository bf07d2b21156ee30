"""Writers of one process share commits, and queue with those of other processes.

One thread leads: it waits for the ledger's kernel lock, runs what every waiting thread wants to do
in one SQLite transaction, each in a savepoint, and commits once. Then all are told.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from fluxstore.errors import BackendUnavailableError, OutcomeUnknown
from fluxstore.ledger.database import SQL, translated, translation
from fluxstore.ledger.lock import KernelLock

T = TypeVar("T")
Connect = Callable[[], sqlite3.Connection]


class Transaction:
    """A write transaction that is open: run statements by name, and say what follows the commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Wrap *connection*, inside whose transaction everything runs."""
        self.connection = connection
        self.notes: dict[Any, Any] = {}
        """What an adapter keeps for as long as the transaction lasts."""
        self.is_committing = self.is_durable = False
        self._then: list[Callable[[], None]] = []

    @property
    def is_lost(self) -> bool:
        """Whether SQLite has rolled everything back by itself: the disk is full, or failed."""
        return not self.connection.in_transaction

    def run(self, name: str, *values: Any) -> sqlite3.Cursor:
        """Run the ledger's statement *name*."""
        return self.connection.execute(SQL[name], values)

    def then(self, call: Callable[[], None]) -> None:
        """Call *call* once the transaction is durable, before another writer begins."""
        self._then.append(call)

    def part(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* so that its failure undoes it and nothing else."""
        kept = len(self._then)
        self.run("savepoint")
        try:
            made = work(self)
        except BaseException:
            if not self.is_lost:
                self.run("undo")
                self.run("keep")
            del self._then[kept:]
            raise
        self.run("keep")
        return made

    def told(self) -> None:
        """Call what was to follow the commit."""
        for call in self._then:
            call()


class _Job(Generic[T]):
    def __init__(self, work: Callable[[Transaction], T], *, alone: bool = False) -> None:
        self.work, self.alone = work, alone
        self.woken = threading.Event()
        self.leads = self.is_queued = False
        self.served: list[_Job[Any]] = []
        """Whose threads this one has to wake."""
        self.value: T | None = None
        self.error: BaseException | None = None

    def run(self, transaction: Transaction, path: Path) -> None:
        """Do what the thread asked for; raise only where the whole transaction is lost."""
        try:
            with translated(path):
                self.value = transaction.part(self.work)
        except Exception as error:
            self.error = error
            if transaction.is_lost:
                raise

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return cast(T, self.value)


class _Turn:
    """How long somebody waits for the ledger, queues of threads and of processes together.

    No wait is cut into short ones: whoever queues for the kernel's lock holds nobody back who came
    before, and one lock is all there is.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds or 0.0
        self._until = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return how many seconds are left; ``None`` where there is no such limit."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())


class Writer:
    """The one way to write to a ledger's database from this process."""

    def __init__(self, path: Path, lock: KernelLock, connect: Connect, timeout: float) -> None:
        """Write to the database at *path* under *lock*; *timeout* is in seconds."""
        self._path, self._lock, self._connect = path, lock, connect
        self.timeout_seconds = timeout
        self._connection: sqlite3.Connection | None = None
        self._mutex = threading.Lock()
        self._waiting: deque[_Job[Any]] = deque()
        self._led = False
        self._own = threading.local()
        self._holding: _Job[None] | None = None

    @property
    def current(self) -> Transaction | None:
        """The transaction that this thread has open."""
        return getattr(self._own, "transaction", None)

    def submit(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* in a transaction; return its answer once that is durable."""
        if self.current is not None:
            return self.current.part(work)
        job = _Job(work)
        try:
            if not self._joined(job):
                self._wait(job)
            if job.leads:
                self._lead(job)
        except BaseException:
            self._let_go(job)
            raise
        return job.result()

    @contextmanager
    def alone(self, patience_seconds: float | None = None) -> Iterator[Transaction]:
        """Make everything that this thread submits one transaction, while the context lasts.

        ``LeaseError`` names who is in the way when *patience_seconds* are over.
        """
        if self.current is not None:
            yield self.current
            return
        turn = _Turn(patience_seconds)
        gate: _Job[None] = _Job(lambda _: None, alone=True)
        try:
            if not self._joined(gate) and not self._wait(gate, turn.left()):
                raise self._lock.refused(turn.seconds)
            with self._transaction(turn) as transaction, self._owning(transaction):
                yield transaction
        finally:
            self._let_go(gate)

    @contextmanager
    def _owning(self, transaction: Transaction) -> Iterator[None]:
        self._own.transaction = transaction
        try:
            yield
        finally:
            self._own.transaction = None

    def _joined(self, job: _Job[Any]) -> bool:
        """Queue *job*; tell whether its thread leads at once."""
        with self._mutex:
            if not self._led:
                self._led = job.leads = True
                return True
            job.is_queued = True
            self._waiting.append(job)
            return False

    def _wait(self, job: _Job[Any], seconds: float | None = None) -> bool:
        """Wait to be served or to lead, and tell whether that came in time."""
        return job.woken.wait(seconds) or not self._is_withdrawn(job)

    def _let_go(self, job: _Job[Any]) -> None:
        """Leave nobody waiting for a thread that was interrupted, wherever that was."""
        if job.is_queued and not job.leads:
            self._is_withdrawn(job)
        if job.leads:
            self._pass_on(job)
        for other in job.served:
            other.woken.set()

    def _is_withdrawn(self, job: _Job[Any]) -> bool:
        """Take *job* back; where it is being served already, wait for that."""
        with self._mutex:
            if job in self._waiting:
                self._waiting.remove(job)
                job.is_queued = False
                return True
        job.woken.wait()
        return False

    def _lead(self, own: _Job[Any]) -> None:
        jobs: list[_Job[Any]] = [own]
        transaction: Transaction | None = None
        try:
            with self._transaction() as transaction, self._owning(transaction):
                jobs += self._taken()
                for job in jobs:
                    job.run(transaction, self._path)
        except Exception as error:  # noqa: BLE001 - every thread is told
            jobs += self._taken() if transaction is None else []
            for job in jobs:
                job.error = job.error or error
        except BaseException:
            if transaction is None or not transaction.is_durable:
                self._give_back(jobs[1:])
                del jobs[1:]
            raise
        finally:
            own.served = jobs[1:]
            self._let_go(own)

    def _taken(self) -> list[_Job[Any]]:
        """Take the waiting jobs, up to one that wants the transaction for itself."""
        jobs: list[_Job[Any]] = []
        with self._mutex:
            while self._waiting and not self._waiting[0].alone:
                jobs.append(self._waiting.popleft())
        return jobs

    def _give_back(self, jobs: list[_Job[Any]]) -> None:
        """Interrupted before the commit: nothing of theirs was done, so they queue again."""
        for job in jobs:
            job.error = job.value = None
        with self._mutex:
            self._waiting.extendleft(reversed(jobs))

    def _pass_on(self, job: _Job[Any]) -> None:
        """Let the next waiting thread lead."""
        with self._mutex:
            job.leads = False
            self._led = bool(self._waiting)
            if self._led:
                following = self._waiting.popleft()
                following.leads = True
                job.served = [*job.served, following]

    def _acquire(self, turn: _Turn | None) -> None:
        seconds = turn.left() if turn is not None else None
        if turn is None or seconds is None:
            self._lock.acquire(self.timeout_seconds)
        elif not self._lock.is_acquired(seconds):
            raise self._lock.refused(turn.seconds)

    @contextmanager
    def _transaction(self, turn: _Turn | None = None) -> Iterator[Transaction]:
        with translated(self._path):
            try:
                self._acquire(turn)
                transaction = Transaction(self._connected())
                try:
                    transaction.run("begin_write")
                    yield transaction
                    self._commit(transaction)
                finally:
                    self._end(transaction)
            finally:
                self._lock.release()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _end(self, transaction: Transaction) -> None:
        """Tell what followed, also where an interrupt came just after the commit; else undo."""
        if transaction.connection is not self._connection:  # it failed and was closed
            return
        transaction.is_durable = transaction.is_committing and transaction.is_lost
        if transaction.is_durable:
            transaction.told()
        elif transaction.connection.in_transaction:
            transaction.run("rollback")

    def _commit(self, transaction: Transaction) -> None:
        transaction.is_committing = True
        try:
            transaction.run("commit")
        except sqlite3.Error as error:
            transaction.is_committing = False
            if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC:
                self._make_sure(error)
            raise

    def _make_sure(self, failure: sqlite3.Error) -> None:
        """Overwrite what a failed commit left in the log: after a crash, it would count.

        On a connection of its own: an fsync that failed says nothing true when asked again.
        """
        try:
            self.drop()
            connection = self._connected()
            connection.execute(SQL["begin_write"])
            connection.execute(SQL["touch_meta"])
            connection.execute(SQL["commit"])
        except (sqlite3.Error, OSError, BackendUnavailableError) as error:
            self.drop()
            raise OutcomeUnknown(
                f"the ledger failed in the middle of a commit ({translation(self._path, failure)})",
                next_step="look at the disk; then the same op_id again has one effect",
            ) from error

    def drop(self) -> None:
        """Close the connection; the next transaction makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def hold(self, seconds: float) -> None:
        """Before a fork: let no transaction be open, if that comes about within *seconds*.

        A child whose parent has the lock inside SQLite would find the database locked for ever.
        """
        holding: _Job[None] = _Job(lambda _: None, alone=True)
        if self.current is None and (self._joined(holding) or self._wait(holding, seconds)):
            self._holding = holding

    def release(self) -> None:
        """After a fork: go on."""
        holding, self._holding = self._holding, None
        if holding is not None:
            self._let_go(holding)

    def forget(self) -> None:
        """In a forked child: leave the parent's connection alone and begin afresh."""
        _abandoned.append(self._connection)
        self._connection = None
        self._mutex, self._waiting, self._led = threading.Lock(), deque(), False
        self._own, self._holding = threading.local(), None


_abandoned: list[sqlite3.Connection | None] = []
"""Connections of a parent process: closing one in a child would break the parent's locks."""
