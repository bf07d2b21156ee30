"""Fixtures for tests of adapters and of applications.

Ask for them in the ``conftest.py`` beside your ``pyproject.toml``::

    pytest_plugins = ["fluxstore.testing.pytest_plugin"]

``reference_backend`` is an empty reference backend in a file, ``postgres_dsn`` an empty database on
a throw-away server. An adapter's own ``backend`` fixture is what the conformance kit runs on
(``fluxstore.testing.conformance``). Declaring ``FENCING`` there, an adapter is asked for all that a
live migration stands on: control that is compared and set under a fence that waits for open
transactions, reads and writes that look at it in their own atomic unit, versions, tombstones, marks
and operations kept with the records, live batches that never beat the follower leg. Declaring
``CAPTURE``, its ``Backend`` says in ``foreign`` how another client runs a statement.

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
