"""Pooled connections: every call is watched, timed and its failure translated."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import attrs
import msgspec
import psycopg
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from fluxstore.records import UNTOUCHED, Version
from fluxstore_postgres.dsn import Target
from fluxstore_postgres.failures import SilentServer, Where, is_lost, outcome, translated
from fluxstore_postgres.sessions import Sessions
from fluxstore_postgres.settings import Settings
from fluxstore_postgres.settling import is_decided, status_of
from fluxstore_postgres.statements import Statement
from fluxstore_postgres.unit import Params, Unit, rows_of
from fluxstore_postgres.watchdog import Call, Watchdog

logger = logging.getLogger("fluxstore_postgres")
T = TypeVar("T")
IDLE_SECONDS_BEFORE_CHECK = 5.0
BULK_FACTOR = 20
_MOST_OF_A_HOST = 33
"""PostgreSQL keeps 63 bytes of a session's name."""
READ_ATTEMPTS = 3
"""The pool may have another connection that is dead, or dies as it is made."""
TROUBLE_SECONDS = 0.1
"""How long to wait at a time for a connection while making one fails."""
HEAD_START_SECONDS = 1.0
"""How much longer than the server's own timeout the watchdog waits."""
VERSION_STATE = "FX000"
"""Of the notice by which a trigger tells the version that a record was given (capture.sql)."""
DRIVER_ERRORS = (psycopg.Error, PoolTimeout, OSError)


class Link(psycopg.Connection[TupleRow]):
    """A connection that is watched, and remembers when it was last used."""

    call: Call
    pid: int = 0
    """The process that serves it."""
    home: ConnectionPool[Link]
    """Which it comes from, and goes back to."""
    last_used: float = 0.0

    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """Connect as this process, which whoever it stands in the way of can then find."""
        host = socket.gethostname()[:_MOST_OF_A_HOST]
        name = f"fluxstore of pid {os.getpid()} on {host}"
        return super().connect(*args, fallback_application_name=name, **kwargs)


@attrs.define
class Health:
    """Why the pool's last attempt to connect failed, if it did."""

    failure: psycopg.Error | None = None
    failed_at: float = 0.0


class Connections:
    """Every connection of one backend."""

    def __init__(
        self,
        target: Target,
        settings: Settings,
        *,
        backend: str,
        read_only: bool,
        direct: Target | None = None,
    ) -> None:
        """Connect once, to fail here and with the reason, and keep a pool from then on.

        *direct* leads past an external pooler, to sessions of our own.
        """
        self.backend = backend
        self.timeout_seconds = settings.statement_timeout.total_seconds()
        self._settings = settings
        self._conninfo = target.conninfo
        self._direct = (direct or target).conninfo
        self.sessions = Sessions.of(settings, is_reading=read_only)
        self._slow_seconds = settings.slow_query.total_seconds()
        self._thread = threading.local()
        self._health = Health()
        self._setup = self.sessions.set_up()
        self._watchdog = Watchdog(self.timeout_seconds)
        self._has_pool = False
        self._renewing = threading.Lock()
        try:
            with self.apart():
                self._pool = self._make_pool()
                self._has_pool = True
        except BaseException:
            self._watchdog.close()
            raise

    @property
    def told(self) -> dict[tuple[str, str], Version]:
        """The versions that this thread's statements were told, by entity and key text."""
        told: dict[tuple[str, str], Version] | None = getattr(self._thread, "told", None)
        if told is None:
            told = self._thread.told = {}
        return told

    @property
    def is_in_unit(self) -> bool:
        """Tell whether this thread has a transaction open."""
        return getattr(self._thread, "unit", None) is not None

    def link_of_unit(self) -> Link | None:
        """Return the connection of the transaction that this thread has open."""
        unit: Unit | None = getattr(self._thread, "unit", None)
        return unit.link if unit is not None else None

    def run(
        self,
        asked: Statement,
        params: Params = None,
        *,
        where: Where | None = None,
        writes: bool = False,
        op_id: str = "",
    ) -> list[TupleRow]:
        """Run one statement, by itself or in this thread's transaction, and return its rows.

        A read whose pooled connection had died is asked again. A write whose connection died
        raises OutcomeUnknown, unless the server said that it did not happen.
        """
        where = where or Where(self.backend)
        unit: Unit | None = getattr(self._thread, "unit", None)
        if unit is not None:
            return unit.run(asked, params, where=where)
        if self.sessions.is_pooled:
            with self.unit(where, writes=writes, op_id=op_id) as lent:
                return lent.run(asked, params, where=where)
        left = READ_ATTEMPTS
        while True:
            left -= 1
            try:
                return self._run_alone(asked, params, where)
            except psycopg.Error as error:
                is_final = writes or not left or isinstance(error, SilentServer)
                if is_final or not is_lost(error):
                    raise outcome(error, where, is_open=writes, op_id=op_id) from error

    @contextmanager
    def unit(
        self,
        where: Where | None = None,
        *,
        begin: Statement | None = None,
        seconds: float | None = None,
        writes: bool = True,
        op_id: str = "",
    ) -> Iterator[Unit]:
        """Yield this thread's transaction: a new one, or a savepoint in the one that is open.

        *seconds* is what one of its statements may take, where that is not the usual.
        """
        where = where or Where(self.backend)
        outer: Unit | None = getattr(self._thread, "unit", None)
        if outer is not None:
            with outer.savepoint(where):
                yield outer
            return
        with self._taken(where) as link:
            more: Any = {"begin": begin, "seconds": seconds, "writes": writes, "op_id": op_id}
            unit = Unit(self, link, where, **more)
            self._thread.unit = unit
            try:
                with unit.transaction():
                    yield unit
            finally:
                self._thread.unit = None

    @property
    def bulk_seconds(self) -> float:
        """What a statement about a whole batch may take."""
        return self.timeout_seconds * BULK_FACTOR

    @contextmanager
    def apart(self, where: Where | None = None) -> Iterator[Link]:
        """Yield a connection outside the pool, for what a session holds: leases, cursors."""
        where = where or Where(self.backend)
        link = self._connected(where)
        try:
            yield link
        except psycopg.Error as error:  # an OSError is somebody else's
            raise translated(error, where) from error
        finally:
            link.close()

    def _connected(self, where: Where) -> Link:
        try:
            link = Link.connect(self._direct, autocommit=True)
        except DRIVER_ERRORS as error:
            raise translated(error, where) from error
        try:
            self._configure(link)
        except DRIVER_ERRORS as error:
            link.close()
            raise translated(error, where) from error
        return link

    def call(
        self, link: Link, name: str, work: Callable[[], T], *, seconds: float | None = None
    ) -> T:
        """Return what *work* returns: watched, timed, and named in the log where it is slow."""
        began = time.monotonic()
        limit = self.timeout_seconds if seconds is None else seconds
        link.call.begin(limit + HEAD_START_SECONDS)
        try:
            return work()
        except psycopg.OperationalError as error:
            if is_lost(error):
                self._thread.lost_pid = link.pid
                if self._has_pool:
                    self._pool.drain()  # the others have hardly fared better
            if link.call.expired:
                raise SilentServer(f"no answer within {limit:g} s") from error
            raise
        finally:
            link.call.end()
            link.last_used = time.monotonic()
            self._tell_if_slow(name, link.last_used - began)

    def settled(self, number: str) -> str | None:
        """Return what became of a transaction whose COMMIT got no answer, ``None`` if unknown."""
        return status_of(self, number, self._settings.connect_timeout.total_seconds())

    def is_lost_write_decided(self) -> bool:
        """Tell whether the process at which this thread lost its connection has ended by now."""
        seconds = self._settings.connect_timeout.total_seconds()
        pid = getattr(self._thread, "lost_pid", 0)  # a pooler does not tell it
        return bool(pid) and is_decided(self, pid, seconds)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self._watchdog.close()

    def _hear(self, notice: Diagnostic) -> None:
        """Keep the version that a trigger of ours tells."""
        if notice.sqlstate == VERSION_STATE:
            about = notice.table_name or "", notice.column_name or ""
            epoch, seq = map(int, (notice.message_primary or "").split())
            self.told[about] = max(Version(epoch, seq), self.told.get(about, UNTOUCHED))

    def _tell_if_slow(self, name: str, seconds: float) -> None:
        if seconds >= self._slow_seconds:
            logger.warning("%s: slow query: %s took %.3f s", self.backend, name, seconds)

    def _run_alone(self, asked: Statement, params: Params, where: Where) -> list[TupleRow]:
        with self._taken(where) as link:
            return self.call(link, asked.name, lambda: rows_of(link, asked, params))

    @contextmanager
    def _taken(self, where: Where) -> Iterator[Link]:
        try:
            link = self._given(where)
        except Exception:
            raise
        except BaseException:
            self._renew(self._pool)
            raise
        try:
            yield link
        finally:
            try:
                link.home.putconn(link)
            except Exception:
                raise
            except BaseException:
                self._renew(link.home)
                raise

    def _renew(self, pool: ConnectionPool[Link]) -> None:
        """Go on with another pool: one that was interrupted may have lost a connection."""
        with self._renewing:
            if self._pool is pool:
                self._pool = self._make_pool()
        pool.close()  # and so is each connection that comes back to it

    def _given(self, where: Where) -> Link:
        try:
            return self._take()
        except DRIVER_ERRORS as error:
            raise translated(error, where) from error

    def _take(self) -> Link:
        """Return a pooled connection; where no server is, fail with what connecting came to."""
        began = time.monotonic()
        patience = began + self._settings.pool.timeout.total_seconds()
        first = (
            began + min(self._settings.connect_timeout, self._settings.pool.timeout).total_seconds()
        )
        while True:
            in_trouble = self._health.failure is not None
            until = time.monotonic() + TROUBLE_SECONDS if in_trouble else first
            pool = self._pool
            try:
                link = pool.getconn(timeout=max(0.001, until - time.monotonic()))
                link.home = pool
                return link
            except PoolClosed:
                if pool is self._pool:
                    raise
            except PoolTimeout:
                now = time.monotonic()
                failure = self._health.failure
                if failure is not None and (now >= first or self._health.failed_at > began):
                    raise failure from None
                if now >= patience:
                    raise
                first = max(first, patience)

    def _make_pool(self) -> ConnectionPool[Link]:
        own = self._settings.pool
        return ConnectionPool(
            self._conninfo,
            connection_class=_reporting_to(self._health),
            kwargs={"autocommit": True},
            min_size=own.min,
            max_size=own.max,
            timeout=own.timeout.total_seconds(),
            max_idle=own.idle.total_seconds(),
            reconnect_timeout=self._settings.connect_timeout.total_seconds(),
            configure=self._configure_lent if self.sessions.is_pooled else self._configure,
            check=self._check,
            name=f"fluxstore-{self.backend}",
            open=True,
        )

    def _check(self, link: Link) -> None:
        """Ask a connection that has been idle for a while whether it lives."""
        if time.monotonic() - link.last_used > IDLE_SECONDS_BEFORE_CHECK:
            self.call(link, "check", lambda: ConnectionPool.check_connection(link))

    def _configure(self, link: Link) -> None:
        self._watch(link)
        link.pid = link.info.backend_pid
        self.call(link, "set_up", lambda: link.execute(self._setup.text))

    def _configure_lent(self, link: Link) -> None:
        """Prepare a connection to a pooler: who serves it is another one each time."""
        self._watch(link)
        link.prepare_threshold = None

    def _watch(self, link: Link) -> None:
        link.call = self._watchdog.watch(link)
        link.add_notice_handler(self._hear)
        set_json_loads(_json, link)


def _reporting_to(health: Health) -> type[Link]:
    class Reporting(Link):
        @classmethod
        def connect(cls, *args: Any, **kwargs: Any) -> Any:
            try:
                made = super().connect(*args, **kwargs)
            except psycopg.Error as error:
                health.failure, health.failed_at = error, time.monotonic()
                raise
            health.failure = None
            return made

    return Reporting


def _json(text: str | bytes) -> Any:
    """Return a JSON document; an error of the driver's for one that Python cannot hold."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise psycopg.DataError(f"a JSON document that cannot be read: {error}") from error
