"""What people and programs see: lines that any terminal can show, and JSON."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import attrs

from fluxstore.errors import printable

NARROW = 50
PLAIN = {
    "…": "...",
    "→": "->",
    "⇄": "<->",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "·": "-",
    "’": "'",
    "“": '"',
    "”": '"',
    "≥": ">=",
    "≤": "<=",
    "█": "#",
    "░": ".",
    "✓": "ok",
}
_SGR = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


@attrs.frozen
class Answer:
    """What a command ends with.

    ``data`` is printed with ``--json``; ``lines`` go to stdout otherwise; ``problems`` go to stderr
    in any case, one line each.
    """

    data: Mapping[str, Any]
    lines: Sequence[str] = ()
    problems: Sequence[str] = ()
    exit_code: int = 0


def width() -> int:
    """Return how many columns a line may have: of the terminal, or 132 where there is none."""
    return shutil.get_terminal_size((132, 24)).columns or 132


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether *stream* is a terminal that understands more than plain lines."""
    clever = os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return clever and stream is not None and stream.isatty()


def in_colour(stream: TextIO | None) -> bool:
    """Tell whether escape codes may be written to *stream*."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


class Styled(str):
    """A line with a style of its own, shown where the stream has colours."""

    __slots__ = ("style",)
    style: str

    def __new__(cls, text: str, style: str) -> Styled:
        """Make a line of *text*; *style* is bold, red, green, yellow or dim."""
        made = super().__new__(cls, text)
        made.style = style
        return made


def plain(text: str, encoding: str | None) -> str:
    """Return *text* with what *encoding* lacks replaced by something legible."""
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        simple = "".join(PLAIN.get(character, character) for character in text)
        return simple.encode(encoding or "ascii", "backslashreplace").decode(encoding or "ascii")
    return text


def write_line(line: str, stream: TextIO | None) -> None:
    """Write one line, control characters escaped; nothing where the stream is closed."""
    if stream is None:
        return
    shown = plain(printable(line), stream.encoding)
    if isinstance(line, Styled) and in_colour(stream):
        shown = f"\x1b[{_SGR[line.style]}m{shown}\x1b[0m"
    stream.write(shown + "\n")


def write_lines(lines: Iterable[str], stream: TextIO | None) -> None:
    """Write lines and flush, so that a closed pipe is noticed here."""
    for line in lines:
        write_line(line, stream)
    if stream is not None:
        stream.flush()


def write_json(data: Mapping[str, Any], stream: TextIO | None) -> None:
    """Write one JSON object, ASCII only: no character of the data reaches a terminal raw."""
    if stream is not None:
        stream.write(json.dumps(data, indent=2, default=_json_value) + "\n")
        stream.flush()


def write_json_line(data: Mapping[str, Any], stream: TextIO | None) -> None:
    """Write one JSON object on a line of its own."""
    if stream is not None:
        stream.write(json.dumps(data, default=_json_value) + "\n")
        stream.flush()


def _json_value(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)
    return str(value)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows as aligned columns, or one below the other where the terminal is narrow.

    Numbers stand at the right, with thousands separated; ``None`` is a dash.
    """
    texts = [[cell(value) for value in row] for row in rows]
    if not texts:
        return []
    widths = [max(len(row[at]) for row in [list(head), *texts]) for at in range(len(head))]
    if sum(widths) + 2 * len(widths) > width():
        return _stacked(head, texts)
    right = [
        all(isinstance(value, int | float | None) for value in at) for at in zip(*rows, strict=True)
    ]
    return [_row(row, widths, right) for row in [head, *texts]]


def cell(value: object) -> str:
    """Return a value of a table as text."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case _:
            return printable(str(value))


def _row(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = (
        text.rjust(size) if at_right else text.ljust(size)
        for text, size, at_right in zip(row, widths, right, strict=True)
    )
    return "  ".join(cells).rstrip()


def _stacked(head: Sequence[str], texts: Sequence[Sequence[str]]) -> list[str]:
    lines: list[str] = []
    for row in texts:
        lines.append(row[0])
        lines += [f"  {name}: {text}" for name, text in zip(head[1:], row[1:], strict=True)]
    return lines


def near(text: str) -> str:
    """Return *text* with paths below the working directory as they can be typed there."""
    here = f"{Path.cwd()}{os.sep}"
    return text.replace(here, "") if len(here) > 1 else text


def indented(texts: Iterable[str], margin: str = "    ") -> list[str]:
    """Return texts of several lines, each line behind a margin."""
    return [margin + line for text in texts for line in text.splitlines()]


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 record``, ``1,234 records``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return a duration for people: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(number: int) -> str:
    """Return a number of bytes for people: ``312 B``, ``4.1 KiB``, ``2.0 GiB``."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
