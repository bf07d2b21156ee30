"""What acceptance tests share: databases, and the example application's."""

from __future__ import annotations

from collections.abc import Iterator

import flux_studio_example
import psycopg
import pytest
from flux_studio_rows import OLD, insert

from fluxstore.testing.databases import (
    DatabaseServer,
    postgres_dsn,
    postgres_server,
    reachable_folder,
)

__all__ = [
    "flux_studio",
    "flux_studio_dsn",
    "postgres_dsn",
    "postgres_server",
    "reachable_folder",
    "stocked",
]


@pytest.fixture
def flux_studio_dsn(postgres_server: DatabaseServer) -> Iterator[str]:
    """The conninfo of a database of the test's own with Flux Studio's tables, empty."""
    template = flux_studio_example.template(postgres_server)
    with postgres_server.database(template) as conninfo:
        yield conninfo


@pytest.fixture
def flux_studio(flux_studio_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to a database of the test's own with Flux Studio's tables, empty."""
    with psycopg.connect(flux_studio_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def stocked(flux_studio: psycopg.Connection) -> psycopg.Connection:
    """The same with a user ``u1`` called Ada and a project ``p1`` called Logo."""
    insert(flux_studio, "users", id="u1", email="ada@example.com", name="Ada", updated_at=OLD)
    insert(flux_studio, "projects", id="p1", name="Logo", manager_id="u1", updated_at=OLD)
    return flux_studio
