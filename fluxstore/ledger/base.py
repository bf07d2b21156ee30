"""The sidecar as a database: opened when needed, read in one state, written in fair turns."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from fluxstore import forks
from fluxstore.errors import UnsupportedError
from fluxstore.ledger import database
from fluxstore.ledger.database import SQL, translated
from fluxstore.ledger.lock import KernelLock
from fluxstore.ledger.writer import Transaction, Writer

T = TypeVar("T")
FOLDER = ".fluxstore"
_MANY_FREE_PAGES = 1024
_MOST_IDLE = 4
_FORK_SECONDS = 2.0
"""How long a fork waits for transactions to end."""
_held: list[Sidecar] = []
_sidecars: weakref.WeakSet[Sidecar] = weakref.WeakSet()


class Sidecar:
    """``.fluxstore/ledger.db`` of a folder, made at the first write.

    ``submit`` runs work in a durable transaction, ``reading`` shows one state. Read only, nothing
    is made or changed.
    """

    def __init__(self, folder: Path, *, read_only: bool, lock_timeout_seconds: float) -> None:
        """Keep a database beside the files in *folder*; nothing is opened yet."""
        self.folder = folder / FOLDER
        self.path = self.folder / "ledger.db"
        self.read_only = read_only
        lock = KernelLock(self.folder / "lock", what="the ledger's lock")
        self._writer = Writer(self.path, lock, self._connect_to_write, lock_timeout_seconds)
        self._reader: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._begin()
        self._is_closed = self._had_log = False
        self._inode = self._readers = 0
        _sidecars.add(self)

    def _begin(self) -> None:
        self._mutex = threading.RLock()
        self._returned = threading.Condition(self._mutex)
        self._lent, self._is_held = 0, False

    def exists(self) -> bool:
        """Tell whether there is a ledger; ``UnreadableRecordError`` where there was one."""
        with self._mutex:
            return self._reader is not None or database.exists(self.path)

    def version(self) -> int | None:
        """Return a number that changes when anybody has committed; ``None`` without a ledger."""
        with self._mutex, translated(self.path):
            connection = self._connected()
            if connection is None:
                return None
            (number,) = connection.execute(SQL["data_version"]).fetchone()
            return (self._readers << 32) + int(number)  # each connection counts for itself

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Show one state of the ledger while the context lasts; ``None`` where there is none.

        Inside a transaction of this thread its own state is shown.
        """
        if (current := self._writer.current) is not None:
            yield current.connection
            return
        with translated(self.path):
            connection = self._taken()
            if connection is None:
                yield None
                return
            try:
                connection.execute(SQL["begin_read"])
                yield connection
            finally:
                self._give_back(connection)

    def _taken(self) -> sqlite3.Connection | None:
        with self._mutex:
            while self._is_held:
                self._returned.wait()
            self._drop_deaf()
            if self._idle:
                taken: sqlite3.Connection | None = self._idle.pop()
            else:
                taken = self._connect() if database.exists(self.path) else None
            self._lent += taken is not None
            return taken

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute(SQL["commit"])
        finally:
            with self._mutex:
                self._lent -= 1
                self._returned.notify_all()
        with self._mutex:
            if not self._is_closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        self._refuse_link()
        self._had_log = database.has_log(self.path)
        connection = database.connect(self.path, read_only=self.read_only)
        self._inode = self._inode or self.path.stat().st_ino
        self._is_closed = False
        return connection

    def _drop_deaf(self) -> None:
        """Read only, a connection made while nobody wrote does not hear who began to since."""
        if self.read_only and database.has_log(self.path) != self._had_log:
            closing, self._idle = [*self._idle, *filter(None, [self._reader])], []
            self._reader = None
            for connection in closing:
                connection.close()

    def _connected(self) -> sqlite3.Connection | None:
        self._drop_deaf()
        if self._reader is None and database.exists(self.path):
            self._reader = self._connect()
            self._readers += 1
        return self._reader

    def _connect_to_write(self) -> sqlite3.Connection:
        """Return the writer's connection; the kernel lock is held, so making a ledger is safe."""
        if not database.exists(self.path):
            database.make(self.path)
        with self._mutex:
            return self._connect()

    def _check_place(self) -> None:
        """Raise ``UnreadableRecordError`` where the open ledger was deleted or replaced."""
        try:
            there = self.path.stat().st_ino
        except FileNotFoundError:
            there = 0
        if there != self._inode:
            raise database.untrusted(self.path, "was deleted or replaced while in use")

    @property
    def current(self) -> Transaction | None:
        """The write transaction that this thread has open."""
        return self._writer.current

    def submit(self, work: Callable[[Transaction], T]) -> T:
        """Run *work* in a transaction shared with other threads; return once it is durable."""
        self._may_write()

        def checked(transaction: Transaction) -> T:
            self._check_place()
            return work(transaction)

        return self._writer.submit(checked)

    def alone(self, patience_seconds: float | None = None) -> AbstractContextManager[Transaction]:
        """Make all that this thread submits one transaction, while the context lasts.

        ``LeaseError`` names who is in the way when *patience_seconds* are over.
        """
        self._may_write()
        return self._writer.alone(patience_seconds)

    def _may_write(self) -> None:
        if self.read_only:
            raise UnsupportedError(
                f"{self.folder.parent} is opened only to read", capability="writing"
            )
        self._refuse_link()
        if self._writer.current is None and not self.folder.is_dir():
            with translated(self.folder):
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                mode = self.folder.parent.stat().st_mode & 0o777
                self.folder.mkdir(mode=mode, exist_ok=True)
                database.flush(self.folder.parent)

    def _refuse_link(self) -> None:
        """Raise ``UnreadableRecordError`` where the ledger would be somewhere else."""
        if self.folder.is_symlink():
            raise database.untrusted(self.folder, "is behind a symbolic link")

    def next_generation(self, transaction: Transaction) -> int:
        """Count one more checkpoint; the witness beside the database will know of it."""
        (generation,) = transaction.run("next_generation").fetchone()
        name = dict(transaction.run("all_meta").fetchall())["id"]
        transaction.then(lambda: self._tell_witness(name, generation))
        return int(generation)

    def _tell_witness(self, name: str, generation: int) -> None:
        # what was committed stays so; a witness left behind is only less watchful
        with suppress(OSError):
            database.write_witness(self.path, name, generation)

    def shrink(self) -> None:
        """Give pages that hold nothing back to the file system, where there are many."""

        def work(transaction: Transaction) -> None:
            (free,) = transaction.run("free_pages").fetchone()
            if free > _MANY_FREE_PAGES:
                transaction.run("shrink").fetchall()

        self.submit(work)

    def hurry(self, seconds: float) -> None:
        """Wait *seconds* at most for other writers from here on: the store is being closed."""
        self._writer.timeout_seconds = min(self._writer.timeout_seconds, seconds)

    def close(self) -> None:
        """Let go of the database; a later call opens it again."""
        with self._mutex:
            self._writer.drop()
            closing, self._idle = [*self._idle], []
            if self._reader is not None:
                closing.append(self._reader)
            self._reader, self._inode, self._is_closed = None, 0, True
        for connection in closing:
            connection.close()

    def _forget(self) -> None:
        _abandoned.extend([self._reader, *self._idle])
        self._reader, self._idle = None, []
        self._begin()
        self._writer.forget()

    def _hold(self, seconds: float) -> None:
        """Before a fork: let no thread be inside SQLite, if that comes about within *seconds*."""
        until = time.monotonic() + seconds
        self._writer.hold(seconds)
        if self._mutex.acquire(timeout=max(0.0, until - time.monotonic())):
            self._is_held = True
            self._returned.wait_for(lambda: not self._lent, max(0.0, until - time.monotonic()))

    def _release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._returned.notify_all()
            self._mutex.release()
        self._writer.release()


_abandoned: list[sqlite3.Connection | None] = []
"""Connections of a parent process: closing one in a child would break the parent's locks."""


def _forget_all() -> None:
    for sidecar in _sidecars:
        sidecar._forget()  # noqa: SLF001 - the same module


def _hold_all() -> None:
    _held[:] = list(_sidecars)
    until = time.monotonic() + _FORK_SECONDS
    for sidecar in _held:
        sidecar._hold(max(0.0, until - time.monotonic()))  # noqa: SLF001 - the same module


def _release_all() -> None:
    for sidecar in _held:
        sidecar._release()  # noqa: SLF001 - the same module
    _held.clear()


os.register_at_fork(after_in_child=_forget_all)
forks.around(_hold_all, _release_all, last=True)
