"""What ``doctor`` should say about a PostgreSQL backend."""

from __future__ import annotations

from collections.abc import Sequence

from fluxstore.adapter import Finding
from fluxstore_postgres.database import Database
from fluxstore_postgres.dsn import Target


def examine(database: Database, target: Target) -> Sequence[Finding]:
    """Return what was found."""
    return ()
