"""Telling a story by commands: each is run as if it had been typed, and must end as it should."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import TypeAlias

import attrs

from fluxstore.cli import exits, render
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import FluxstoreError

Chapter: TypeAlias = tuple[str, Callable[[], None]]


@attrs.frozen
class Told:
    """One command of a story."""

    command: str
    exit_code: int
    seconds: float


class Teller:
    """Tells chapter by chapter; every command in it is one that the user can type."""

    def __init__(self, session: Session, folder: Path) -> None:
        """Begin in *folder*."""
        self._session = session
        self.folder = folder
        self.told: list[Told] = []
        self._chapters = 0

    def tell_all(self, chapters: Sequence[Chapter]) -> None:
        """Tell *chapters*; ``FluxstoreError`` where a command ends otherwise than it should."""
        for title, chapter in chapters:
            self._chapters += 1
            self.say("", Styled(f"{self._chapters}. {title}", "bold"))
            chapter()

    def say(self, *lines: str) -> None:
        """Print *lines*, unless nothing is to be said."""
        if not (self._session.quiet or self._session.json):
            render.write_lines(lines, sys.stdout)

    def run(self, *arguments: str, code: int = exits.OK, shown: bool = True) -> None:
        """Run a command here, as if it had been typed; not *shown*, only how it ended is told."""
        from fluxstore.cli.frame import run

        line = f"fluxstore {' '.join(arguments)}"
        self.say(Styled(f"$ {line}", "green"))
        options = [f"--{name}" for name in ("quiet", "debug") if getattr(self._session, name)]
        if self._session.json or not shown:
            options.append("--quiet")
        begun = time.monotonic()
        # Problems stand between the lines they belong to, also where the story goes into a file.
        with nullcontext() if self._session.json else redirect_stderr(sys.stdout or sys.stderr):
            ended = run([*arguments, *options], self._session.signals)
        self.told.append(Told(line, ended, round(time.monotonic() - begun, 2)))
        if self._session.signals.received:
            raise KeyboardInterrupt
        if ended != code:
            raise self.broken(f"`{line}` ended with {ended} where {code} was expected")
        if not shown:
            self.say(f"exit code {ended}: {exits.MEANINGS[ended]}")

    def broken(self, problem: str) -> FluxstoreError:
        """Return the error of a story that did not end as it should."""
        return FluxstoreError(problem, next_step=f"look into {self.folder}, and report it")
