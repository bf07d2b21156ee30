"""SQLite passes the suite that every backend passes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fluxstore.testing.conformance import *  # noqa: F403 - a kit is taken whole
from fluxstore.testing.conformance import Backend
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    """An empty file of the test's own."""
    return Backend(SqliteAdapter, Settings(path="store.db"), tmp_path, foreign=run_elsewhere)


def run_elsewhere(backend: Backend, statement: str) -> None:
    """Run *statement* as a program does that knows SQLite only."""
    with closing(sqlite3.connect(backend.folder / "store.db", isolation_level=None)) as driver:
        driver.execute("PRAGMA foreign_keys = ON")
        driver.execute(statement)
