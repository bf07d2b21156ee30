"""Open connections to one SQLite file, kept for whoever comes next; good for one file only."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path

import attrs

from fluxstore.errors import BackendUnavailableError, FluxstoreError
from fluxstore_sqlite import collations, sql
from fluxstore_sqlite.failures import Where, no_file, translated
from fluxstore_sqlite.logs import Log, LostLogError, log_of, save_log
from fluxstore_sqlite.opening import Identity, identity, uri
from fluxstore_sqlite.predicates import Predicates
from fluxstore_sqlite.settings import Settings

_CACHED_STATEMENTS = 512


@attrs.define(eq=False)
class Connection:
    """A connection, and the file that it was opened on."""

    driver: sqlite3.Connection
    identity: Identity
    immutable: bool
    log: Log | None = None
    """The ``-wal`` file that it has open, once it has used one."""
    is_spoilt: bool = False
    """A call of its failed in a way that nobody is to try again on its descriptors."""


class Pool:
    """Connections that nobody uses; a connection is used by one thread at a time."""

    def __init__(self, backend: str, path: Path, settings: Settings, *, read_only: bool) -> None:
        """Know the file; nothing is opened yet."""
        self.where = Where(backend, str(path))
        self.path = path
        self.predicates = Predicates()
        self.on_other_file: list[Callable[[], None]] = []
        """Called when another file is found at the path, or a source that was changed."""
        self.is_restless = False
        """The source changes all the time: it is opened with locks, whatever they leave behind."""
        self._settings = settings
        self._read_only = read_only
        self._idle: deque[Connection] = deque()
        self._was_there = False
        self._closed = False

    def there(self) -> bool:
        """Tell whether there is a file, or was one: ``take`` then says that it is gone."""
        self.refuse_closed()
        if not self._was_there:
            self._was_there = self._identity() is not None
        return self._was_there

    def take(self) -> Connection:
        """Return a connection to the file that is there now; one that is not there is made."""
        self.refuse_closed()
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if connection.identity != self._identity():
                connection.driver.close()
                for forget in self.on_other_file:
                    forget()
            elif connection.log is None or connection.log == log_of(self.path):
                return connection
            else:
                try:
                    self._save_log(connection)
                finally:
                    connection.driver.close()
        return self._open()

    def _save_log(self, connection: Connection) -> None:
        """Take over what a ``-wal`` file holds that was removed while *connection* has it open."""
        try:
            save_log(connection.driver, self.path, connection.log)
        except LostLogError as error:
            raise BackendUnavailableError(
                f"{self.path}-wal was removed or replaced while it was open: {error}",
                backend=self.where.backend,
                next_step="writes since its last checkpoint may be missing: validate",
            ) from error
        except sqlite3.Error as error:
            raise self.failure(error) from error

    def give_back(self, connection: Connection) -> None:
        """Keep *connection*, whatever state it is in, for whoever comes next."""
        if connection.driver.in_transaction:
            connection.driver.rollback()
        self.know_log(connection)
        if self._closed or connection.is_spoilt:
            connection.driver.close()
        else:
            self._idle.append(connection)

    def know_log(self, connection: Connection) -> None:
        """Remember which ``-wal`` file *connection* has open now that it has been used."""
        if connection.log is None and not self._read_only:
            connection.log = log_of(self.path)

    def keep(self, connection: Connection) -> None:
        """See to it that what was just committed is in a file that has a name."""
        if connection.log is not None and connection.log != log_of(self.path):
            connection.is_spoilt = True
            self._save_log(connection)

    def renewed(self, connection: Connection) -> Connection:
        """Return a connection with descriptors of its own; the one given is not used any more."""
        connection.is_spoilt = True
        return self._open()

    def has_moved(self, connection: Connection) -> bool:
        """Tell whether what *connection* has just read may have been changed meanwhile."""
        return connection.immutable and connection.identity != self._identity()

    def close(self) -> None:
        """Close every connection that nobody uses; those in use are closed when given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().driver.close()

    def leave(self) -> object:
        """Begin anew with no connection; return those there were, not closed."""
        left, self._idle = self._idle, deque()
        return left

    def refuse_closed(self) -> None:
        """Raise ``BackendUnavailableError`` after closing."""
        if self._closed:
            raise BackendUnavailableError("is closed", backend=self.where.backend)

    def failure(self, error: sqlite3.Error) -> FluxstoreError:
        """Return the error of ours that *error* means for this file."""
        return translated(error, self.where)

    def _identity(self) -> Identity | None:
        try:
            return identity(self.path, source=self._read_only and not self.is_restless)
        except OSError as error:
            raise no_file(error, self.where) from error

    def _open(self) -> Connection:
        found = self._identity()
        if found is None and self._was_there:
            raise BackendUnavailableError(
                f"{self.path} was there and is gone",
                backend=self.where.backend,
                next_step="put it back, or restore a backup",
            )
        immutable = found is not None and found.is_quiet
        driver = self._driver(immutable=immutable)
        try:
            self.prepare(driver)
            found = found or self._identity()
        except sqlite3.Error as error:
            driver.close()
            raise self.failure(error) from error
        if found is None:
            driver.close()
            raise no_file(FileNotFoundError("it is gone again"), self.where)
        self._was_there = True
        return Connection(driver, found, immutable)

    def _driver(self, *, immutable: bool) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                uri(self.path, read_only=self._read_only, immutable=immutable),
                uri=True,
                timeout=self._settings.timeout.total_seconds(),
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_CACHED_STATEMENTS,
            )
        except sqlite3.Error as error:
            raise self.failure(error) from error

    def prepare(self, driver: sqlite3.Connection) -> None:
        """Tell a new connection what every statement of ours counts on."""
        collations.register(driver)
        driver.create_function("fluxstore_holds", 2, self.predicates.call)
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute(sql.pragma("synchronous", self._settings.synchronous))
