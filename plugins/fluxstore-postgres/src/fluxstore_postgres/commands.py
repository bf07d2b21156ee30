"""``fluxstore db``: the embedded PostgreSQL by hand."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from fluxstore.cli import render
from fluxstore.cli.session import Session
from fluxstore.errors import AccessError, UsageError

if TYPE_CHECKING:
    from fluxstore_postgres.embedded import EmbeddedServer, ServerStatus

group = typer.Typer(help='The embedded PostgreSQL (dsn = "embedded"): start, stop, look.')
Backend = Annotated[
    str,
    typer.Option("--backend", metavar="BACKEND", help="Which backend, where several are embedded."),
]


@group.command()
def start(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Start the server, to stay until `fluxstore db stop`.

    Without this it runs while something uses it, and stops with its last user.
    """
    server = _server(Session.of(ctx), backend)
    conninfo = server.start()
    return _answer(server.status(), [f"running: {conninfo}", "`fluxstore db stop` stops it"])


@group.command()
def stop(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Stop the server, whoever uses it. Its data stay."""
    server = _server(Session.of(ctx), backend)
    was_running = server.status().running
    server.stop()
    return _answer(server.status(), ["stopped" if was_running else "it was not running"])


@group.command()
def status(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Say whether the server runs, of which version, and where everything is."""
    found = _server(Session.of(ctx), backend).status()
    words = f"running, process {found.pid}" if found.running else "not running"
    lines = [
        f"PostgreSQL {found.version}: {words}",
        f"data    {found.data_folder}",
        f"log     {found.log}",
    ]
    return _answer(found, lines + ([f"connect {found.conninfo}"] if found.running else []))


@group.command()
def path(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Print the folder that holds the server's data."""
    found = _server(Session.of(ctx), backend).status()
    return _answer(found, [str(found.data_folder)])


@group.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Open psql on the database; what follows is psql's: `fluxstore db psql -c 'SELECT 1'`."""
    server = _server(Session.of(ctx), backend)
    program = server.binaries.program("psql")
    if not os.access(program, os.X_OK):
        raise AccessError(
            f"{server.binaries.source} has no psql",
            next_step="install PostgreSQL's client programs, or set FLUXSTORE_PG_BINDIR",
        )
    conninfo, use = server.use()
    try:
        with _interrupts_left_to_psql():
            code = subprocess.call([program, conninfo, *_arguments(ctx)])
    finally:
        server.release(use)
    return render.Answer({"exit_code_of_psql": code}, exit_code=code)


def _server(session: Session, name: str) -> EmbeddedServer:
    """Return the embedded server of the backend *name*, or of the only one that has any."""
    from fluxstore_postgres.adapter import embedded_server

    config = session.config
    embedded = {
        one.name: one.settings
        for one in config.backends.values()
        if one.adapter == "postgres" and one.failure is None and one.settings.is_embedded
    }
    if name and name not in config.backends:
        config.backend(name)  # says which are near
    chosen = [name] if name else list(embedded)
    if len(chosen) != 1 or chosen[0] not in embedded:
        known = ", ".join(embedded) or "none"
        raise UsageError(
            f"{name or 'one backend'} with an embedded server expected, found {known}",
            next_step='write dsn = "embedded", or name one with --backend',
        )
    return embedded_server(config.folder)


def _answer(found: ServerStatus, lines: Sequence[str]) -> render.Answer:
    data = {name: _plain(value) for name, value in attrs.asdict(found).items()}
    return render.Answer(data, lines)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int) else str(value)


def _arguments(ctx: typer.Context) -> list[str]:
    return [one for one in ctx.args if one != "--"]


@contextmanager
def _interrupts_left_to_psql() -> Iterator[None]:
    """Let Ctrl-C end a query in psql, not us."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
