"""Questions: only to somebody who can answer them."""

from __future__ import annotations

import sys

from fluxstore.cli import render
from fluxstore.errors import UsageError


def confirm(question: str, *, yes: bool, option: str) -> None:
    """Return where *yes* or the user agrees; ``UsageError`` otherwise, or where nobody can answer.

    *option* is the one that answers beforehand.
    """
    if yes:
        return
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            f"{question}: nobody is here to answer", next_step=f"say {option} to agree beforehand"
        )
    sys.stderr.write(render.plain(f"{question} [y/N] ", sys.stderr.encoding))
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    if answer not in ("y", "yes"):
        raise UsageError("not agreed to; nothing was changed")


def confirm_here(question: str, *, yes: bool) -> None:
    """Return where *yes* or the user agrees, or nobody sits at a terminal who could be asked."""
    if not yes and _is_terminal(sys.stdin) and _is_terminal(sys.stderr):
        confirm(question, yes=False, option="--yes")


def _is_terminal(stream: object) -> bool:
    return stream is not None and getattr(stream, "isatty", lambda: False)()
