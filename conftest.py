"""Marks the tests that need a PostgreSQL server, so that they run again on another version."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["fluxstore.testing.pytest_plugin"]

ROOT = Path(__file__).resolve().parent
POSTGRES_TESTS = ROOT / "plugins" / "fluxstore-postgres" / "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker ``postgres`` to what asks for a server, or tests the plugin for it."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "postgres_server" in fixtures or POSTGRES_TESTS in item.path.parents:
            item.add_marker(pytest.mark.postgres)
