"""Unions: a value is stored as JSON, with a tag where two options would look alike.

``int | str`` needs no tag. In ``str | datetime`` both are text: the str stays as it is and the
datetime becomes ``{"$as": "datetime", "value": "2026-01-02T03:04:05.000Z"}``.
"""

from __future__ import annotations

from typing import Any

import attrs

from fluxstore.codec import document, plain
from fluxstore.codec.jsonvalue import json_value
from fluxstore.codec.plain import Convert
from fluxstore.codec.refusal import Refusal
from fluxstore.kinds import Kind, Type
from fluxstore.records import Reason

_TAG, _VALUE = "$as", "value"
_SHAPES: dict[Kind, str] = {
    Kind.INT: "integer",
    Kind.FLOAT: "number",
    Kind.BOOL: "bool",
    Kind.LIST: "array",
    Kind.TUPLE: "array",
    Kind.SET: "array",
    Kind.FROZENSET: "array",
    Kind.DICT: "object",
    Kind.NESTED: "object",
    Kind.ANY: "any",
}
_UNTAGGED = frozenset({Kind.STR, Kind.LIST, Kind.DICT, Kind.ANY})


@attrs.frozen
class _Option:
    tag: str | None
    to_plain: Convert
    encode: Convert
    decode: Convert
    application: Convert

    def wrapped(self, value: Any) -> Any:
        return value if self.tag is None else {_TAG: self.tag, _VALUE: value}

    def unwrapped(self, value: Any) -> Any:
        if self.tag is None:
            return value
        if isinstance(value, dict) and value.keys() == {_TAG, _VALUE} and value[_TAG] == self.tag:
            return value[_VALUE]
        raise Refusal(Reason.TYPE, f"a value tagged {self.tag} expected")


def _options(type_: Type) -> tuple[_Option, ...]:
    shapes = [_SHAPES.get(item.scalar, "text") for item in type_.items]
    return tuple(
        _option(item, tagged=shapes.count(shape) > 1 and item.kind not in _UNTAGGED)
        for item, shape in zip(type_.items, shapes, strict=True)
    )


def _option(type_: Type, *, tagged: bool) -> _Option:
    name = type_.cls.__name__ if type_.cls else type_.kind.value
    return _Option(
        tag=name if tagged else None,
        to_plain=plain.to_plain(type_),
        encode=document.encoder(type_) or (lambda value: value),
        decode=document.decoder(type_),
        application=plain.to_application(type_),
    )


def _first(options: tuple[_Option, ...], attempt: Any) -> Any:
    """Return the first option's answer that is not refused; tagged options are asked first."""
    for option in sorted(options, key=lambda one: one.tag is None):
        try:
            return attempt(option)
        except Refusal:
            continue
    raise Refusal(Reason.TYPE, "a value of one of the union's types expected")


def to_plain(type_: Type) -> Convert:
    """Return the function from an application's value to the union's JSON form."""
    options = _options(type_)
    return lambda value: _first(
        options, lambda one: one.wrapped(json_value(one.encode(one.to_plain(value))))
    )


def decoder(type_: Type) -> Convert:
    """Return the function that checks a JSON value and gives it its canonical spelling."""
    options = _options(type_)
    return lambda value: _first(
        options, lambda one: one.wrapped(json_value(one.encode(one.decode(one.unwrapped(value)))))
    )


def to_application(type_: Type) -> Convert:
    """Return the function from the union's JSON form to the application's value."""
    options = _options(type_)
    return lambda value: _first(
        options, lambda one: one.application(one.decode(one.unwrapped(value)))
    )
