"""JSON values that no declared type describes: extras, ``Any``, and what unions are stored as."""

from __future__ import annotations

import math
from typing import Any

from fluxstore.codec.refusal import MAX_DEPTH, Refusal, check_int, check_text
from fluxstore.records import Reason


class JsonNumber(float):
    """A JSON number that is no integer, with its digits as they were written.

    A JSON reader makes these (msgspec's ``float_hook``), so that ``1.10`` in a Decimal field keeps
    its scale. Everywhere else it is a float.
    """

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> JsonNumber:
        """Make the number from its digits."""
        made = super().__new__(cls, digits)
        made.digits = digits
        return made


def json_value(value: Any, depth: int = 0) -> Any:
    """Return *value* as plain JSON (text, number, bool, null, list, dict); else ``Refusal``.

    ``-0.0`` becomes ``0.0``, as every backend's JSON type can hold it.
    """
    if value is None or value is True or value is False:
        return value
    found = _SCALARS.get(type(value))
    if found is not None:
        return found(value)
    if depth >= MAX_DEPTH:
        raise Refusal(Reason.DEPTH, f"at most {MAX_DEPTH} levels of nesting expected")
    if isinstance(value, dict):
        return {_name(name): _inside(item, f".{name}", depth) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_inside(item, f"[{at}]", depth) for at, item in enumerate(value)]
    raise Refusal(Reason.TYPE, f"a JSON value expected, {type(value).__name__} found")


def _inside(value: Any, step: str, depth: int) -> Any:
    try:
        return json_value(value, depth + 1)
    except Refusal as refusal:
        raise refusal.under(step) from None


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise Refusal(Reason.TYPE, f"names of an object must be text, {name!r} found")
    return check_text(name)


def finite(value: float) -> float:
    """Return *value* as a float without a negative zero; refuse NaN and infinities."""
    if not math.isfinite(value):
        raise Refusal(Reason.NOT_FINITE, "a finite number expected")
    return float(value) + 0.0


_SCALARS: dict[type, Any] = {
    str: check_text,
    int: lambda value: check_int(value, big=True),
    float: finite,
    JsonNumber: finite,
}


def by_value(value: Any) -> Any:
    """Return *value* with every whole float as an int, so that numbers compare by value."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(value)
    if isinstance(value, dict):
        return {name: by_value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [by_value(item) for item in value]
    return value
