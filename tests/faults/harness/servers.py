"""A PostgreSQL server of a scenario's own: stopped at once, killed, paused, started again."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fluxstore.testing.databases import temporary_reachable_folder
from fluxstore_postgres.embedded import EmbeddedServer, processes

_END_SECONDS = 60.0


class Server:
    """A running server; its settings are those of a real one, fsync included."""

    def __init__(self, folder: Path) -> None:
        """Make the server in *folder*, which other users of the machine can reach, and start it."""
        self.folder = folder
        self._server = EmbeddedServer(folder)
        self.conninfo = self._server.start()

    def new_database(self, options: LiteralString = "") -> str:
        """Make an empty database, by *options* of CREATE DATABASE, and return its conninfo."""
        name = f"faults_{secrets.token_hex(6)}"
        make = sql.SQL("CREATE DATABASE {} " + options).format(sql.Identifier(name))
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(make)
        return make_conninfo(self.conninfo, dbname=name)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self._server.data

    def tablespace(self, name: str, place: Path) -> None:
        """Let databases be in a folder of the server's user's."""
        owner = self.data.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        place.chmod(0o700)
        make = sql.SQL("CREATE TABLESPACE {} LOCATION {}")
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(make.format(sql.Identifier(name), sql.Literal(str(place))))

    @property
    def socket(self) -> str:
        """The path of its Unix socket, for a proxy in front of it."""
        found = conninfo_to_dict(self.conninfo)
        return f"{found['host']}/.s.PGSQL.{found['port']}"

    def start(self) -> None:
        """Start it again; the address stays what it was."""
        self.conninfo = self._server.start()

    def stop_at_once(self) -> None:
        """Stop it as ``pg_ctl --mode=immediate`` does: no farewell, recovery at the next start."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """Kill every process of it."""
        self._end(signal.SIGKILL)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Have it stopped at once while the context lasts."""
        self.stop_at_once()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have every process of it stopped while the context lasts, as a hanging machine does."""
        pids = processes.leftovers(self._server.data)
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)

    def execute(self, statement: LiteralString) -> list[tuple[object, ...]]:
        """Run one statement, as an administrator would."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def terminate_all(self) -> None:
        """Terminate every other connection."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )

    @contextmanager
    def locked(self, dsn: str, statement: LiteralString) -> Iterator[None]:
        """Hold what one statement locks in a database while the context lasts."""
        with psycopg.connect(dsn) as connection:
            connection.execute(statement)
            yield
            connection.rollback()

    def remove(self) -> None:
        """Stop it and delete its data."""
        self._server.remove()

    def _end(self, how: signal.Signals) -> None:
        live = processes.live_postmaster(self._server.data)
        for pid in processes.leftovers(self._server.data) if how is signal.SIGKILL else ():
            _signal(pid, how)
        if live is not None:
            _signal(live.pid, how)
        until = time.monotonic() + _END_SECONDS
        while processes.leftovers(self._server.data):
            if time.monotonic() > until:
                raise AssertionError("the server's processes stay")
            time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@contextmanager
def own_server() -> Iterator[Server]:
    """Yield a server of one's own, removed afterwards."""
    with temporary_reachable_folder() as folder:
        server = Server(folder / "postgres")
        try:
            yield server
        finally:
            server.remove()
