"""Fixtures for tests of adapters and of applications.

Ask for them in the ``conftest.py`` beside your ``pyproject.toml``::

    pytest_plugins = ["fluxstore.testing.pytest_plugin"]

It is no ``pytest11`` entry point: that would import fluxstore into every run of pytest on a machine
that has it installed, for all the tests that have nothing to do with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxstore.testing.backend import Backend
from fluxstore.testing.databases import postgres_dsn, postgres_server, reachable_folder
from fluxstore.testing.reference import ReferenceAdapter, Settings

__all__ = [
    "postgres_dsn",
    "postgres_server",
    "reachable_folder",
    "reference_backend",
]


@pytest.fixture
def reference_backend(tmp_path: Path) -> Backend:
    """An empty reference backend in a file of the test's own, for any number of adapters."""
    return Backend(ReferenceAdapter, Settings(path="reference"), tmp_path, name="reference")
