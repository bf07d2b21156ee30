"""How far a command is, on stderr: live on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from fluxstore.cli import render

if TYPE_CHECKING:
    from fluxstore.cli.session import Session
    from fluxstore.migration.progress import Progress

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 10.0
Tell: TypeAlias = "Callable[[Progress], None]"


@contextmanager
def reporting(session: Session) -> Iterator[Tell]:
    """Yield what to tell how far a command is; it shows that where and as often as it should."""
    stream = sys.stderr
    if session.quiet or session.json or stream is None:
        yield _nothing
    elif render.in_colour(stream):
        with _live(stream) as tell:
            yield tell
    else:
        every = LIVE_SECONDS if stream.isatty() else PLAIN_SECONDS
        lines = Lines(stream, every, over_each_other=stream.isatty())
        try:
            yield lines.tell
        finally:
            lines.end()


def _nothing(_: Progress) -> None:
    """Show nothing."""


def line_of(progress: Progress) -> str:
    """Return one line: stage, entity, records, rate, share done, time left."""
    entity = f" {progress.entity}" if progress.entity else ""
    parts = [f"{progress.stage}{entity}", f"{progress.records:,} records"]
    parts.append(f"{progress.records_per_second:,.0f}/s")
    if progress.fraction is not None:
        parts.append(f"{progress.fraction:.0%}")
    if progress.remaining_seconds is not None:
        parts.append(f"{render.duration(progress.remaining_seconds)} left")
    return ", ".join(parts)


class Lines:
    """Plain lines; on a terminal without colours each is written over the one before."""

    def __init__(self, stream: TextIO, every_seconds: float, *, over_each_other: bool) -> None:
        """Begin; a line comes every so many seconds, the first at once where it is written over."""
        self._stream = stream
        self._every = every_seconds
        self._over = over_each_other
        self._told = 0.0 if over_each_other else time.monotonic()
        self._shown = 0

    def tell(self, progress: Progress) -> None:
        """Show *progress* if it is time."""
        now = time.monotonic()
        if now - self._told < self._every:
            return
        self._told = now
        line = render.plain(line_of(progress), self._stream.encoding)
        if self._over:
            line = line[: max(render.width() - 1, 1)]
            self._stream.write(f"\r{line:<{self._shown}}")
            self._shown = len(line)
            self._stream.flush()
        else:
            render.write_lines([line], self._stream)

    def end(self) -> None:
        """Leave the cursor at the start of an empty line."""
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()


@contextmanager
def _live(stream: TextIO) -> Iterator[Tell]:
    from rich.console import Console

    console = Console(file=stream, width=max(render.width(), 20), highlight=False)
    with _bar(console, wide=render.width() >= 80) as bar:
        task = bar.add_task("", total=None, words="", rate="", left="")

        def tell(progress: Progress) -> None:
            words = f"{progress.stage} {progress.entity}".rstrip()
            left = progress.remaining_seconds
            bar.update(
                task,
                completed=progress.fraction,
                total=None if progress.fraction is None else 1.0,
                words=words,
                rate=f"{progress.records:,} records, {progress.records_per_second:,.0f}/s",
                left="" if left is None else f"{render.duration(left)} left",
            )

        yield tell


def _bar(console: Any, *, wide: bool) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = [TextColumn("{task.fields[words]}"), TextColumn("{task.percentage:>3.0f}%")]
    if wide:
        columns[1:1] = [BarColumn(20), TextColumn("{task.fields[rate]}")]  # type: ignore[list-item]
        columns.append(TextColumn("{task.fields[left]}"))
    return Progress(
        *columns, console=console, transient=True, refresh_per_second=4, disable=_is_dumb()
    )


def _is_dumb() -> bool:
    return os.environ.get("TERM", "") in ("", "dumb", "unknown")
