"""Hypothesis strategies: any application value of a type, any object of an entity's class."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
from hypothesis import strategies as st

from fluxstore.entity import Entity
from fluxstore.kinds import Kind, Type

Strategy = st.SearchStrategy[Any]

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
REALS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(-(10**25), 10**25),
    st.integers(0, 20),
)
OFFSETS = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-720, 840))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | REALS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def values(type_: Type, *, big: bool = False) -> Strategy:
    """Return a strategy for application values of *type_*."""
    made = st.integers(-(10**60), 10**60) if big else _OF_KIND[type_.kind](type_)
    return st.none() | made if type_.nullable else made


def instances(entity: Entity) -> Strategy:
    """Return a strategy for objects of the entity's class that keep its rules of type."""
    aliases = {one.name: one.alias for one in attrs.fields(entity.cls)}
    given = {
        aliases[field.name]: values(field.type, big=field.rules.bigint)
        if field.name not in entity.key
        else keys(field.type)
        for field in entity.fields
    }
    return st.builds(entity.cls, **given)


def keys(type_: Type) -> Strategy:
    """Return a strategy for one field of a key."""
    made = values(type_)
    return made.filter(bool) if type_.kind is Kind.STR else made


def extras() -> Strategy:
    """Return a strategy for undeclared fields and their JSON values."""
    names = TEXT.map(lambda name: f"extra {name}")
    return st.dictionaries(names, JSON, max_size=3)


def _dicts(type_: Type) -> Strategy:
    return st.dictionaries(values(type_.items[0]), values(type_.items[1]), max_size=3)


def _tuples(type_: Type) -> Strategy:
    if type_.variadic:
        return st.lists(values(type_.items[0]), max_size=4).map(tuple)
    return st.tuples(*map(values, type_.items))


def _nested(type_: Type) -> Strategy:
    aliases = {one.name: one.alias for one in attrs.fields(type_.cls)}
    return st.builds(type_.cls, **{aliases[name]: values(one) for name, one in type_.members})


_FIRST = datetime(2, 1, 1)  # noqa: DTZ001 - the strategy gives it an offset
_LAST = datetime(9999, 1, 1)  # noqa: DTZ001 - this too
_MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.datetimes(_FIRST, _LAST, timezones=OFFSETS)
_OF_KIND: dict[Kind, Callable[[Type], Strategy]] = {
    Kind.STR: lambda _: TEXT,
    Kind.INT: lambda _: INTEGERS,
    Kind.BOOL: lambda _: st.booleans(),
    Kind.FLOAT: lambda _: REALS,
    Kind.DECIMAL: lambda _: DECIMALS,
    Kind.BYTES: lambda _: st.binary(max_size=20),
    Kind.DATE: lambda _: st.dates(),
    Kind.TIME: lambda _: st.times(),
    Kind.DATETIME: lambda _: _MOMENTS,
    Kind.TIMEDELTA: lambda _: st.timedeltas(),
    Kind.UUID: lambda _: st.uuids(),
    Kind.ENUM: lambda type_: st.sampled_from(list(type_.cls)),
    Kind.LITERAL: lambda type_: st.sampled_from(type_.choices),
    Kind.LIST: lambda type_: st.lists(values(type_.items[0]), max_size=4),
    Kind.TUPLE: _tuples,
    Kind.SET: lambda type_: st.sets(values(type_.items[0]), max_size=4),
    Kind.FROZENSET: lambda type_: st.frozensets(values(type_.items[0]), max_size=4),
    Kind.DICT: _dicts,
    Kind.NESTED: _nested,
    Kind.UNION: lambda type_: st.one_of(*map(values, type_.items)),
    Kind.ANY: lambda _: JSON,
}
