"""SQLite as a backend of fluxstore: one file, one table an entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxstore.hookspecs import hookimpl


@hookimpl
def fluxstore_register_adapters(register: Callable[[str, Any], None]) -> None:
    """Offer the adapter ``sqlite``; its module is imported when a configuration names it."""
    register("sqlite", "fluxstore_sqlite.adapter:SqliteAdapter")
