"""From a ``Query`` to the conditions, order and limit of a statement.

``fluxstore.evaluate`` says what a query means; this says the same in SQL: nulls equal nulls only
and come last in both directions, text goes by code point, ties by key.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import msgspec
import xxhash

from fluxstore.codec import Codec, Refusal, value_bytes
from fluxstore.errors import UsageError
from fluxstore.query import Filter, Operator, Order, Query, check_operator, check_order
from fluxstore.records import Record
from fluxstore_postgres.forms import array_text, form_of_type, json_form
from fluxstore_postgres.record_statements import RecordStatements
from fluxstore_postgres.statements import (
    NOTHING,
    Part,
    Statement,
    filled,
    listed,
    word,
)
from fluxstore_postgres.tables import Column

TRUE, FALSE = word("true"), word("false")


class Parameters(dict[str, Any]):
    """Parameters by name, given as they come up."""

    def add(self, text: str | None) -> Part:
        """Return what stands for a new text parameter in a statement."""
        name = f"p{len(self)}"
        self[name] = text
        return word(f"%({name})s")


@attrs.frozen
class Asked:
    """A statement and its parameters."""

    statement: Statement
    params: Parameters


def find(statements: RecordStatements, query: Query) -> Asked:
    """Return the statement for a page of *query* and one record more, to see whether any follows.

    Raises UsageError for what cannot be asked, and for a cursor of another query.
    """
    params = Parameters()
    conditions = _conditions(statements, query.filters, params)
    order = [_Ordered.of(statements, one) for one in query.order]
    order += [_Ordered(column, descending=False) for column in statements.table.key]
    if query.after is not None:
        conditions.append(_after(order, _position(statements, query, query.after), params))
    limit = NOTHING
    if query.limit is not None:
        limit = filled("LIMIT {}::bigint", params.add(str(query.limit + 1)))
    made = statements.reading(
        "find",
        where=listed(conditions or [TRUE], " AND "),
        order=listed(one.words() for one in order),
        limit=limit,
    )
    return Asked(attrs.evolve(made, is_prepared=False), params)


def count(statements: RecordStatements, query: Query) -> Asked:
    """Return the statement that counts what the filters of *query* find."""
    params = Parameters()
    conditions = _conditions(statements, query.filters, params)
    where = listed(conditions or [TRUE], " AND ")
    made = statements.governed("count", table=statements.table.path, where=where)
    return Asked(attrs.evolve(made, is_prepared=False), params)


def cursor(statements: RecordStatements, query: Query, last: Record) -> str:
    """Return the cursor after *last*."""
    table = statements.table
    values = [table.column(one.field).input(last.values) for one in query.order]
    parts = [_fingerprint(statements, query), values, table.key_inputs(last.key)]
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


# filters


def _conditions(
    statements: RecordStatements, filters: Sequence[Filter], params: Parameters
) -> list[Part]:
    return [_condition(statements, one, params) for one in filters]


def _condition(statements: RecordStatements, one: Filter, params: Parameters) -> Part:
    column = statements.table.column(one.field)
    check_operator(statements.table.entity, column.field, one.operator)
    return _MAKE[one.operator](column, one.value, params)


def _value(column: Column, value: Any, params: Parameters) -> Part:
    return column.typed(params.add(column.form.encode(value)))


def _is_null(column: Column, wanted: bool, _: Parameters) -> Part:
    test = "{} IS NULL" if wanted else "{} IS NOT NULL"
    if column.form.is_json:  # a document may itself be null
        test = "coalesce({}, 'null') = 'null'" if wanted else "coalesce({}, 'null') <> 'null'"
    return filled(test, column.read("t"))


def _equal(column: Column, value: Any, params: Parameters) -> Part:
    if value is None:
        return _is_null(column, True, params)
    return filled("{} = {}", column.ordered("t"), _value(column, value, params))


def _not_equal(column: Column, value: Any, params: Parameters) -> Part:
    if value is None:
        return _is_null(column, False, params)
    return filled("{} IS DISTINCT FROM {}", column.ordered("t"), _value(column, value, params))


def _compared(operator: str) -> Callable[[Column, Any, Parameters], Part]:
    def make(column: Column, value: Any, params: Parameters) -> Part:
        if value is None:
            return FALSE
        return filled(f"{{}} {operator} {{}}", column.ordered("t"), _value(column, value, params))

    return make


def _one_of(column: Column, values: Sequence[Any], params: Parameters) -> Part:
    given = [column.form.encode(value) for value in values if value is not None]
    parts = []
    if given:
        array = params.add(array_text(given))
        test = f"{{}} = ANY({{}}::{column.form.sql_type}[])"
        parts.append(filled(test, column.ordered("t"), array))
    if len(given) < len(values):
        parts.append(_is_null(column, True, params))
    return filled("({})", listed(parts, " OR ")) if parts else FALSE


def _contains(column: Column, value: Any, params: Parameters) -> Part:
    item = column.field.type.items[0]
    form = form_of_type(item)
    if column.form.is_json or form is None:
        return _document_contains(column, value, params)
    if value is None:
        return filled("array_position({}, NULL) IS NOT NULL", column.read("t"))
    given = filled(f"ARRAY[{{}}::{form.sql_type}]", params.add(form.encode(value)))
    return filled("{} @> {}", column.read("t"), given)


def _document_contains(column: Column, value: Any, params: Parameters) -> Part:
    item = attrs.evolve(column.field, type=column.field.type.items[0])
    text = "null" if value is None else json_form(item).encode(value)
    return filled(
        "EXISTS (SELECT FROM jsonb_array_elements({}) AS e (item) WHERE e.item = {}::jsonb)",
        column.read("t"),
        params.add(text),
    )


def _starts_with(column: Column, value: str, params: Parameters) -> Part:
    return filled("{} ^@ {}::text", column.ordered("t"), params.add(value))


_MAKE: Mapping[Operator, Callable[[Column, Any, Parameters], Part]] = {
    Operator.EQ: _equal,
    Operator.NE: _not_equal,
    Operator.LT: _compared("<"),
    Operator.LE: _compared("<="),
    Operator.GT: _compared(">"),
    Operator.GE: _compared(">="),
    Operator.ONE_OF: _one_of,
    Operator.IS_NULL: _is_null,
    Operator.CONTAINS: _contains,
    Operator.STARTS_WITH: _starts_with,
}


# order and pages


@attrs.frozen
class _Ordered:
    column: Column
    descending: bool

    @classmethod
    def of(cls, statements: RecordStatements, one: Order) -> _Ordered:
        column = statements.table.column(one.field)
        check_order(statements.table.entity, column.field)
        return cls(column, one.descending)

    def words(self) -> Part:
        direction = "DESC" if self.descending else "ASC"
        return filled(f"{{}} {direction} NULLS LAST", self.column.ordered("t"))

    def beyond(self, text: str | None, params: Parameters) -> Part:
        if text is None:
            return FALSE  # nulls come last
        operator = "<" if self.descending else ">"
        given = self.column.typed(params.add(text))
        there = self.column.ordered("t")
        return filled(f"({{}} {operator} {{}} OR {{}} IS NULL)", there, given, there)

    def level(self, text: str | None, params: Parameters) -> Part:
        if text is None:
            return filled("{} IS NULL", self.column.ordered("t"))
        return filled("{} = {}", self.column.ordered("t"), self.column.typed(params.add(text)))


def _after(order: Sequence[_Ordered], position: Sequence[str | None], params: Parameters) -> Part:
    """Return the condition of coming after *position*: beyond it, or level and then beyond."""
    first, *rest = order
    text, *texts = position
    beyond = first.beyond(text, params)
    if not rest:
        return beyond
    level = first.level(text, params)
    return filled("({} OR ({} AND {}))", beyond, level, _after(rest, texts, params))


def _position(statements: RecordStatements, query: Query, text: str) -> list[str | None]:
    """Return the texts of a cursor's values, each checked to be one of its column."""
    table, codec = statements.table, Codec.of(statements.table.entity)
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True))
        fingerprint, values, key = parts
        if fingerprint != _fingerprint(statements, query) or len(key) != len(table.key):
            raise ValueError(fingerprint)
        if len(values) != len(query.order) or not all(isinstance(part, str) for part in key):
            raise ValueError(values)
        return [*(None if one is None else str(one) for one in values), *map(str, key)]
    except (ValueError, TypeError, Refusal, msgspec.DecodeError):
        raise UsageError(
            f"after= is no cursor of this query on {codec.entity.name}",
            next_step="pass the cursor of an earlier page of the same filters and order",
        ) from None


def _fingerprint(statements: RecordStatements, query: Query) -> str:
    parts: list[bytes] = [statements.table.entity.name.encode()]
    for one in query.filters:
        values = one.value if one.operator is Operator.ONE_OF else (one.value,)
        parts += [one.field.encode(), one.operator.value.encode(), *map(value_bytes, values)]
    parts += [f"{order.field} {order.descending}".encode() for order in query.order]
    return xxhash.xxh3_64_hexdigest(value_bytes(parts))
