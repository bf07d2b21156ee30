"""What this plugin's tests share: databases, servers of their own, adapters on them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from fluxstore.adapter import Opening, Use
from fluxstore.entity import Entities
from fluxstore.settings import Secret
from fluxstore.testing.databases import DatabaseServer, postgres_server, reachable_folder
from fluxstore.testing.entities import ENTITIES
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.embedded import EmbeddedServer
from fluxstore_postgres.settings import Settings

__all__ = ["postgres_server", "reachable_folder"]
OpenAdapter = Callable[..., PostgresAdapter]
ROLES = Path(__file__).parents[3] / "sql" / "roles" / "fluxstore.sql"
LEAST_RIGHTS = "FLUXSTORE_TESTS_WITH_LEAST_RIGHTS"
"""Set, every test signs in as a ``fluxstore_migrator`` rather than as a superuser."""


@pytest.fixture
def superuser_dsn(postgres_server: DatabaseServer) -> Iterator[str]:
    """The conninfo of an empty database of the test's own."""
    with postgres_server.database() as conninfo:
        yield conninfo


@pytest.fixture
def postgres_dsn(superuser_dsn: str, request: pytest.FixtureRequest) -> str:
    """The same for the role that the test runs as."""
    if not os.environ.get(LEAST_RIGHTS):
        return superuser_dsn
    sign_in: Callable[[str], str] = request.getfixturevalue("sign_in")
    return sign_in("fluxstore_migrator")


@pytest.fixture
def grant_rights(superuser_dsn: str) -> Callable[[], None]:
    """Do what an administrator does with ``sql/roles/fluxstore.sql``."""

    def grant() -> None:
        with psycopg.connect(superuser_dsn, autocommit=True) as connection:
            connection.execute(ROLES.read_text("utf-8").encode())

    return grant


@pytest.fixture
def sign_in(superuser_dsn: str, grant_rights: Callable[[], None]) -> Iterator[Callable[[str], str]]:
    """Return the conninfo of a new role in one of the groups of ``sql/roles/fluxstore.sql``."""
    made: list[str] = []
    grant_rights()

    def sign_in(group: str) -> str:
        made.append(f"{group} {secrets.token_hex(4)}")
        with psycopg.connect(superuser_dsn, autocommit=True) as connection:
            made_so = SQL("CREATE ROLE {} LOGIN IN ROLE {}")
            connection.execute(made_so.format(Identifier(made[-1]), Identifier(group)))
        return make_conninfo(superuser_dsn, user=made[-1])

    yield sign_in
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        for name in made:
            _of_role(connection, "DROP OWNED BY {} CASCADE", name)
            _of_role(connection, "DROP ROLE {}", name)


@pytest.fixture
def own_server(reachable_folder: Path) -> Iterator[EmbeddedServer]:
    """A server for this test alone, not started yet; stopped and deleted at its end."""
    server = EmbeddedServer(reachable_folder / "postgres", durable=False)
    yield server
    server.remove()


@pytest.fixture
def open_adapter(tmp_path: Path) -> Iterator[OpenAdapter]:
    """Open adapters on a DSN with any settings; they are closed at the end."""
    opened: list[PostgresAdapter] = []

    def open_one(
        dsn: str,
        entities: Entities = ENTITIES,
        *,
        use: Use = Use.SERVE,
        folder: Path = tmp_path,
        own: dict[str, Any] | None = None,
        **settings: Any,
    ) -> PostgresAdapter:
        made = Settings(dsn=Secret(dsn), **settings)
        opening = Opening("pg", made, entities, own or {}, folder, use)
        opened.append(PostgresAdapter(opening))
        return opened[-1]

    yield open_one
    for adapter in opened:
        adapter.close()


@pytest.fixture
def sql(postgres_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A client of the test's database that is not fluxstore."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def superuser(superuser_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A client of the test's database that may do everything."""
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def new_role(superuser: psycopg.Connection[Any]) -> Iterator[str]:
    """A role that may log in and nothing else; roles are the whole server's."""
    name = f"may little {secrets.token_hex(4)}"
    _of_role(superuser, "CREATE ROLE {} LOGIN", name)
    yield name
    _of_role(superuser, "DROP OWNED BY {} CASCADE", name)
    _of_role(superuser, "DROP ROLE {}", name)


def _of_role(connection: psycopg.Connection[Any], text: LiteralString, name: str) -> None:
    connection.execute(SQL(text).format(Identifier(name)))
