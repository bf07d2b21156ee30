"""PostgreSQL as a backend of fluxstore: typed columns, pooled connections, an embedded server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fluxstore.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def fluxstore_register_adapters(register: Callable[[str, Any], None]) -> None:
    """Offer the adapter ``postgres``; it is imported when a configuration names it."""
    register("postgres", "fluxstore_postgres.adapter:PostgresAdapter")


@hookimpl
def fluxstore_register_commands(app: typer.Typer) -> None:
    """Add ``db``, the embedded PostgreSQL by hand."""
    from fluxstore_postgres import commands

    app.add_typer(commands.group, name="db")
