"""PostgreSQL passes the suite that every adapter passes."""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString, cast

import psycopg
import pytest

from fluxstore.settings import Secret
from fluxstore.testing.conformance import *  # noqa: F403
from fluxstore.testing.conformance import Backend
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.settings import Settings

pytestmark = pytest.mark.postgres


@pytest.fixture
def backend(postgres_dsn: str, tmp_path: Path) -> Backend:
    """An empty database of the test's own."""
    settings = Settings(dsn=Secret(postgres_dsn))
    return Backend(PostgresAdapter, settings, tmp_path, foreign=foreign)


def foreign(backend: Backend, statement: str) -> None:
    """Run a statement as psql would: on a connection that knows nothing of fluxstore."""
    with psycopg.connect(backend.settings.dsn.reveal()) as connection:
        connection.execute(cast("LiteralString", statement))
