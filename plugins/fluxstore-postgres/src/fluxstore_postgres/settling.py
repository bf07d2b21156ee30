"""What became of a write whose connection died: asked on new connections, until it is decided."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from fluxstore.errors import FluxstoreError
from fluxstore_postgres.statements import Statement, statement

if TYPE_CHECKING:
    from fluxstore_postgres.connections import Connections

PAUSE_SECONDS = 0.05
T = TypeVar("T")


def status_of(connections: Connections, number: str, seconds: float) -> str | None:
    """Return what became of a transaction: ``committed``, ``aborted``; ``None``: it is not known.

    One that is *in progress* is not *aborted*: its server process may still be at the COMMIT.
    *number* is what the transaction's start said: its number, and the run of the server.
    """
    own, _, run = number.partition(" ")

    def look() -> str | None:
        said = _ask(connections, statement("session", "status"), {"number": own, "run": run})
        return None if said == "in progress" else str(said or "unknown")

    said = _until(look, seconds)
    return said if said in {"committed", "aborted"} else None


def is_decided(connections: Connections, pid: int, seconds: float) -> bool:
    """Tell whether the server process *pid* has ended: what it was told has happened, or not."""

    def look() -> bool | None:
        return _ask(connections, statement("session", "is_gone"), {"pid": pid}) is True or None

    return _until(look, seconds) is True


def _ask(connections: Connections, asked: Statement, params: dict[str, object]) -> object:
    with connections.apart() as link:
        row = link.execute(asked.text, params).fetchone()
    return row[0] if row else None


def _until(look: Callable[[], T | None], seconds: float) -> T | None:
    """Return what *look* comes to; ``None`` when the time is over, also without a server."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except FluxstoreError:
            found = None  # the server may be starting again
        if found is not None or time.monotonic() >= until:
            return found
        time.sleep(PAUSE_SECONDS)
