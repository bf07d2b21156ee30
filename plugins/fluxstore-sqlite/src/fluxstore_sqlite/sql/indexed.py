"""What an index is on: the parts between the brackets of the statement that made it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PIECES = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?\*/ | .""",
    re.VERBOSE | re.DOTALL,
)
_ORDER = re.compile(r"\s+(ASC|DESC)\s*\Z", re.IGNORECASE)
_COLLATION = re.compile(r"\s+COLLATE\s+\S+\s*\Z", re.IGNORECASE)


def expressions(statement: str) -> list[str]:
    """Return the parts of a CREATE INDEX statement, without their orders and collations."""
    return [_COLLATION.sub("", _ORDER.sub("", part)).strip() for part in _parts(statement)]


def _parts(statement: str) -> Iterator[str]:
    depth, part = 0, ""
    for piece in _PIECES.findall(statement):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth == 0 and part:
            break  # the first brackets are over: a WHERE may follow
        if (piece == "(" and depth == 1) or (piece == "," and depth == 1):
            if part:
                yield part
            part = ""
        elif depth:
            part += " " if piece.startswith(("--", "/*")) else piece
    yield part
