"""PostgreSQL as a backend of fluxstore: typed columns, pooled connections, an embedded server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxstore.hookspecs import hookimpl


@hookimpl
def fluxstore_register_adapters(register: Callable[[str, Any], None]) -> None:
    """Offer the adapter ``postgres``; it is imported when a configuration names it."""
    register("postgres", "fluxstore_postgres.adapter:PostgresAdapter")
