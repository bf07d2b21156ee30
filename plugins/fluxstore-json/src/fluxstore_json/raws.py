"""Where in the text of a document its parts are, to the byte, whatever is wrong with them."""

from __future__ import annotations

import json
import re

import msgspec

from fluxstore_json.blocks import elements, end_of_value
from fluxstore_json.shapes import Shape, parted

_NAME = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_BETWEEN = re.compile(rb"[ \t\r\n]*,")
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
Span = tuple[int, int]


def members(raw: bytes) -> dict[str, Span]:
    """Return where the value of each name is in an element's document (doubled: the last)."""
    found = _members_at_once(raw)
    return _members_one_by_one(raw) if found is None else found


def _members_at_once(raw: bytes) -> dict[str, Span] | None:
    """Return the same by the lengths that a parser gives, ``None`` where that is not certain."""
    start = raw.index(b"{", parted(raw)[1])
    try:
        held = _MEMBERS(memoryview(raw)[start:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    found: dict[str, Span] = {}
    at = start + 1
    for name, value in held.items():
        written = _NAME.match(raw, at)
        if written is None or _plain(written[1]) != name:
            return None
        found[name] = written.end(), written.end() + len(memoryview(value))
        between = _BETWEEN.match(raw, found[name][1])
        at = between.end() if between is not None else found[name][1]
    return found


def _members_one_by_one(raw: bytes) -> dict[str, Span]:
    found: dict[str, Span] = {}
    at = raw.index(b"{", parted(raw)[1]) + 1
    while (name := _NAME.match(raw, at)) is not None:
        end = end_of_value(raw, name.end())
        found[_plain(name[1])] = (name.end(), end)
        between = _BETWEEN.match(raw, end)
        if between is None:
            break
        at = between.end()
    return found


def _plain(name: bytes) -> str:
    text = name[1:-1].decode() if b"\\" not in name else json.loads(name)
    return str(text)


def items(raw: bytes, span: Span, shape: Shape) -> list[Span]:
    """Return where each element of the array, or object, at *span* is."""
    start, end = span
    inner = raw[start + 1 : end - 1]
    if not inner.strip():
        return []
    lead = len(inner) - len(inner.lstrip(b" \t\r\n"))
    return [(start + 1 + at, start + 1 + to) for at, to in elements(inner, shape, lead)]


def inside(raw: bytes, array: str, shape: Shape) -> list[Span]:
    """Return where each element of what is named *array* is in an element's document."""
    return held(raw, members(raw).get(array), shape)


def held(raw: bytes, span: Span | None, shape: Shape) -> list[Span]:
    """Return where each element is in the value at *span*; none where that is no such array."""
    if span is None or raw[span[0] : span[0] + 1] != shape.opening:
        return []
    return items(raw, span, shape)
