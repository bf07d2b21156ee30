"""Options that every command takes, before or after its name, and help that fits any terminal."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperOption

from fluxstore.cli import render

SWITCHES = {
    "json": "Print one JSON object on stdout, also on errors.",
    "quiet": "Print nothing but problems.",
    "debug": "Show the traceback of an error.",
}
WORDS = "fluxstore.words"
"""Where a context keeps the command's own words: ``schema apply``."""
INDENT = "  "
WIDEST_NAMES = 28


def adopt(command: Any) -> None:
    """Give *command* and every command below it the global options and our help."""
    command.params.extend(_global_options())
    command.no_args_is_help = False
    command.get_help = lambda ctx: _help(command, ctx)
    for below in getattr(command, "commands", {}).values():
        adopt(below)


def _global_options() -> Iterable[TyperOption]:
    yield TyperOption(
        param_decls=["--config", "config_file"],
        metavar="FILE",
        help="The configuration; default: fluxstore.toml here.",
        callback=_remember,
        expose_value=False,
    )
    for name, text in SWITCHES.items():
        yield TyperOption(
            param_decls=[f"--{name}"],
            is_flag=True,
            help=text,
            callback=_remember,
            expose_value=False,
        )


def _remember(ctx: typer.Context, param: Any, value: Any) -> Any:
    ctx.meta[WORDS] = ctx.command_path.partition(" ")[2]  # the deepest command comes last
    # What is not given at one level does not take back what another level was given.
    if value and ctx.obj is not None:
        setattr(ctx.obj, param.name, value)
    return value


def _help(command: Any, ctx: typer.Context) -> str:
    text = "\n".join(help_lines(command, ctx))
    return json.dumps({"help": text}) if ctx.obj is not None and ctx.obj.json else text


def help_lines(command: Any, ctx: typer.Context) -> list[str]:
    """Return the help of *command*: usage, what it does, its arguments, options and commands."""
    records: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Commands": []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            records[f"{param.param_type_name.title()}s"].append(record)
    for name, below in _commands(command, ctx):
        records["Commands"].append((name, below.get_short_help_str(300)))
    columns = render.width()
    lines = [*_wrapped(command.get_usage(ctx), columns, INDENT), ""]
    for paragraph in (command.help or "").strip().split("\n\n"):
        lines += [*_wrapped(" ".join(paragraph.split()), columns), ""]
    for title, rows in records.items():
        if rows:
            lines += [f"{title}:", *_definitions(rows, columns), ""]
    return lines[:-1]


def _commands(command: Any, ctx: typer.Context) -> list[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        return []
    found = [(name, command.get_command(ctx, name)) for name in command.list_commands(ctx)]
    return [(name, below) for name, below in found if below is not None and not below.hidden]


def _definitions(rows: list[tuple[str, str]], columns: int) -> list[str]:
    names = min(WIDEST_NAMES, max(len(name) for name, _ in rows))
    beside = columns >= render.NARROW
    lines: list[str] = []
    for name, text in rows:
        if beside and len(name) <= names:
            first, *rest = _wrapped(text, columns - names - 4) or [""]
            lines.append(f"{INDENT}{name:<{names}}  {first}".rstrip())
            lines += [" " * (names + 4) + line for line in rest]
        else:
            lines += [INDENT + name, *_wrapped(text, columns - 6, "", " " * 6)]
    return lines


def _wrapped(text: str, columns: int, later: str = "", every: str = "") -> list[str]:
    wrapper = textwrap.TextWrapper(
        max(columns, 10) + len(every),
        initial_indent=every,
        subsequent_indent=every + later,
        break_on_hyphens=False,
    )
    return wrapper.wrap(text)
