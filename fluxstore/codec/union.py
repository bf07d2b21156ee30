"""Unions: a value is stored as JSON, with a tag where two options would look alike.

``int | str`` needs no tag. In ``str | datetime`` both are text: the str stays as it is and the
datetime becomes ``{"$as": "datetime", "value": "2026-01-02T03:04:05.000Z"}``. What others wrote
without tags is read as the first option that takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs

from fluxstore.codec import document, inside, plain
from fluxstore.codec.jsonvalue import json_value
from fluxstore.codec.plain import Convert
from fluxstore.codec.refusal import Refusal
from fluxstore.errors import EntityError
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
_PLAINEST = (Kind.STR, Kind.INT, Kind.LIST, Kind.DICT, Kind.ANY)
"""Of options of one shape, the first of these goes without a tag."""
_ORDER = {Kind.ENUM: -1, Kind.FLOAT: 1, Kind.DECIMAL: 2, Kind.ANY: 3}
"""Who is asked before, and who after the others: a member of an IntEnum is an int too, an int is
a number, a number is a Decimal's JSON form, and all of them are anything."""
_CLASSES: dict[Kind, type] = {Kind.TUPLE: tuple, Kind.SET: set, Kind.FROZENSET: frozenset}


@attrs.frozen
class _Option:
    name: str
    tagged: bool
    to_plain: Convert
    encode: Convert
    decode: Convert
    application: Convert
    keep: inside.Keep | None
    declared: inside.Declared | None

    def wrapped(self, value: Any) -> Any:
        """Return the JSON form: tagged where it must be, or where it would look tagged."""
        return {_TAG: self.name, _VALUE: value} if self.tagged or _is_tagged(value) else value


def _is_tagged(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {_TAG, _VALUE}


def _options(type_: Type) -> tuple[_Option, ...]:
    """Return the options in the order in which they are asked: those with a tag first."""
    names = [_name(item) for item in type_.items]
    if len(set(names)) < len(names):
        raise EntityError(f"two options of a union may not have one name: {', '.join(names)}")
    anything = any(item.kind is Kind.ANY for item in type_.items)
    shapes: dict[str, list[Type]] = {}
    for item in type_.items:
        shape = "any" if anything else _SHAPES.get(item.scalar, "text")
        shapes.setdefault(shape, []).append(item)
    options = [
        (item, _option(item, tagged=item is not _plainest(alike)))
        for alike in shapes.values()
        for item in alike
    ]
    options.sort(key=lambda one: (not one[1].tagged, _ORDER.get(one[0].kind, 0)))
    return tuple(option for _, option in options)


def _plainest(alike: list[Type]) -> Type | None:
    """Return the option of one shape that goes without a tag."""
    if len(alike) == 1:
        return alike[0]
    plain_ones = [item for item in alike if item.kind in _PLAINEST]
    return max(plain_ones, key=lambda item: item.kind is Kind.ANY, default=None)


def _option(type_: Type, *, tagged: bool) -> _Option:
    return _Option(
        name=_name(type_),
        tagged=tagged,
        to_plain=_exact(type_),
        encode=document.encoder(type_) or (lambda value: value),
        decode=document.decoder(type_),
        application=plain.to_application(type_),
        keep=inside.keeper(type_),
        declared=inside.declared(type_),
    )


def _name(type_: Type) -> str:
    """Return the words for a type; two options of one kind differ in their items."""
    if type_.cls:
        return str(type_.cls.__name__)
    items = ", ".join(map(_name, type_.items))
    return f"{type_.kind.value}[{items}]" if items else type_.kind.value


def _exact(type_: Type) -> Convert:
    """Return ``to_plain`` for values of the option's own class: a list may be meant as one."""
    convert = plain.to_plain(type_)
    wanted = type_.cls if type_.kind is Kind.ENUM else _CLASSES.get(type_.kind)
    if wanted is None:
        return convert

    def exact(value: Any) -> Any:
        if not isinstance(value, wanted):
            raise Refusal(Reason.TYPE, f"a {wanted.__name__} expected")
        return convert(value)

    return exact


def to_plain(type_: Type) -> Convert:
    """Return the function from an application's value to the union's JSON form."""
    options = _options(type_)

    def convert(value: Any) -> Any:
        return _first(options, lambda one: one.wrapped(json_value(one.encode(one.to_plain(value)))))

    return convert


def decoder(type_: Type) -> Convert:
    """Return the function that checks a JSON value and gives it its canonical spelling."""
    options = _options(type_)
    return lambda value: _decoded(
        options, value, lambda one, inner: one.wrapped(json_value(one.encode(one.decode(inner))))
    )


def to_application(type_: Type) -> Convert:
    """Return the function from the union's JSON form to the application's value."""
    options = _options(type_)
    return lambda value: _decoded(
        options, value, lambda one, inner: one.application(one.decode(inner))
    )


def keeper(type_: Type) -> inside.Keep | None:
    """Return what keeps undeclared names where a value is of the same option as before."""
    options = _options(type_)
    if not any(one.keep for one in options):
        return None

    def keep(old: Any, new: Any) -> Any:
        option = _option_of(options, new)
        if option is None or option.keep is None or option is not _option_of(options, old):
            return new
        return _inner(option, new, partial(option.keep, option.decode(_untagged(old))))

    return keep


def declared(type_: Type) -> inside.Declared | None:
    """Return what makes of a union's JSON form what an application sees."""
    options = _options(type_)
    if not any(one.declared for one in options):
        return None

    def plain_of(value: Any) -> Any:
        option = _option_of(options, value)
        if option is None or option.declared is None:
            return value
        return _inner(option, value, option.declared)

    return plain_of


def _option_of(options: tuple[_Option, ...], value: Any) -> _Option | None:
    """Return the option that a JSON form is a value of; ``None`` for null."""
    try:
        found: _Option = _decoded(options, value, lambda one, inner: (one.decode(inner), one)[1])
    except Refusal:
        return None
    return None if value is None else found


def _untagged(value: Any) -> Any:
    return value[_VALUE] if _is_tagged(value) else value


def _inner(option: _Option, value: Any, change: Convert) -> Any:
    """Return a JSON form with its plain value changed, its tag as it was."""
    made = json_value(option.encode(change(option.decode(_untagged(value)))))
    return {**value, _VALUE: made} if _is_tagged(value) else made


def _decoded(
    options: tuple[_Option, ...], value: Any, attempt: Callable[[_Option, Any], Any]
) -> Any:
    if _is_tagged(value):
        named = [one for one in options if one.name == value[_TAG]]
        if named:
            return attempt(named[0], value[_VALUE])
    untagged_first = sorted(options, key=lambda one: one.tagged)
    return _first(untagged_first, lambda one: attempt(one, value))


def _first(options: Any, attempt: Callable[[_Option], Any]) -> Any:
    """Return the first option's answer that is not refused."""
    for option in options:
        try:
            return attempt(option)
        except Refusal:
            continue
    raise Refusal(Reason.TYPE, "a value of one of the union's types expected")
