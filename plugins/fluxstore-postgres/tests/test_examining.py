"""What ``doctor`` and C0 say of a server's settings."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fluxstore.adapter import Use
from fluxstore_postgres.examining import server

FIT: dict[str, Any] = {
    "version": "15.0",
    "number": 150000,
    "encoding": "UTF8",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "is_standby": False,
    "is_read_only": False,
    "role": "me",
}


def test_nothing_is_said_of_a_server_that_is_fit() -> None:
    assert [] == list(server({**FIT, "now": time.time()}, Use.TARGET))


@pytest.mark.parametrize(("version", "number"), [("14.12", 140012), ("9.6.24", 90624)])
def test_a_server_that_is_older_than_any_test_has_run_on_blocks(version: str, number: int) -> None:
    facts = {**FIT, "version": version, "number": number, "now": time.time()}
    (found,) = server(facts, Use.TARGET)

    assert ("version", f"is PostgreSQL {version}", "upgrade to 15", True) == (
        found.subject,
        found.problem,
        found.next_step,
        found.blocks,
    )
    assert not found.offline
