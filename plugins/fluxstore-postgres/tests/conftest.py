"""What this plugin's tests share: the throw-away server of fluxstore.testing, and own servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxstore.testing.databases import postgres_dsn, postgres_server, reachable_folder
from fluxstore_postgres.embedded import EmbeddedServer

__all__ = ["own_server", "postgres_dsn", "postgres_server", "reachable_folder"]


@pytest.fixture
def own_server(reachable_folder: Path) -> Iterator[EmbeddedServer]:
    """A server for this test alone, not started yet; stopped and deleted at its end."""
    server = EmbeddedServer(reachable_folder / "postgres", durable=False)
    yield server
    server.remove()
