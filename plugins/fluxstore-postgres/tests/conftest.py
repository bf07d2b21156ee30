"""What this plugin's tests share: databases, servers of their own, adapters on them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from fluxstore.adapter import Opening, Use
from fluxstore.entity import Entities
from fluxstore.settings import Secret
from fluxstore.testing.databases import postgres_dsn, postgres_server, reachable_folder
from fluxstore.testing.entities import ENTITIES
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.embedded import EmbeddedServer
from fluxstore_postgres.settings import Settings

__all__ = ["postgres_dsn", "postgres_server", "reachable_folder"]
OpenAdapter = Callable[..., PostgresAdapter]


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
def new_role(sql: psycopg.Connection[Any]) -> Iterator[str]:
    """A role that may log in and nothing else; roles are the whole server's."""
    name = f"may little {secrets.token_hex(4)}"
    _of_role(sql, "CREATE ROLE {} LOGIN", name)
    yield name
    _of_role(sql, "DROP OWNED BY {} CASCADE", name)
    _of_role(sql, "DROP ROLE {}", name)


def _of_role(connection: psycopg.Connection[Any], text: LiteralString, name: str) -> None:
    connection.execute(SQL(text).format(Identifier(name)))
