"""The answer to a ``Query`` over records in memory, for adapters without a query engine.

It is also what the words of ``fluxstore.query`` mean: a backend with an engine of its own must
answer as this module does.
"""

from __future__ import annotations

import base64
import heapq
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, total_ordering
from typing import Any, TypeAlias

import xxhash

from fluxstore.codec import Codec, Refusal, value_bytes
from fluxstore.codec.canonical import normal
from fluxstore.entity import Entity, Field
from fluxstore.errors import UsageError
from fluxstore.query import ORDERED, Filter, Found, Operator, Query, check_operator, check_order
from fluxstore.records import Key, Record, Row

Test: TypeAlias = Callable[[Row], bool]
Read: TypeAlias = Callable[[Row], Any]
_Asks: TypeAlias = Callable[[Any], bool]


def find(entity: Entity, records: Iterable[Record], query: Query) -> Found:
    """Return the page of *records* that *query* asks for; memory for one page where it has a limit.

    Raises ``UsageError`` for a field that cannot be asked so, and for a cursor of another query.
    """
    place = placing(entity, query)
    found: Iterable[Record] = filter(_of_record(matching(entity, query.filters)), records)
    if query.after is not None:
        after = position(entity, query, query.after)
        found = (record for record in found if place(record) > after)
    if query.limit is None:
        return Found(tuple(sorted(found, key=place)))
    taken = heapq.nsmallest(query.limit + 1, found, key=place)
    page = tuple(taken[: query.limit])
    more = len(taken) > len(page) and page
    return Found(page, cursor(entity, query, page[-1]) if more else None)


def count(entity: Entity, records: Iterable[Record], query: Query) -> int:
    """Return how many of *records* the filters of *query* find."""
    test = matching(entity, query.filters)
    return sum(test(record.values) for record in records)


def matching(entity: Entity, filters: Sequence[Filter]) -> Test:
    """Return the function that tells whether a record's values pass all *filters*."""
    tests = tuple(_test(entity, one) for one in filters)
    if len(tests) == 1:
        return tests[0]
    return lambda values: all(test(values) for test in tests)


def reading(entity: Entity, field: Field) -> Read:
    """Return the function from a record's values to *field*'s, or its default."""
    name, default = field.name, _default(Codec.of(entity), field)

    def read(values: Row) -> Any:
        return values[name] if name in values else default()

    return read


def _default(codec: Codec, field: Field) -> Callable[[], Any]:
    made: list[Any] = []

    def default() -> Any:
        if not made:
            made.append(codec.default(field.name))
        return made[0]

    return default


def _of_record(test: Test) -> Callable[[Record], bool]:
    return lambda record: test(record.values)


def _test(entity: Entity, one: Filter) -> Test:
    field = entity.field(one.field)
    check_operator(entity, field, one.operator)
    read, asks = reading(entity, field), _ASKS[one.operator](field, one.value)
    return lambda values: asks(read(values))


def _equal(_: Field, wanted: Any) -> _Asks:
    return lambda value: bool(value == wanted)


def _compared(compare: Callable[[Any, Any], bool], _: Field, wanted: Any) -> _Asks:
    return lambda value: not (value is None or wanted is None) and compare(value, wanted)


def _one_of(_: Field, wanted: Any) -> _Asks:
    values = frozenset(wanted)
    return lambda value: value in values


def _contains(field: Field, wanted: Any) -> _Asks:
    kinds = {item.scalar for item in field.type.items}
    if len(kinds) == 1 and kinds <= ORDERED:
        return lambda value: value is not None and wanted in value
    make = normal(field.type.items[0]) or (lambda value: value)
    digest = value_bytes(make(wanted))
    return lambda value: any(value_bytes(make(item)) == digest for item in value or ())


def _starts_with(_: Field, wanted: Any) -> _Asks:
    return lambda value: value is not None and value.startswith(wanted)


_ASKS: Mapping[Operator, Callable[[Field, Any], _Asks]] = {
    Operator.EQ: _equal,
    Operator.NE: lambda _, wanted: lambda value: bool(value != wanted),
    Operator.LT: partial(_compared, operator.lt),
    Operator.LE: partial(_compared, operator.le),
    Operator.GT: partial(_compared, operator.gt),
    Operator.GE: partial(_compared, operator.ge),
    Operator.ONE_OF: _one_of,
    Operator.IS_NULL: lambda _, wanted: lambda value: (value is None) is bool(wanted),
    Operator.CONTAINS: _contains,
    Operator.STARTS_WITH: _starts_with,
}


@total_ordering
class _Descending:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def placing(entity: Entity, query: Query) -> Callable[[Record], Any]:
    """Return the function from a record to its place: places compare as the query's order says.

    Nulls are last in both directions; ties are in the order of keys.
    """
    read = _ordered_values(entity, query)
    place = _place(query)
    return lambda record: place(read(record.values), record.key)


def _ordered_values(entity: Entity, query: Query) -> Callable[[Row], list[Any]]:
    fields = [entity.field(order.field) for order in query.order]
    for field in fields:
        check_order(entity, field)
    reads = [reading(entity, field) for field in fields]
    return lambda values: [read(values) for read in reads]


def _place(query: Query) -> Callable[[Sequence[Any], Any], Any]:
    downs = [order.descending for order in query.order]

    def place(values: Sequence[Any], key: Any) -> Any:
        parts = [
            (value is None, _Descending(value) if down and value is not None else value)
            for value, down in zip(values, downs, strict=True)
        ]
        return (*parts, key)

    return place


def cursor(entity: Entity, query: Query, last: Record) -> str:
    """Return the cursor after *last*: opaque, and good for the same filters and order only."""
    codec = Codec.of(entity)
    read = _ordered_values(entity, query)
    values = [
        _encoded(codec, order.field, value)
        for order, value in zip(query.order, read(last.values), strict=True)
    ]
    parts = [_fingerprint(entity, query), values, codec.key_text(last.key)]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def position(entity: Entity, query: Query, text: str) -> Any:
    """Return the place that a cursor names; ``UsageError`` for one that is not this query's."""
    values, key = position_values(entity, query, text)
    return _place(query)(values, key)


def position_values(entity: Entity, query: Query, text: str) -> tuple[list[Any], Key]:
    """Return the ordered fields' values and the key that a cursor names; else ``UsageError``."""
    codec = Codec.of(entity)
    try:
        padded = text + "=" * (-len(text) % 4)
        fingerprint, values, key = json.loads(base64.urlsafe_b64decode(padded))
        if fingerprint != _fingerprint(entity, query):
            raise ValueError(fingerprint)
        decoded = [
            None if value is None else codec.decoders[order.field](value)
            for order, value in zip(query.order, values, strict=True)
        ]
        return decoded, codec.key_of_text(key)
    except (ValueError, TypeError, RecursionError, Refusal, UsageError):
        raise UsageError(
            f"after= is no cursor of this query on {entity.name}",
            next_step="pass the cursor of an earlier page of the same filters and order",
        ) from None


def _encoded(codec: Codec, name: str, value: Any) -> Any:
    encode = codec.encoders[name]
    return value if encode is None else encode(value)


def _fingerprint(entity: Entity, query: Query) -> str:
    parts: list[bytes] = [entity.name.encode()]
    for one in query.filters:
        values = one.value if one.operator is Operator.ONE_OF else (one.value,)
        parts += [one.field.encode(), one.operator.value.encode(), *map(value_bytes, values)]
    parts += [f"{order.field} {order.descending}".encode() for order in query.order]
    return xxhash.xxh3_64_hexdigest(value_bytes(parts))
