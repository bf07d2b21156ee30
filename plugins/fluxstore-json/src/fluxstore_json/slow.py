"""The exact and slow way to read one element: for what a fast reader refuses, or hides.

What no backend can hold is kept apart from what is no JSON at all: a NaN, a number beyond all
bounds, a lone surrogate, the same name twice, too many levels make one record bad; a comment or a
missing bracket makes the file bad.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from fluxstore.codec import JsonNumber, Refusal
from fluxstore.errors import shortened
from fluxstore.records import Reason

_LONGEST_NUMBER = 4300
"""More digits Python refuses to read."""
_TOO_LARGE = 1 << 4200
"""Stands for an integer with more digits: beyond every limit, and still printable."""
_DEEPEST = 256
"""More levels than any record may have, and few enough for every reader."""
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*("?)|[\[\]{}]', re.DOTALL)
_AFTER_SCALAR = re.compile(rb"[ \t\r\n]*(?:[,\]}]|\Z)")


class Doubled(dict[str, Any]):
    """A JSON object that has a name more than once: of each the last value.

    ``name`` says which name, ``pairs`` are all names with their values.
    """

    name = ""
    pairs: list[tuple[str, Any]]


@attrs.frozen
class Suspect:
    """An element that took the slow way; ``refusal`` says why it cannot be a record at all."""

    value: Any
    refusal: Refusal | None = None


def read(raw: bytes) -> Suspect:
    """Return the value of one element.

    Raises ``json.JSONDecodeError`` for what is no JSON, ``UnicodeDecodeError`` for no UTF-8.
    """
    text = raw.decode("utf-8")
    if _depth(raw) > _DEEPEST:
        return Suspect(None, Refusal(Reason.DEPTH, "at most 64 levels of nesting expected"))
    return Suspect(_decoder.decode(text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    doubled = Doubled(made)
    doubled.pairs = pairs
    doubled.name = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return doubled


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < _LONGEST_NUMBER else _TOO_LARGE


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=JsonNumber,
    parse_constant=lambda name: math.nan if name == "NaN" else float(name),
)


def doubled_name(values: Iterable[Any]) -> Refusal | None:
    """Return the refusal of the first name that an object among *values* has twice."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if type(value) is Doubled:
            expected = f"each name once expected, {shortened(value.name)!r} found more than once"
            return Refusal(Reason.DUPLICATE_NAME, expected)
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return None


def end_of(data: bytes, start: int) -> int | None:
    """Return where the element at *start* ends, by its brackets and strings alone.

    ``None`` where *data* ends before it does.
    """
    if data[start : start + 1] not in b'[{"':
        found = _AFTER_SCALAR.search(data, start)
        return found.start() if found else None
    depth = 0
    for token in _TOKEN.finditer(data, start):
        first = token[0][:1]
        if token[1] == b"":
            return None  # a string that is cut off
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth <= 0:
            return token.end() if depth == 0 else token.start()
    return None


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(raw):
        first = token[0][:1]
        depth += (first in b"[{") - (first in b"]}")
        deepest = max(deepest, depth)
    return deepest
