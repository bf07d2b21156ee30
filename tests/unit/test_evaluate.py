"""A query's answer over records in memory: the meaning of every operator, order and cursor."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fluxstore.entity import entity, entity_of, field
from fluxstore.errors import UsageError
from fluxstore.evaluate import count, find
from fluxstore.query import Filter, Operator, Order, Query
from fluxstore.records import Record


@entity("notes")
class Note:
    id: str
    title: str = "untitled"
    rank: int | None = None
    price: Decimal | None = None
    tags: list[str] = field(factory=list)
    parts: list[dict[str, int]] = field(factory=list)


NOTES = entity_of(Note)


def note(key: str, **values):
    return Record(key, {"id": key, **values})


def keys(records, *filters, **query):
    asked = tuple(Filter(name, operator, value) for name, operator, value in filters)
    return [r.key for r in find(NOTES, records, Query(asked, **query)).records]


RANKED = [note("c", rank=1), note("b", rank=None), note("a", rank=2), note("d"), note("e", rank=1)]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (Operator.EQ, 1, ["c", "e"]),
        (Operator.EQ, None, ["b", "d"]),
        (Operator.NE, 1, ["a", "b", "d"]),
        (Operator.NE, None, ["a", "c", "e"]),
        (Operator.LT, 2, ["c", "e"]),
        (Operator.LE, 2, ["a", "c", "e"]),
        (Operator.GT, 1, ["a"]),
        (Operator.GE, 1, ["a", "c", "e"]),
        (Operator.GT, None, []),
        (Operator.ONE_OF, (2, None), ["a", "b", "d"]),
        (Operator.ONE_OF, (), []),
        (Operator.IS_NULL, True, ["b", "d"]),
        (Operator.IS_NULL, False, ["a", "c", "e"]),
    ],
)
def test_an_operator_finds(operator, value, expected):
    assert expected == keys(RANKED, ("rank", operator, value))


def test_a_missing_field_is_found_by_its_default():
    assert ["b"] == keys([note("a", title="x"), note("b")], ("title", Operator.EQ, "untitled"))


def test_contains_looks_into_arrays_by_value():
    records = [note("a", tags=["x", "y"]), note("b"), note("c", parts=[{"b": 1, "a": 2}])]

    assert ["a"] == keys(records, ("tags", Operator.CONTAINS, "x"))
    assert ["c"] == keys(records, ("parts", Operator.CONTAINS, {"a": 2, "b": 1}))


def test_starts_with_has_no_special_characters():
    records = [note("a", title="50%_x"), note("b", title="50 x")]

    assert ["a"] == keys(records, ("title", Operator.STARTS_WITH, "50%"))


@pytest.mark.parametrize(
    ("descending", "expected"), [(False, list("ceabd")), (True, list("acebd"))]
)
def test_nulls_come_last_in_both_directions_and_ties_in_key_order(descending, expected):
    assert expected == keys(RANKED, order=(Order("rank", descending),))


def test_text_is_ordered_by_code_point():
    records = [note("1", title="é"), note("2", title="Z"), note("3", title="a")]

    assert ["2", "3", "1"] == keys(records, order=(Order("title"),))


def test_decimals_are_compared_as_numbers():
    records = [note("a", price=Decimal("10.0")), note("b", price=Decimal("9.50"))]

    assert ["b", "a"] == keys(records, order=(Order("price"),))
    assert ["a"] == keys(records, ("price", Operator.EQ, Decimal(10)))


@pytest.mark.parametrize("descending", [False, True])
def test_pages_follow_each_other_without_gap_or_repetition(descending):
    query = Query((), (Order("rank", descending),), 2)
    seen, cursor = [], None
    while True:
        page = find(NOTES, RANKED, Query(query.filters, query.order, query.limit, cursor))
        seen += [record.key for record in page.records]
        if (cursor := page.cursor) is None:
            break

    assert seen == keys(RANKED, order=query.order)


def test_the_last_page_has_no_cursor():
    assert find(NOTES, RANKED, Query(limit=5)).cursor is None
    assert find(NOTES, RANKED, Query(limit=4)).cursor is not None


@pytest.mark.parametrize(
    "query",
    [
        Query((), (Order("title"),)),
        Query((Filter("rank", Operator.EQ, 1),)),
        Query((), (Order("rank", True),)),
    ],
)
def test_a_cursor_of_another_query_is_refused(query):
    cursor = find(NOTES, RANKED, Query((), (Order("rank"),), 1)).cursor

    with pytest.raises(UsageError, match="no cursor of this query"):
        find(NOTES, RANKED, Query(query.filters, query.order, 1, cursor))


@pytest.mark.parametrize("text", ["", "x", "é", "bnVsbA", "W10", "\ud800"])
def test_what_is_no_cursor_at_all_is_refused(text):
    with pytest.raises(UsageError):
        find(NOTES, RANKED, Query(limit=1, after=text))


def test_a_field_that_cannot_be_asked_so_is_refused():
    with pytest.raises(UsageError, match="cannot be asked"):
        find(NOTES, RANKED, Query((Filter("tags", Operator.LT, 1),)))
    with pytest.raises(UsageError, match="cannot be ordered"):
        find(NOTES, RANKED, Query((), (Order("tags"),)))


def test_counting_looks_at_the_filters_only():
    filters = (Filter("rank", Operator.EQ, 1),)

    assert 2 == count(NOTES, RANKED, Query(filters, limit=1))
