"""Application values ⇄ plain values: one function per type, made once.

A plain value is what backends are given: str, int, bool, finite float, Decimal, bytes, date, time,
UTC datetime, timedelta, UUID, list, dict with text keys. An Enum is its value, a set a sorted list,
a tuple a list, a nested attrs class a dict of its fields, a union its JSON form.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs

from fluxstore.codec.canonical import as_set
from fluxstore.codec.jsonvalue import finite, json_value
from fluxstore.codec.refusal import Refusal, check_int, check_text, mistyped
from fluxstore.kinds import Kind, Type
from fluxstore.records import Reason

Convert = Callable[[Any], Any]


def to_plain(type_: Type, *, big: bool = False) -> Convert:
    """Return the function that makes a plain value of an application's value, or refuses it."""
    return nullable(type_, _PLAIN[type_.kind](type_) if not big else _integer(big=True))


def to_application(type_: Type) -> Convert:
    """Return the function that makes the application's value of a plain value."""
    made = _APPLICATION.get(type_.kind)
    if made is None:
        return _same
    inner = made(type_)
    return lambda value: None if value is None else inner(value)


def nullable(type_: Type, convert: Convert) -> Convert:
    """Return *convert* with a null let through where the type allows it."""
    if type_.nullable:
        return lambda value: None if value is None else convert(value)
    return convert


def _same(value: Any) -> Any:
    return value


def exact(cls: type, words: str, then: Convert = _same) -> Convert:
    """Return a function that takes instances of exactly *cls* (no bool for an int) on to *then*."""

    def convert(value: Any) -> Any:
        if type(value) is not cls and (type(value) is bool or not isinstance(value, cls)):
            raise mistyped(words, value)
        return then(value)

    return convert


def _integer(*, big: bool = False) -> Convert:
    return exact(int, "an integer", lambda value: check_int(int(value), big=big))


def _float(_: Type) -> Convert:
    def convert(value: Any) -> float:
        if type(value) is bool or not isinstance(value, int | float):
            raise mistyped("a number", value)
        return whole_float(value)

    return convert


def whole_float(value: float) -> float:
    """Return a finite float; refuse an int that no float can hold."""
    try:
        return finite(float(value))
    except OverflowError:
        raise Refusal(Reason.NOT_FINITE, "a number that a float can hold expected") from None


def decimal(value: Decimal) -> Decimal:
    """Return a finite Decimal with its scale kept, within what PostgreSQL's numeric can hold."""
    if not value.is_finite():
        raise Refusal(Reason.NOT_FINITE, "a finite number expected")
    _, digits, exponent = value.as_tuple()
    places = int(exponent)
    if len(digits) + max(places, 0) > 131072 or places < -16383:
        raise Refusal(
            Reason.RANGE, "at most 131,072 digits before and 16,383 after the point expected"
        )
    if places > 0:  # by way of text: arithmetic would round to the context's 28 digits
        value = Decimal(format(value, "f")) if value else Decimal(0)
    return value or value.copy_abs()


def instant(value: datetime) -> datetime:
    """Return the instant in UTC; refuse a naive datetime and one outside the years 1 to 9999."""
    if value.tzinfo is None or value.utcoffset() is None:
        raise Refusal(Reason.NAIVE, "a time with an offset from UTC expected")
    try:
        return value.astimezone(UTC).replace(fold=0)
    except OverflowError:
        raise Refusal(Reason.RANGE, "a time between the years 1 and 9999 expected") from None


def _time(value: time) -> time:
    if value.tzinfo is not None:
        raise Refusal(Reason.TYPE, "a time of day without an offset expected")
    return value.replace(fold=0)


def _date(value: date) -> date:
    if isinstance(value, datetime):
        raise mistyped("a date", value)
    return value


def _choice(type_: Type) -> Convert:
    known = {(type(choice), choice) for choice in type_.choices}
    words = "one of " + ", ".join(map(str, type_.choices[:12]))

    def convert(value: Any) -> Any:
        plain = value.value if type_.cls and isinstance(value, type_.cls) else value
        if type(plain) not in (str, int, bool) or (type(plain), plain) not in known:
            raise Refusal(Reason.CHOICE, f"{words} expected")
        return plain

    return convert


def array(
    type_: Type, item_of: Callable[[Type], Convert], accepted: tuple[type[Collection[Any]], ...]
) -> Convert:
    """Return the function for an array type, given the one that makes its items' functions."""
    items = tuple(item_of(item) for item in type_.items)
    is_set = type_.kind in (Kind.SET, Kind.FROZENSET)

    def convert(value: Any) -> list[Any]:
        if not isinstance(value, accepted):
            raise mistyped(f"a {type_.kind.value}", value)
        if not type_.variadic and len(value) != len(items):
            raise Refusal(Reason.LENGTH, f"{len(items)} items expected, {len(value)} found")
        chosen = items * len(value) if type_.variadic else items
        made = [
            _item(each, item, at) for at, (each, item) in enumerate(zip(chosen, value, strict=True))
        ]
        return as_set(made, type_.items[0]) if is_set else made

    return convert


def _item(convert: Convert, value: Any, at: int) -> Any:
    try:
        return convert(value)
    except Refusal as refusal:
        raise refusal.under(f"[{at}]") from None


def mapping(type_: Type, value_of: Callable[[Type], Convert], key: Convert) -> Convert:
    """Return the function for a dict type; two keys of one text are refused."""
    item = value_of(type_.items[1])

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise mistyped("an object", value)
        made = {key(name): _named(item, each, str(name)) for name, each in value.items()}
        if len(made) != len(value):
            raise Refusal(Reason.DUPLICATE_NAME, "keys that differ as text expected")
        return made

    return convert


def _named(convert: Convert, value: Any, name: str) -> Any:
    try:
        return convert(value)
    except Refusal as refusal:
        raise refusal.under(f".{name}") from None


def key_text(type_: Type) -> Convert:
    """Return the function that makes the text of a dict field's key."""
    convert = to_plain(type_)

    def text(value: Any) -> str:
        try:
            plain = convert(value)
        except Refusal as refusal:
            raise Refusal(refusal.reason, f"a key that is {refusal.expected}") from None
        return plain if isinstance(plain, str) else str(plain)

    return text


def _nested(type_: Type) -> Convert:
    members = {name: to_plain(member) for name, member in type_.members}

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, type_.cls):
            raise mistyped(f"a {type_.cls.__name__}", value)
        return {name: _named(each, getattr(value, name), name) for name, each in members.items()}

    return convert


def _union(type_: Type) -> Convert:
    from fluxstore.codec import union  # a union is JSON, which builds on this

    return union.to_plain(type_)


_PLAIN: dict[Kind, Callable[[Type], Convert]] = {
    Kind.STR: lambda _: exact(str, "text", lambda value: check_text(str(value))),
    Kind.INT: lambda _: _integer(),
    Kind.BOOL: lambda _: exact(bool, "true or false"),
    Kind.FLOAT: _float,
    Kind.DECIMAL: lambda _: exact(Decimal, "a Decimal", decimal),
    Kind.BYTES: lambda _: exact(bytes, "bytes"),
    Kind.DATE: lambda _: exact(date, "a date", _date),
    Kind.TIME: lambda _: exact(time, "a time of day", _time),
    Kind.DATETIME: lambda _: exact(datetime, "a datetime", instant),
    Kind.TIMEDELTA: lambda _: exact(timedelta, "a timedelta"),
    Kind.UUID: lambda _: exact(UUID, "a UUID"),
    Kind.ENUM: _choice,
    Kind.LITERAL: _choice,
    Kind.LIST: lambda t: array(t, to_plain, (list,)),
    Kind.TUPLE: lambda t: array(t, to_plain, (tuple, list)),
    Kind.SET: lambda t: array(t, to_plain, (set, frozenset)),
    Kind.FROZENSET: lambda t: array(t, to_plain, (set, frozenset)),
    Kind.DICT: lambda t: mapping(t, to_plain, key_text(t.items[0])),
    Kind.NESTED: _nested,
    Kind.UNION: _union,
    Kind.ANY: lambda _: json_value,
}


def _application_array(type_: Type) -> Convert:
    makes: dict[Kind, Any] = {Kind.TUPLE: tuple, Kind.SET: set, Kind.FROZENSET: frozenset}
    make = makes.get(type_.kind, list)
    items = tuple(to_application(item) for item in type_.items)
    if all(item is _same for item in items):
        made: Convert = make
        return made
    if type_.variadic:
        return lambda value: make(items[0](item) for item in value)
    return lambda value: make(each(item) for each, item in zip(items, value, strict=True))


def _application_dict(type_: Type) -> Convert:
    parse, key = _FROM_TEXT[type_.items[0].scalar], to_application(type_.items[0])
    item = to_application(type_.items[1])
    return lambda value: {key(parse(name)): item(each) for name, each in value.items()}


def _application_nested(type_: Type) -> Convert:
    members = [(name, to_application(member)) for name, member in type_.members]
    aliases = {attribute.name: attribute.alias for attribute in attrs.fields(type_.cls)}

    def convert(value: Any) -> Any:
        given = {aliases[name]: each(value[name]) for name, each in members if name in value}
        return type_.cls(**given)

    return convert


def _application_union(type_: Type) -> Convert:
    from fluxstore.codec import union  # as above

    return union.to_application(type_)


_FROM_TEXT: dict[Kind, Convert] = {
    Kind.STR: _same,
    Kind.INT: int,
    Kind.UUID: UUID,
    Kind.DATE: date.fromisoformat,
}
_APPLICATION: dict[Kind, Callable[[Type], Convert]] = {
    Kind.ENUM: lambda type_: type_.cls,
    Kind.LIST: _application_array,
    Kind.TUPLE: _application_array,
    Kind.SET: _application_array,
    Kind.FROZENSET: _application_array,
    Kind.DICT: _application_dict,
    Kind.NESTED: _application_nested,
    Kind.UNION: _application_union,
}
