"""The one definition of canonical form, digest and *equal* (what every comparison uses).

A record's canonical bytes are the MessagePack of its key fields, its other declared fields in the
entity's order, and its extras with sorted names. A field that is missing has a mark of its own, so
missing, null and "" are three things. Numbers count by value, instants in UTC to the microsecond.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
import xxhash

from fluxstore.codec.jsonvalue import by_value
from fluxstore.kinds import ARRAY_KINDS, Kind, Type

_MISSING = msgspec.msgpack.Ext(1, b"")
_BIG_INTEGER = 2  # the extension type of integers beyond 64 bits: no text is equal to one
_encoder = msgspec.msgpack.Encoder(order="sorted", decimal_format="string")
_BY_VALUE = frozenset({Kind.ANY, Kind.UNION})
_AS_IT_IS = (
    frozenset(Kind) - _BY_VALUE - ARRAY_KINDS - {Kind.DECIMAL, Kind.DICT, Kind.NESTED, Kind.INT}
)
_HOLDERS = ARRAY_KINDS | {Kind.DICT}

Normal = Callable[[Any], Any]


def value_bytes(value: Any) -> bytes:
    """Return bytes that order and tell apart plain values of one type."""
    return _encoder.encode(_plain_normal(value))


def as_set(values: list[Any], item: Type) -> list[Any]:
    """Return a set's plain form: each value once, in an order that every process agrees on."""
    make = normal(item) or _plain_normal
    by_bytes = {_encoder.encode(make(value)): value for value in values}
    return [value for _, value in sorted(by_bytes.items())]


def _plain_normal(value: Any) -> Any:
    return _number(value) if isinstance(value, Decimal | int | float) else value


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _shortest(format(value, "f")) if value else "0"
    if isinstance(value, int) and value.bit_length() > 63:
        return msgspec.msgpack.Ext(_BIG_INTEGER, str(value).encode())
    return value


def _shortest(digits: str) -> str:
    """Drop the zeros that do not count; ``Decimal.normalize`` would round to 28 digits."""
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def normal(type_: Type) -> Normal | None:
    """Return what makes plain values of *type_* comparable, or ``None`` where they are already."""
    if type_.kind in _AS_IT_IS:
        return None
    if type_.kind in _HOLDERS and all(normal(item) is None for item in type_.items):
        return None
    made = _inner(type_)
    return lambda value: None if value is None else made(value)


def _inner(type_: Type) -> Normal:
    if type_.kind in _BY_VALUE:
        return lambda value: _big(by_value(value))
    if type_.kind in ARRAY_KINDS:
        return _array(type_)
    if type_.kind is Kind.DICT:
        item = normal(type_.items[1]) or _same
        return lambda value: {name: item(each) for name, each in value.items()}
    if type_.kind is Kind.NESTED:
        return _nested(type_)
    return _number


def _same(value: Any) -> Any:
    return value


def _big(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _big(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_big(item) for item in value]
    return _number(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _array(type_: Type) -> Normal:
    items = [normal(item) or _same for item in type_.items]
    if type_.variadic:
        return lambda value: [items[0](each) for each in value]
    return lambda value: [item(each) for item, each in zip(items, value, strict=True)]


def _nested(type_: Type) -> Normal:
    members = {name: normal(member) or _same for name, member in type_.members}
    undeclared: Normal = lambda value: _big(by_value(value))  # noqa: E731 - a default, not a name
    return lambda value: {name: members.get(name, undeclared)(each) for name, each in value.items()}


def canonical(types: Mapping[str, Type]) -> Callable[[Mapping[str, Any], Mapping[str, Any]], bytes]:
    """Return the function that makes canonical bytes of ``(values, extras)``."""
    names = tuple(types)
    makes = tuple(
        (at, make) for at, type_ in enumerate(types.values()) if (make := normal(type_)) is not None
    )

    def encode(values: Mapping[str, Any], extras: Mapping[str, Any]) -> bytes:
        parts = [values.get(name, _MISSING) for name in names]
        for at, make in makes:
            if parts[at] is not _MISSING:
                parts[at] = make(parts[at])
        parts.append(_big(by_value(extras)) if extras else None)
        return _encoder.encode(parts)

    return encode


def digest(data: bytes) -> int:
    """Return 64 bits that tell different records apart where no one plans a collision."""
    return xxhash.xxh3_64_intdigest(data)


def proof(data: bytes) -> bytes:
    """Return 32 bytes (SHA-256) for what an auditor is handed."""
    return hashlib.sha256(data).digest()
