"""Queries as data: a closed set of operators that every backend answers alike."""

from __future__ import annotations

from enum import Enum
from typing import Any

import attrs

from fluxstore.entity import Entity, Field
from fluxstore.errors import UsageError
from fluxstore.kinds import ARRAY_KINDS, Kind
from fluxstore.records import Record


class Operator(Enum):
    """What a filter may ask of a field."""

    EQ = "eq"
    """Equal; a null equals null only."""
    NE = "ne"
    """Not equal; a null differs from every value, so records with a null are found."""
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    """Comparisons; a null is neither less nor greater than anything."""
    ONE_OF = "one_of"
    """Equal to one of the values; ``None`` may be among them."""
    IS_NULL = "is_null"
    """Null (``True``) or not null (``False``)."""
    CONTAINS = "contains"
    """An array field holds the value."""
    STARTS_WITH = "starts_with"
    """A text field starts with the text, compared by code point; no character is special."""


@attrs.frozen
class Condition:
    """An operator and its value, as an application writes it: ``status=one_of("a", "b")``."""

    operator: Operator
    value: Any


@attrs.frozen
class Filter:
    """A condition on a field. ``value`` is a plain value (a tuple of them for ``ONE_OF``)."""

    field: str
    operator: Operator
    value: Any


@attrs.frozen
class Order:
    """A field to order by. Nulls come last in both directions; text by code point."""

    field: str
    descending: bool = False


@attrs.frozen
class Query:
    """What to find: every filter holds; ordered, the key last, ascending.

    A record that misses a field is found by the field's default. ``after`` is the ``cursor`` of
    an earlier page of the same filters and order; anything else raises ``UsageError``.
    """

    filters: tuple[Filter, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    after: str | None = None


@attrs.frozen
class Found:
    """One page of a query's answer; ``cursor`` is ``None`` when nothing follows."""

    records: tuple[Record, ...]
    cursor: str | None = None


def eq(value: Any) -> Condition:
    """Equal to *value*; a bare value means the same."""
    return Condition(Operator.EQ, value)


def ne(value: Any) -> Condition:
    """Not equal to *value*; records with a null are found."""
    return Condition(Operator.NE, value)


def lt(value: Any) -> Condition:
    """Less than *value*."""
    return Condition(Operator.LT, value)


def le(value: Any) -> Condition:
    """Less than or equal to *value*."""
    return Condition(Operator.LE, value)


def gt(value: Any) -> Condition:
    """Greater than *value*."""
    return Condition(Operator.GT, value)


def ge(value: Any) -> Condition:
    """Greater than or equal to *value*."""
    return Condition(Operator.GE, value)


def one_of(*values: Any) -> Condition:
    """Equal to one of *values*."""
    return Condition(Operator.ONE_OF, values)


def is_null(wanted: bool = True) -> Condition:
    """Null, or with ``False`` not null."""
    return Condition(Operator.IS_NULL, wanted)


def contains(value: Any) -> Condition:
    """The array holds *value*."""
    return Condition(Operator.CONTAINS, value)


def starts_with(text: str) -> Condition:
    """The text starts with *text*."""
    return Condition(Operator.STARTS_WITH, text)


ORDERED = frozenset(
    {
        Kind.STR,
        Kind.INT,
        Kind.BOOL,
        Kind.FLOAT,
        Kind.DECIMAL,
        Kind.DATE,
        Kind.TIME,
        Kind.DATETIME,
        Kind.TIMEDELTA,
        Kind.UUID,
    }
)
"""The kinds that compare and order alike in every backend."""
_COMPARED = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})
_EQUAL = frozenset({Operator.EQ, Operator.NE, Operator.ONE_OF})


def check_operator(entity: Entity, field: Field, operator: Operator) -> None:
    """Raise ``UsageError`` where *field* cannot be asked *operator*."""
    kind = field.type.scalar
    fits = (
        operator is Operator.IS_NULL
        or (operator in _EQUAL and kind in ORDERED | {Kind.BYTES})
        or (operator in _COMPARED and kind in ORDERED)
        or (operator is Operator.CONTAINS and kind in ARRAY_KINDS)
        or (operator is Operator.STARTS_WITH and kind is Kind.STR)
    )
    if not fits:
        raise UsageError(
            f"{entity.name}.{field.name} ({kind.value}) cannot be asked {operator.value}"
        )


def check_order(entity: Entity, field: Field) -> None:
    """Raise ``UsageError`` where records cannot be ordered by *field*."""
    if field.type.scalar not in ORDERED:
        kind = field.type.scalar.value
        raise UsageError(f"{entity.name} cannot be ordered by {field.name} ({kind})")
