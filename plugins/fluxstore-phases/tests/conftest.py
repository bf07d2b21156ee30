"""What this plugin's tests share: an application, its two sides, and trouble at one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from phase_changes import ends
from two_sided import Application, Trouble

from fluxstore_phases.sides import Sides


@pytest.fixture
def application(tmp_path: Path) -> Application:
    """An application on two files."""
    return Application(tmp_path)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """Both of its sides, as an operator sees them."""
    with ends(tmp_path) as both:
        yield both.sides()


@pytest.fixture
def trouble() -> Iterator[Trouble]:
    """Trouble that a test lets out; over with the test."""
    made = Trouble()
    yield made
    made.free.set()
