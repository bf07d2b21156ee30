"""PostgreSQL databases for tests: one throw-away server, a fresh database for every test.

The server is shared by all test processes of a user (pytest-xdist's workers, two runs at a time):
the first to ask starts it, the last to end stops it and deletes its data, a killed run included
once another one has ended. Its settings are those of a real server, since a migration refuses one
without fsync. A test of durability, or one that stops or starves its server, makes an
``EmbeddedServer`` of its own, in ``reachable_folder``.

Fixtures, registered by fluxstore's pytest plugin: ``postgres_server``, ``postgres_dsn``,
``reachable_folder``. ``psycopg`` and ``fluxstore_postgres`` are imported where they are used.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import attrs
import pytest

if TYPE_CHECKING:
    import psycopg

LOCK_NAME = 0x666C7578  # "flux": one maker of a template at a time


@attrs.frozen
class DatabaseServer:
    """A running throw-away server; ``conninfo`` reaches its ``postgres`` database."""

    conninfo: str

    def template(self, name: str, build: Callable[[str], None]) -> str:
        """Return the name of a database that ``build(conninfo)`` filled, once for all processes."""
        with _connection(self.conninfo) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_NAME])
            if not _exists(connection, name):
                self._build(connection, name, build)
        return name

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Make a database like *template*, yield its conninfo, and drop it."""
        name = f"test_{secrets.token_hex(6)}"
        with _connection(self.conninfo) as connection:
            _execute(connection, "CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield self._conninfo_of(name)
        finally:
            with _connection(self.conninfo) as connection:
                _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _build(
        self, connection: psycopg.Connection, name: str, build: Callable[[str], None]
    ) -> None:
        unfinished = f"unfinished_{secrets.token_hex(6)}"
        _execute(connection, "CREATE DATABASE {} TEMPLATE {}", unfinished, "template1")
        build(self._conninfo_of(unfinished))
        _execute(connection, "ALTER DATABASE {} RENAME TO {}", unfinished, name)

    def _conninfo_of(self, name: str) -> str:
        from psycopg.conninfo import make_conninfo

        return make_conninfo(self.conninfo, dbname=name)


@contextmanager
def shared_server() -> Iterator[DatabaseServer]:
    """Yield the throw-away server that every test process of this user shares."""
    from fluxstore_postgres.embedded import EmbeddedServer, locate

    binaries = locate()
    mark = hashlib.blake2b(os.fsencode(binaries.folder), digest_size=4).hexdigest()
    name = f"fluxstore-tests-{os.geteuid()}-{binaries.version}-{mark}-real"
    server = EmbeddedServer(Path(tempfile.gettempdir()) / name)
    conninfo, use = server.use()
    try:
        yield DatabaseServer(conninfo)
    finally:
        server.release(use, remove=True)


@contextmanager
def temporary_reachable_folder() -> Iterator[Path]:
    """Yield a new folder that other users of the machine can reach too, and delete it.

    pytest's own folders are closed to others; a server that root started runs as somebody else.
    """
    folder = Path(tempfile.mkdtemp(prefix="fluxstore-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DatabaseServer]:
    """A throw-away PostgreSQL server, shared by the run."""
    with shared_server() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres_server: DatabaseServer) -> Iterator[str]:
    """The conninfo of an empty database of the test's own."""
    with postgres_server.database() as conninfo:
        yield conninfo


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A folder in which an embedded server can keep its data, also when root runs the tests."""
    with temporary_reachable_folder() as folder:
        yield folder


def _connection(conninfo: str) -> psycopg.Connection:
    import psycopg

    return psycopg.connect(conninfo, autocommit=True)


def _execute(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _exists(connection: psycopg.Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return found.fetchone() is not None
