"""PostgreSQL passes the suite where our own statements keep the ledger rather than triggers.

What other clients write is not captured then, which is declared: those tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxstore.settings import Secret
from fluxstore.testing.conformance import *  # noqa: F403
from fluxstore.testing.conformance import Backend
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.settings import Settings

pytestmark = pytest.mark.postgres


@pytest.fixture
def backend(postgres_dsn: str, tmp_path: Path) -> Backend:
    """An empty database of the test's own, in which no trigger is made."""
    settings = Settings(dsn=Secret(postgres_dsn), capture="client")
    return Backend(PostgresAdapter, settings, tmp_path)
