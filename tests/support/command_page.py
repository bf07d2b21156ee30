"""The page about commands, made of the command line itself; run it to write the page anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fluxstore.cli.app import command
from fluxstore.cli.options import SWITCHES
from fluxstore.cli.session import Session
from fluxstore.cli.signals import Signals

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"
NAME = "fluxstore"
EVERYWHERE = {"config_file", "help", *SWITCHES}
INTRODUCTION = """\
# Commands

Every command is idempotent, says on stderr what it does, and ends with one of the
{doc}`exit codes <exit-codes>`. Ctrl-C leaves a state from which the same command goes on.

This page is made of the commands' own help: `fluxstore COMMAND --help`.

## Options of every command
"""


def page() -> str:
    """Return the whole page."""
    root = command()
    session = Session(Signals(), json=False, quiet=False, debug=False)
    with root.make_context(NAME, [], obj=session, resilient_parsing=True) as ctx:
        everywhere = [p for p in root.params if p.name in EVERYWHERE]
        own = [p for p in root.get_params(ctx) if p.name not in EVERYWHERE]
        lines = [INTRODUCTION, *_table(everywhere, ctx), "\n## `fluxstore`\n\n", _help(root)]
        lines += [*_table(own, ctx), *_below(root, ctx)]
    return "".join(lines)


def _below(group: Any, ctx: Any) -> Iterator[str]:
    for name in sorted(group.list_commands(ctx)):
        found = group.get_command(ctx, name)
        if found is None or found.hidden:
            continue
        with found.make_context(name, [], parent=ctx, resilient_parsing=True) as own:
            yield f"\n## `{own.command_path}`\n\n{_help(found)}"
            yield f"\n```text\n{found.get_usage(own).removeprefix('Usage: ')}\n```\n"
            yield from _table([p for p in found.get_params(own) if p.name not in EVERYWHERE], own)
            if hasattr(found, "list_commands"):
                yield from _below(found, own)


def _help(found: Any) -> str:
    paragraphs = (found.help or "").strip().split("\n\n")
    return "\n\n".join(_escaped(" ".join(paragraph.split())) for paragraph in paragraphs) + "\n"


def _table(params: list[Any], ctx: Any) -> Iterator[str]:
    records = [param.get_help_record(ctx) for param in params]
    rows = [record for record in records if record is not None]
    if rows:
        yield "\n| option or argument | meaning |\n|---|---|\n"
    for names, text in rows:
        yield f"| `{_escaped(names)}` | {_escaped(' '.join(text.split()))} |\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
