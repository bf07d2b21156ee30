"""Plain values ⇄ their JSON form: what a JSON file, a jsonb column or a JSON text column holds.

Decoding coerces nothing: ``"12"`` is no integer and ``1`` is no bool. Times, UUIDs and Decimals are
text. Anything refused is named with the path into the field.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from fluxstore.codec.jsonvalue import JsonNumber, json_value
from fluxstore.codec.plain import Convert, array, decimal, instant, mapping, nullable, to_plain
from fluxstore.codec.plain import _named as named
from fluxstore.codec.refusal import Refusal, mistyped
from fluxstore.kinds import ARRAY_KINDS, Kind, Type
from fluxstore.records import Reason

_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6}0*)?)?"
    r"([Zz]|[+-]\d\d(:?\d\d)?)?\Z",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?)?\Z", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,6})?\Z", re.ASCII)
_INTEGER = re.compile(r"(0|-?[1-9]\d*)\Z", re.ASCII)
_DURATION = re.compile(r"(-?)P(\d+)DT(\d+)S(?:(\d{6})U)?\Z", re.ASCII)


def decoder(type_: Type, *, big: bool = False) -> Convert:
    """Return the function that makes a plain value of a JSON value, or refuses it."""
    if big:
        return to_plain(type_, big=True)
    return nullable(type_, _DECODE[type_.kind](type_))


def encoder(type_: Type) -> Convert | None:
    """Return the function from plain to JSON form, or ``None`` where they are the same."""
    made = _encode(type_)
    if made is None:
        return None
    return lambda value: None if value is None else made(value)


def _text(words: str, pattern: re.Pattern[str], parse: Callable[[str], Any]) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            raise mistyped(words, value)
        if not pattern.match(value):
            raise Refusal(Reason.TYPE, f"{words} expected")
        try:
            return parse(value)
        except (ValueError, ArithmeticError) as error:
            if isinstance(error, Refusal):
                raise
            raise Refusal(Reason.TYPE, f"{words} expected") from None

    return convert


def _stamp(text: str) -> datetime:
    return instant(datetime.fromisoformat(_trimmed(text).upper()))  # Python reads no "z"


def _trimmed(text: str) -> str:
    """Drop zeros beyond the microsecond: JavaScript and Go write them, Python refuses them."""
    if len(text) <= 32 or "." not in text:
        return text
    return re.sub(r"(\.\d{6})0+", r"\1", text)


def _decimal_number(_: Type) -> Convert:
    parse = _text("a decimal number", _DECIMAL, lambda text: decimal(Decimal(text)))

    def convert(value: Any) -> Decimal:
        if isinstance(value, JsonNumber):
            return decimal(Decimal(value.digits))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return decimal(Decimal(str(value)))
        made: Decimal = parse(value)
        return made

    return convert


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise mistyped("bytes in base64", text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(Reason.TYPE, "bytes in base64 expected") from None


def _duration(text: str) -> timedelta:
    sign, days, seconds, micros = _DURATION.match(text).groups()  # type: ignore[union-attr]
    made = timedelta(days=int(days), seconds=int(seconds), microseconds=int(micros or 0))
    return -made if sign else made


def duration_text(value: timedelta) -> str:
    """Return a duration as text: ``P1DT3600S``, ``-P0DT1S``, ``P0DT0S000250U``."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    micros = f"{value.microseconds:06d}U" if value.microseconds else ""
    return f"{sign}P{value.days}DT{value.seconds}S{micros}"


def stamp_text(value: datetime) -> str:
    """Return an instant in UTC as JavaScript writes it: ``2026-01-02T03:04:05.000Z``.

    Most JSON files spell instants so, and then need no residue. Microseconds where there are.
    """
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _nested(type_: Type) -> Convert:
    members = {name: decoder(member) for name, member in type_.members}

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise mistyped("an object", value)
        missing = [name for name in _required(type_) if name not in value]
        if missing:
            raise Refusal(Reason.MISSING, f"{missing[0]} expected", path=f".{missing[0]}")
        # What the class does not declare stays in the plain value, as extras of the inner object.
        return {
            name: named(members.get(name, json_value), each, name) for name, each in value.items()
        }

    return convert


def _required(type_: Type) -> list[str]:
    import attrs

    return [a.name for a in attrs.fields(type_.cls) if a.init and a.default is attrs.NOTHING]


def _dict_key(type_: Type) -> Convert:
    """Return the function from a name in JSON to a dict's key in its one spelling."""
    check = decoder(type_)
    if type_.scalar is not Kind.INT:
        return lambda name: str(check(name))

    def integer(name: str) -> str:
        if not _INTEGER.match(name):
            raise Refusal(Reason.TYPE, "names that are integers expected")
        return str(check(int(name)))

    return integer


def _union(type_: Type) -> Convert:
    from fluxstore.codec import union  # unions build on this module

    return union.decoder(type_)


_DECODE: dict[Kind, Callable[[Type], Convert]] = {
    Kind.STR: to_plain,
    Kind.INT: to_plain,
    Kind.BOOL: to_plain,
    Kind.FLOAT: to_plain,
    Kind.DECIMAL: _decimal_number,
    Kind.BYTES: lambda _: _bytes,
    Kind.DATE: lambda _: _text("a date (YYYY-MM-DD)", _DATE, date.fromisoformat),
    Kind.TIME: lambda _: _text("a time of day (HH:MM:SS)", _TIME, time.fromisoformat),
    Kind.DATETIME: lambda _: _text("a time (ISO 8601)", _STAMP, _stamp),
    Kind.TIMEDELTA: lambda _: _text("a duration (P1DT3600S)", _DURATION, _duration),
    Kind.UUID: lambda _: _text("a UUID in its hyphenated form", _UUID, UUID),
    Kind.ENUM: lambda t: to_plain(Type(Kind.LITERAL, choices=t.choices)),
    Kind.LITERAL: to_plain,
    Kind.LIST: lambda t: array(t, decoder, (list,)),
    Kind.TUPLE: lambda t: array(t, decoder, (list,)),
    Kind.SET: lambda t: array(t, decoder, (list,)),
    Kind.FROZENSET: lambda t: array(t, decoder, (list,)),
    Kind.DICT: lambda t: mapping(t, decoder, _dict_key(t.items[0])),
    Kind.NESTED: _nested,
    Kind.UNION: _union,
    Kind.ANY: lambda _: json_value,
}
_ENCODE: dict[Kind, Convert] = {
    Kind.DECIMAL: lambda value: format(value, "f"),
    Kind.BYTES: lambda value: base64.b64encode(value).decode("ascii"),
    Kind.DATE: date.isoformat,
    Kind.TIME: time.isoformat,
    Kind.DATETIME: stamp_text,
    Kind.TIMEDELTA: duration_text,
    Kind.UUID: str,
}


def _encode(type_: Type) -> Convert | None:
    if type_.kind in ARRAY_KINDS:
        return _encode_array([encoder(item) for item in type_.items], type_.variadic)
    if type_.kind is Kind.DICT:
        item = encoder(type_.items[1])
        return item and (lambda value: {name: item(each) for name, each in value.items()})
    if type_.kind is Kind.NESTED:
        return _encode_nested({name: encoder(member) for name, member in type_.members})
    return _ENCODE.get(type_.kind)


def _encode_array(items: list[Convert | None], variadic: bool) -> Convert | None:
    if all(item is None for item in items):
        return None
    if variadic and (only := items[0]):
        return lambda value: [only(each) for each in value]
    return lambda value: [
        item(each) if item else each for item, each in zip(items, value, strict=True)
    ]


def _encode_nested(members: dict[str, Convert | None]) -> Convert | None:
    if not any(members.values()):
        return None
    return lambda value: {
        name: make(each) if (make := members.get(name)) else each for name, each in value.items()
    }
