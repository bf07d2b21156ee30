"""From an application's filters to a ``Query``: names checked, values made plain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxstore.codec import Codec, Refusal
from fluxstore.entity import Entity
from fluxstore.errors import UsageError
from fluxstore.query import (
    Condition,
    Filter,
    Operator,
    Order,
    Query,
    check_operator,
    check_order,
)


def make_query(
    codec: Codec,
    filters: Mapping[str, Any],
    *,
    order_by: str | tuple[str, ...] = (),
    limit: int | None = None,
    after: str | None = None,
) -> Query:
    """Return the query; ``EntityError`` for an unknown field, ``UsageError`` for what cannot be."""
    if limit is not None and (type(limit) is not int or limit < 1):
        raise UsageError("limit is a whole number of at least 1, or None")
    names = (order_by,) if isinstance(order_by, str) else tuple(order_by)
    return Query(
        filters=tuple(_filter(codec, name, asked) for name, asked in filters.items()),
        order=tuple(_order(codec.entity, name) for name in names),
        limit=limit,
        after=after,
    )


def _filter(codec: Codec, name: str, asked: Any) -> Filter:
    field = codec.entity.field(name)
    condition = asked if isinstance(asked, Condition) else Condition(Operator.EQ, asked)
    check_operator(codec.entity, field, condition.operator)
    try:
        return Filter(name, condition.operator, _plain(codec, name, condition))
    except Refusal as refusal:
        where = f"{codec.entity.name}.{name}{refusal.path}"
        raise UsageError(f"{where}: {refusal.expected}") from None


def _plain(codec: Codec, name: str, condition: Condition) -> Any:
    value = condition.value
    match condition.operator:
        case Operator.EQ | Operator.NE:
            return None if value is None else codec.value(name, value)
        case Operator.ONE_OF:
            return tuple(None if item is None else codec.value(name, item) for item in value)
        case Operator.IS_NULL:
            return bool(value)
        case Operator.CONTAINS:
            return codec.item(name, value)
        case Operator.STARTS_WITH:
            return _text(value)
        case _:
            return codec.value(name, value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError("starts_with takes text")
    return value


def _order(entity: Entity, name: str) -> Order:
    field = entity.field(name.removeprefix("-"))
    check_order(entity, field)
    return Order(field.name, descending=name.startswith("-"))
