"""The books that queries are asked about, and a naive answer to compare with."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from fluxstore.codec import Codec
from fluxstore.entity import entity_of
from fluxstore.query import Condition, Filter, Operator, Order, Query
from fluxstore.testing.entities import Book, Colour, Rank

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_EMPTY = Book(id="none")
BOOKS: tuple[Book, ...] = (
    Book(
        id="a", title="Zebra", pages=10, lent=True, rating=0.5, price=Decimal("9.50"),
        printed=date(2020, 2, 29), opens=time(8), bought=NOON, lasts=timedelta(days=1),
        ident=UUID(int=1), colour=Colour.RED, rank=Rank.LOW, size="small", cover=b"\x00",
        tags=["x", "y"], years=frozenset({2001, 10}), times=(NOON,), notes={"a": 1},
    ),
    Book(
        id="b", title="apple", pages=9, lent=False, rating=-1.5, price=Decimal(10),
        printed=date(1, 1, 1), opens=time(23, 59, 59, 999999),
        bought=NOON + timedelta(microseconds=1), lasts=timedelta(microseconds=-1),
        ident=UUID(int=2**127), colour=Colour.GREEN, rank=Rank.HIGH, size="large", cover=b"\xff",
        tags=["X"], years=frozenset({10}), times=(), shelf="B",
    ),
    Book(id="c", title="Apple", pages=9, lent=True, rating=-1.5, price=Decimal("10.00"), tags=[]),
    Book(id="d", title="éclair", pages=-1, rating=1e22, price=Decimal("-0.001"), tags=[""]),
    Book(id="e", title="\uff5a wide", pages=2**62, price=Decimal("0.00"), tags=["%", "_"]),
    Book(id="f", title="\U0001f600", pages=0, price=Decimal(0), bought=NOON),
    Book(id="g", title="", rating=5e-324, lasts=timedelta(days=-400), shelf=""),
    Book(id="h", title="100%_\\ sure", colour=Colour.GREEN, size="small", cover=b""),
    Book(id="i", title="100", pages=9, lent=False),
    Book(id="A", title="apple"),
    Book(id="Z"),
    _EMPTY,
)  # fmt: skip

CASES: tuple[tuple[str, str, str], ...] = (
    ("title", "eq", "b A"),
    ("pages", "eq", "b c i"),
    ("price", "eq", "b c"),
    ("lent", "eq", "b i"),
    ("cover", "eq", "b"),
    ("pages", "ne", "A Z a d e f g h none"),
    ("price", "lt", "a d e f"),
    ("price", "ge", "b c"),
    ("bought", "gt", ""),
    ("bought", "le", "a b f"),
    ("title", "lt", "a c g h i"),
    ("tags", "contains", "b"),
    ("years", "contains", "a b"),
    ("title", "starts_with", "A b"),
)
"""(field, operator, keys that book b's value finds); the tests sort the keys."""


def condition(field: str, wanted: Condition | Any) -> Filter:
    """Return the filter of a field as an application would write it."""
    made = wanted if isinstance(wanted, Condition) else Condition(Operator.EQ, wanted)
    return Filter(field, made.operator, plain(field, made.operator, made.value))


def plain(field: str, operator: Operator, value: Any) -> Any:
    """Return the plain value of a condition."""
    codec = Codec.of(entity_of(Book))
    match operator:
        case Operator.ONE_OF:
            return tuple(codec.value(field, one) for one in value)
        case Operator.CONTAINS:
            return codec.item(field, value)
        case Operator.IS_NULL | Operator.STARTS_WITH:
            return value
        case _:
            return codec.value(field, value)


def asking(*order: str, limit: int | None = None, **filters: Any) -> Query:
    """Return a query as an application writes it; ``-pages`` orders descending."""
    return Query(
        filters=tuple(condition(name, wanted) for name, wanted in filters.items()),
        order=tuple(Order(name.lstrip("-"), name.startswith("-")) for name in order),
        limit=limit,
    )
