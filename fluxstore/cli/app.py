"""The application: every command group, and the commands that plugins add."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fluxstore.cli import exits, options, render
from fluxstore.cli.session import Session
from fluxstore.errors import UsageError


class Commands(TyperGroup):
    """The core's commands; plugins are asked for theirs when a command is not one of these."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, the core's first."""
        self._ask_plugins(ctx)
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by name, or ``None``."""
        if cmd_name not in self.commands:
            self._ask_plugins(ctx)
        return self.commands.get(cmd_name)

    def _ask_plugins(self, ctx: Any) -> None:
        session = ctx.find_root().obj
        if not isinstance(session, Session) or "plugins" in ctx.find_root().meta:
            return
        ctx.find_root().meta["plugins"] = True
        theirs = typer.Typer()
        session.plugins.register_commands(theirs)
        for name, command in typer.main.get_group(theirs).commands.items():
            if name not in self.commands:  # a plugin adds commands, it replaces none
                options.adopt(command)
                self.commands[name] = command


def _version(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        found = version("fluxstore-core")
        Session.of(ctx).show(render.Answer({"version": found}, [f"fluxstore {found}"]), "version")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    _: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Move an application's records from any backend to any other: typed, checked, lossless."""
    if ctx.invoked_subcommand is None:
        if Session.of(ctx).json:
            raise UsageError("a command expected", next_step="see `fluxstore --help`")
        typer.echo(ctx.get_help())
        raise typer.Exit(exits.USAGE)


def command() -> Any:
    """Return the whole command line, ready to run."""
    app = typer.Typer(
        cls=Commands,
        rich_markup_mode=None,
        add_completion=True,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_root)
    _register(app)
    root = typer.main.get_command(app)
    options.adopt(root)
    return root


def _register(app: typer.Typer) -> None:
    from fluxstore.cli import (
        beginning,
        checking,
        demo,
        explaining,
        health,
        moving,
        repairing,
        returning,
        schema,
        status,
        steering,
    )

    app.command("demo")(demo.demo)
    app.command("init")(beginning.init)
    app.command("doctor")(health.doctor)
    app.command("status")(status.status)
    app.command("plugins")(health.plugins)
    app.command("validate")(checking.validate)
    app.command("verify-certificate")(checking.verify_certificate)
    app.command("repair")(repairing.repair)
    app.command("explain")(explaining.explain)
    app.command("rollback")(returning.rollback)
    app.add_typer(schema.group, name="schema")
    app.command("assess")(moving.assess)
    app.command("migrate")(moving.migrate)
    app.command("relay")(steering.relay)
    app.add_typer(steering.group, name="ctl")
