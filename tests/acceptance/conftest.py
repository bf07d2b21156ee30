"""What acceptance tests share: databases, and the example application's."""

from __future__ import annotations

from collections.abc import Iterator

import flux_studio_example
import psycopg
import pytest

from fluxstore.testing.databases import (
    DatabaseServer,
    postgres_dsn,
    postgres_server,
    reachable_folder,
)

__all__ = ["flux_studio", "flux_studio_dsn", "postgres_dsn", "postgres_server", "reachable_folder"]


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
