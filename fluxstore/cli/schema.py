"""``schema show``, ``diff`` and ``apply``: tables from entities, and numbered SQL steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluxstore.cli import exits, render
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from fluxstore.adapter import HasSchema

group = typer.Typer(help="Show, compare and change the tables of a backend.")
Backend = Annotated[
    str, typer.Option("--to", metavar="BACKEND", help="The backend; default: [policy] target.")
]


@group.command()
def show(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Print the statements that make the tables of all entities."""
    with _schema(Session.of(ctx), backend) as (name, schema):
        ddl = schema.ddl()
    return render.Answer({"backend": name, "ddl": ddl}, ddl.rstrip().splitlines())


@group.command()
def diff(ctx: typer.Context, *, backend: Backend = "") -> render.Answer:
    """Say how what is there differs from what the entities need. Exit code 5 where it does."""
    with _schema(Session.of(ctx), backend) as (name, schema):
        found = schema.differences()
    lines: list[str] = []
    for one in found:
        hint = f"; {one.next_step}" if one.next_step else ""
        lines.append(f"{one.subject}: {one.problem}{hint}")
        lines += render.indented(one.statements)
    code = exits.DIFFERENCES if found else exits.OK
    data = {"backend": name, "differences": found}
    return render.Answer(data, lines or [Styled("nothing differs", "green")], exit_code=code)


@group.command()
def apply(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Numbered SQL files.")],
    *,
    backend: Backend = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which steps would run, and run none.")
    ] = False,
) -> render.Answer:
    """Apply the numbered SQL files of a folder that have not run yet.

    Each runs in a transaction with the record that it ran; a file that was changed since is
    refused.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder", next_step="name one of SQL files")
    with _schema(Session.of(ctx), backend) as (name, schema):
        steps = list(schema.apply_steps(folder, dry_run=dry_run))
    verb = "would be applied" if dry_run else "applied"
    lines = [f"{step}: {verb}" for step in steps] or ["every step has run already"]
    return render.Answer({"backend": name, "steps": steps, "dry_run": dry_run}, lines)


@contextmanager
def _schema(session: Session, backend: str) -> Iterator[tuple[str, HasSchema]]:
    from fluxstore.adapter import Capability, HasSchema, Use

    name = backend or _usual(session)
    with session.backend(name, Use.SERVE) as adapter:
        if not isinstance(adapter, HasSchema):
            raise UnsupportedError(
                f"the adapter {adapter.name} has no tables",
                backend=name,
                capability=Capability.SCHEMA.value,
                next_step="name another backend with --to",
            )
        yield name, adapter


def _usual(session: Session) -> str:
    config = session.config
    target = getattr(config.policy.settings, "target", None) if config.policy else None
    if target:
        return str(target)
    if len(config.backends) == 1:
        return next(iter(config.backends))
    known = ", ".join(config.backends) or "none"
    raise UsageError("--to BACKEND expected", next_step=f"configured: {known}")
