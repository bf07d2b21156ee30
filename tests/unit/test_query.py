"""Which operator fits which kind of field, and which field can be ordered by."""

from __future__ import annotations

import pytest

from fluxstore import query
from fluxstore.entity import entity_of
from fluxstore.errors import UsageError
from fluxstore.query import Condition, Operator, check_operator, check_order
from fluxstore.testing.entities import Everything

ENTITY = entity_of(Everything)
ORDERED = {
    *("id", "text", "whole", "big", "truth", "real", "exact", "day", "clock", "moment", "span"),
    *("ident", "colour", "rank", "size", "level"),
}
ARRAYS = {
    *("words", "holes", "numbers", "reals", "prices", "moments", "matrix", "pair", "run"),
    *("word_set", "number_set", "moment_set", "shapes"),
}
TEXTS = {"id", "text", "colour", "size"}
EQUAL, COMPARED = ORDERED | {"raw"}, ORDERED
FITS = {
    Operator.EQ: EQUAL,
    Operator.NE: EQUAL,
    Operator.ONE_OF: EQUAL,
    Operator.LT: COMPARED,
    Operator.LE: COMPARED,
    Operator.GT: COMPARED,
    Operator.GE: COMPARED,
    Operator.IS_NULL: set(ENTITY.by_name),
    Operator.CONTAINS: ARRAYS,
    Operator.STARTS_WITH: TEXTS,
}


@pytest.mark.parametrize("operator", list(Operator), ids=lambda one: one.value)
def test_an_operator_fits_the_kinds_it_is_for(operator):
    assert FITS[operator] == {name for name in ENTITY.by_name if fits(name, operator)}


def fits(name: str, operator: Operator) -> bool:
    try:
        check_operator(ENTITY, ENTITY.field(name), operator)
    except UsageError:
        return False
    return True


def test_records_are_ordered_by_what_has_an_order():
    for field in ENTITY.fields:
        if field.name in ORDERED:
            check_order(ENTITY, field)
            continue
        with pytest.raises(UsageError, match=f"cannot be ordered by {field.name}"):
            check_order(ENTITY, field)


def test_a_refusal_names_field_kind_and_operator():
    with pytest.raises(UsageError, match=r"everything\.words \(list\) cannot be asked lt"):
        check_operator(ENTITY, ENTITY.field("words"), Operator.LT)


@pytest.mark.parametrize(
    ("condition", "operator", "value"),
    [
        (query.eq(1), Operator.EQ, 1),
        (query.ne(None), Operator.NE, None),
        (query.lt(1), Operator.LT, 1),
        (query.le(1), Operator.LE, 1),
        (query.gt(1), Operator.GT, 1),
        (query.ge(1), Operator.GE, 1),
        (query.one_of("a", None), Operator.ONE_OF, ("a", None)),
        (query.one_of(), Operator.ONE_OF, ()),
        (query.is_null(), Operator.IS_NULL, True),
        (query.is_null(False), Operator.IS_NULL, False),
        (query.contains("a"), Operator.CONTAINS, "a"),
        (query.starts_with("a"), Operator.STARTS_WITH, "a"),
    ],
)
def test_a_condition_is_an_operator_and_a_value(condition, operator, value):
    assert Condition(operator, value) == condition
