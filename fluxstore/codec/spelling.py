"""Spellings: how a JSON value was written, where encoding its plain value would write it otherwise.

A residue holds plain JSON, which keeps no digits: a number whose digits count (``1.10`` in a
Decimal field) is kept as ``{"$number": "1.10"}``, and an object that looks so within
``{"$object": …}``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fluxstore.codec.jsonvalue import JsonNumber, json_value

_NUMBER, _OBJECT = "$number", "$object"
_MARKS = ({_NUMBER}, {_OBJECT})


def kept(raw: Any) -> Any:
    """Return an original JSON value in the form that a residue holds."""
    if isinstance(raw, JsonNumber):
        return float(raw) if repr(float(raw)) == raw.digits else {_NUMBER: raw.digits}
    if isinstance(raw, dict):
        made = {json_value(name): kept(item) for name, item in raw.items()}
        return {_OBJECT: made} if made.keys() in _MARKS else made
    if isinstance(raw, list):
        return [kept(item) for item in raw]
    return json_value(raw)


def read(spelling: Any) -> Any:
    """Return the JSON value that a spelling stands for, as a JSON reader would give it."""
    if isinstance(spelling, list):
        return [read(item) for item in spelling]
    if not isinstance(spelling, dict):
        return spelling
    if spelling.keys() == {_NUMBER}:
        digits = spelling[_NUMBER]
        return int(digits) if digits.lstrip("-").isdigit() else JsonNumber(digits)
    inner = spelling[_OBJECT] if spelling.keys() == {_OBJECT} else spelling
    return {name: read(item) for name, item in inner.items()}


def written(spelling: Any) -> Any:
    """Return what msgspec encodes to the value as it was written."""
    if isinstance(spelling, list):
        return [written(item) for item in spelling]
    if not isinstance(spelling, dict):
        return spelling
    if spelling.keys() == {_NUMBER}:
        return msgspec.Raw(spelling[_NUMBER].encode())
    inner = spelling[_OBJECT] if spelling.keys() == {_OBJECT} else spelling
    return {name: written(item) for name, item in inner.items()}
