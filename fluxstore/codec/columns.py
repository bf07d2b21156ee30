"""Whole columns of JSON values → plain values: what mostly comes is looked at all at once.

A column gives each value the plain value that the field's decoder gives it, rules included. Text
is taken as clean (neither NUL nor lone surrogates in it): who read it has seen to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain
from math import copysign, isfinite
from typing import Any, TypeAlias

from fluxstore.codec.plain import Convert
from fluxstore.codec.refusal import MAX_DEPTH, MAX_INT, MIN_INT, Refusal
from fluxstore.codec.rules import Check
from fluxstore.codec.spelling import kept
from fluxstore.entity import Field
from fluxstore.kinds import Kind, Type

DOUBT = object()
"""Stands for a value that is refused: the exact way must say why."""
Odd: TypeAlias = dict[int, Any]
"""Place in the column to what is odd there: ``DOUBT``, or the original JSON value where encoding
would spell it otherwise."""
Column: TypeAlias = Callable[[Sequence[Any]], tuple[Sequence[Any], Odd]]
Plain: TypeAlias = Callable[[Sequence[Any]], tuple[Sequence[Any], Sequence[int]]]
"""Returns plain values, and the places of those that are to be taken one by one."""
_MAX_BITS = 4096
_FLAT = frozenset({str, bool, type(None)})
_STAMP = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}(?:(?!000)\d{3})?Z\n"
_ONE_STAMP = re.compile(_STAMP.removesuffix(r"\n") + r"\Z", re.ASCII)
_STAMPS = re.compile(rf"(?:{_STAMP})*\Z", re.ASCII)


def column(
    field: Field, decode: Convert, encode: Convert | None, checks: Sequence[Check]
) -> Column:
    """Return the function from a column of JSON values of *field* to plain values."""
    make = None if field.rules.bigint else _PLAIN.get(field.type.kind)
    plain = (make(field.type) if make is not None else None) or _none_at_once
    one = _exact(decode, encode, checks)

    def whole(values: Sequence[Any]) -> tuple[Sequence[Any], Odd]:
        found, rest = plain(values)
        if not _pass(checks, found, rest):
            rest = range(len(values))
        if not rest:
            return found, {}
        made = list(found)
        odd: Odd = {}
        for at in rest:
            made[at] = one(values[at], at, odd)
        return made, odd

    return whole


def _none_at_once(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[int]]:
    return values, range(len(values))


def _pass(checks: Sequence[Check], values: Sequence[Any], rest: Sequence[int]) -> bool:
    """Tell whether *values*, but for those at the places *rest*, keep all rules."""
    if not checks:
        return True
    left_out = frozenset(rest)
    there = [v for at, v in enumerate(values) if v is not None and at not in left_out]
    return not there or all(check.all(there) for check in checks)


def _exact(
    decode: Convert, encode: Convert | None, checks: Sequence[Check]
) -> Callable[[Any, int, Odd], Any]:
    """Return what takes one value, and notes what is odd about it."""

    def one(raw: Any, at: int, odd: Odd) -> Any:
        try:
            value = decode(raw)
            if value is not None:
                for check in checks:
                    check(value)
            if (value if encode is None else encode(value)) != raw:
                odd[at] = kept(raw)
        except Refusal:
            odd[at] = DOUBT
            return None
        return value

    return one


def _of(type_: Type, *kinds: type) -> frozenset[type]:
    return frozenset((*kinds, type(None)) if type_.nullable else kinds)


def _tested(all_are: Callable[[Sequence[Any]], bool], is_one: Callable[[Any], bool]) -> Plain:
    """Return what leaves values as they are where *all_are*, else those of which each *is_one*."""

    def plain(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[int]]:
        if all_are(values):
            return values, ()
        return values, [at for at, value in enumerate(values) if not is_one(value)]

    return plain


def _typed(cls: type) -> Callable[[Type], Plain]:
    def make(type_: Type) -> Plain:
        allowed = _of(type_, cls)
        return _tested(
            lambda values: allowed.issuperset(map(type, values)),
            lambda value: type(value) in allowed,
        )

    return make


def _integers(type_: Type) -> Plain:
    allowed = _of(type_, int)

    def is_one(value: Any) -> bool:
        return type(value) in allowed and (value is None or MIN_INT <= value <= MAX_INT)

    def all_are(values: Sequence[Any]) -> bool:
        if not allowed.issuperset(map(type, values)):
            return False
        there = [value for value in values if value is not None]
        return not there or (min(there) >= MIN_INT and max(there) <= MAX_INT)

    return _tested(all_are, is_one)


def _floats(type_: Type) -> Plain:
    allowed = _of(type_, float)

    def is_one(value: Any) -> bool:  # no zero: it may have a sign
        return type(value) in allowed and (value is None or (value != 0 and isfinite(value)))

    return _tested(lambda values: all(map(is_one, values)), is_one)


def _choices(type_: Type) -> Plain | None:
    if {str} != {type(choice) for choice in type_.choices}:
        return None  # 1, 1.0 and true are one in a set
    known = frozenset((*type_.choices, None) if type_.nullable else type_.choices)
    allowed = _of(type_, str)

    def all_are(values: Sequence[Any]) -> bool:
        return allowed.issuperset(map(type, values)) and known.issuperset(values)

    return _tested(all_are, lambda value: type(value) in allowed and value in known)


def _lists(type_: Type) -> Plain | None:
    item = type_.items[0]
    if item.kind is not Kind.STR:
        return None
    allowed, inside = _of(type_, list), _of(item, str)

    def all_are(values: Sequence[Any]) -> bool:
        if not allowed.issuperset(map(type, values)):
            return False
        flat: Iterable[Any] = chain.from_iterable(value for value in values if value)
        return inside.issuperset(map(type, flat))

    return _tested(all_are, lambda value: all_are([value]))


def _dicts(type_: Type) -> Plain | None:
    name, item = type_.items
    if name.kind is not Kind.STR or item.kind is not Kind.ANY:
        return None
    allowed = _of(type_, dict)

    def all_are(values: Sequence[Any]) -> bool:
        return allowed.issuperset(map(type, values)) and is_json(values)

    return _tested(all_are, lambda value: all_are([value]))


def _anything(_: Type) -> Plain:
    return _tested(is_json, lambda value: is_json([value]))


def _stamps(type_: Type) -> Plain:
    """Return what reads instants that are spelled as most JSON files spell them."""
    allowed, read = _of(type_, str), datetime.fromisoformat

    def plain(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[int]]:
        there = [value for value in values if value is not None]
        if allowed.issuperset(map(type, values)) and _STAMPS.match("\n".join([*there, ""])):
            try:
                return [None if value is None else read(value) for value in values], ()
            except ValueError:  # the 30th of February
                pass
        return _stamps_singly(values)

    return plain


def _stamps_singly(values: Sequence[Any]) -> tuple[Sequence[Any], Sequence[int]]:
    made: list[Any] = [None] * len(values)
    rest = []
    for at, value in enumerate(values):
        is_usual = type(value) is str and _ONE_STAMP.match(value)
        try:
            made[at] = datetime.fromisoformat(value) if is_usual else None
        except ValueError:
            is_usual = False
        if not is_usual:
            rest.append(at)
    return made, rest


def is_json(values: Iterable[Any], depth: int = 0) -> bool:
    """Tell whether *values* are JSON as every backend can hold it, if their text is clean."""
    return all(_is_json(value, depth) for value in values)


def _is_json(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in _FLAT:
        return True
    if kind is int:
        return int.bit_length(value) <= _MAX_BITS
    if kind is float:
        return isfinite(value) and (value != 0 or copysign(1, value) > 0)
    if depth >= MAX_DEPTH:
        return False
    if kind is dict:
        return is_json(value.values(), depth + 1)
    return kind is list and is_json(value, depth + 1)


_PLAIN: dict[Kind, Callable[[Type], Plain | None]] = {
    Kind.STR: _typed(str),
    Kind.BOOL: _typed(bool),
    Kind.INT: _integers,
    Kind.FLOAT: _floats,
    Kind.ENUM: _choices,
    Kind.LITERAL: _choices,
    Kind.DATETIME: _stamps,
    Kind.LIST: _lists,
    Kind.DICT: _dicts,
    Kind.ANY: _anything,
}
