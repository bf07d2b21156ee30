"""From a ``Query`` to a condition and an order.

``fluxstore.evaluate`` says what each operator means, and this says the same in SQL. What SQLite
would answer otherwise is asked in Python (``fluxstore_sqlite.predicates``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fluxstore import evaluate
from fluxstore.codec import Refusal
from fluxstore.codec.document import encoder
from fluxstore.entity import Entity
from fluxstore.kinds import Kind
from fluxstore.query import Filter, Operator, Query, check_operator, check_order
from fluxstore_sqlite.columns import Column
from fluxstore_sqlite.predicates import Predicate
from fluxstore_sqlite.sql import conditions
from fluxstore_sqlite.sql.conditions import Asked, Condition
from fluxstore_sqlite.table import Table

Register = Callable[[Predicate], int]
_MOST_VALUES = 1000
"""A list of more values than this is asked in Python: SQLite counts what can be bound."""
_JSON_TYPES: Mapping[type, str] = {str: "text", int: "integer"}
_EXACT_ITEMS = frozenset(
    {Kind.STR, Kind.INT, Kind.BOOL}
    | {Kind.DATE, Kind.TIME, Kind.DATETIME, Kind.TIMEDELTA, Kind.UUID}
)
"""Items that SQLite finds in a JSON array as they are: 1.10 is 1.1 to it."""


def check(entity: Entity, query: Query) -> None:
    """Raise ``EntityError`` or ``UsageError`` for what *entity* cannot be asked."""
    for one in query.filters:
        check_operator(entity, entity.field(one.field), one.operator)
    for order in query.order:
        check_order(entity, entity.field(order.field))
    if query.after is not None:
        evaluate.position_values(entity, query, query.after)


class Translation:
    """A query of one table, as SQL."""

    def __init__(self, table: Table, query: Query, register: Register) -> None:
        """Translate; *register* takes predicates for the time that the statement runs."""
        self._table = table
        self._query = query
        self._register = register
        self._order = [(table.asked(one.field), one.descending) for one in query.order]

    @property
    def order(self) -> str:
        """What comes behind ORDER BY."""
        return conditions.ordered(self._order, self._table.asked_key)

    def filtered(self) -> Condition:
        """Return the condition that every filter holds."""
        return conditions.all_of(self._filter(one) for one in self._query.filters)

    def paged(self) -> Condition:
        """Return the same, after the query's cursor."""
        after = self._query.after
        return (
            self.filtered()
            if after is None
            else conditions.all_of((self.filtered(), self._after(after)))
        )

    def _after(self, cursor: str) -> Condition:
        entity = self._table.entity
        values, key = evaluate.position_values(entity, self._query, cursor)
        stored = [
            _stored(self._table.by_field[order.field], value)
            for order, value in zip(self._query.order, values, strict=True)
        ]
        return conditions.after(
            self._order, stored, self._table.asked_key, self._table.stored_key(key)
        )

    def _filter(self, one: Filter) -> Condition:
        column = self._table.by_field[one.field]
        asked = self._table.asked(one.field)
        match one.operator:
            case Operator.IS_NULL:
                return conditions.is_null(asked, bool(one.value))
            case Operator.STARTS_WITH:
                return conditions.starts_with(asked, one.value)
            case Operator.CONTAINS:
                return self._contains(column, asked, one)
            case Operator.ONE_OF:
                return self._one_of(column, asked, one)
            case _:
                return _compared(column, asked, one)

    def _one_of(self, column: Column, asked: Asked, one: Filter) -> Condition:
        if len(one.value) > _MOST_VALUES:
            return self._in_python(column, asked, one)
        return conditions.one_of(asked, [_stored(column, value) for value in one.value])

    def _contains(self, column: Column, asked: Asked, one: Filter) -> Condition:
        kinds = {item.scalar for item in column.field.type.items}
        if self._table.adopted or len(kinds) != 1 or not kinds <= _EXACT_ITEMS:
            return self._in_python(column, asked, one)
        encode = encoder(column.field.type.items[0])
        value = one.value if encode is None else encode(one.value)
        return conditions.contains(asked, *_json(value))

    def _in_python(self, column: Column, asked: Asked, one: Filter) -> Condition:
        matches = evaluate.matching(self._table.entity, (one,))
        name, read = column.field.name, column.read

        def holds(stored: Any) -> bool:
            try:
                return matches({name: read(stored)})
            except Refusal:
                return True  # found, and then refused by name when it is decoded

        return conditions.holds(asked, self._register(holds))


def _json(value: Any) -> tuple[str, Any]:
    """Return what SQLite's json_each calls the type of *value*, and the value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value], value
    return _JSON_TYPES[type(value)], value


def _stored(column: Column, value: Any) -> Any:
    return None if value is None else column.form.write(value)


_COMPARISONS: Mapping[Operator, str] = {
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
}


def _compared(column: Column, asked: Asked, one: Filter) -> Condition:
    stored = _stored(column, one.value)
    if one.operator is Operator.EQ:
        return conditions.equal(asked, stored)
    if one.operator is Operator.NE:
        return conditions.unequal(asked, stored)
    if stored is None:
        return conditions.NEVER
    return conditions.compared(asked, _COMPARISONS[one.operator], stored)
