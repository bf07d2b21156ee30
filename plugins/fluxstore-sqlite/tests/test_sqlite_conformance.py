"""SQLite passes the suite that every backend passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxstore.testing.conformance import *  # noqa: F403 - a kit is taken whole
from fluxstore.testing.conformance import Backend
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    """An empty file of the test's own."""
    return Backend(SqliteAdapter, Settings(path="store.db"), tmp_path)
