"""Queries: every operator, order, ties, nulls, text by code point, Decimals by value, pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from fluxstore import evaluate, query
from fluxstore.adapter import Adapter, Collection
from fluxstore.entity import entity_of
from fluxstore.errors import UsageError
from fluxstore.query import Filter, Operator, Order, Query, check_operator, check_order
from fluxstore.records import Delete, Put
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.library import BOOKS, NOON, asking, plain
from fluxstore.testing.conformance.support import collection, put, record
from fluxstore.testing.entities import Book, ByMoment, Colour, Person, Rank

ENTITY = entity_of(Book)
RECORDS = [record(book) for book in BOOKS]


@pytest.fixture
def books(backend: Backend) -> Iterator[Collection]:
    """The collection of books, filled in an order that no query asks for."""
    with backend.opened() as adapter:
        made = collection(adapter, Book)
        made.commit([put(book) for book in (*BOOKS[6:], *BOOKS[:6])])
        yield made


def found(books: Collection, asked: Query) -> str:
    """Return the keys that *asked* finds, in order, as words."""
    return " ".join(one.key for one in books.find(asked).records)


def _askable(operator: Operator) -> list[str]:
    names = []
    for field in ENTITY.fields:
        try:
            check_operator(ENTITY, field, operator)
        except UsageError:
            continue
        names.append(field.name)
    return names


def _orderable() -> list[str]:
    names = []
    for field in ENTITY.fields:
        try:
            check_order(ENTITY, field)
        except UsageError:
            continue
        names.append(field.name)
    return names


def _values(field: str) -> list[Any]:
    """Return every value that a book has in *field*, once."""
    seen: list[Any] = []
    for book in BOOKS:
        value = getattr(book, field)
        if value is not None and value not in seen:
            seen.append(value)
    return seen


class TestOperators:
    """Each operator, said in words; the expected keys are in the order of keys."""

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, "A Z a b c d e f g h i none"),
            ({"title": "apple"}, "A b"),
            ({"title": ""}, "g"),
            ({"title": None}, "Z none"),
            ({"title": query.ne(None)}, "A a b c d e f g h i"),
            ({"title": query.ne("apple")}, "Z a c d e f g h i none"),
            ({"title": query.lt("apple")}, "a c g h i"),
            ({"title": query.ge("é")}, "d e f"),
            ({"title": query.starts_with("")}, "A a b c d e f g h i"),
            ({"title": query.starts_with("app")}, "A b"),
            ({"title": query.starts_with("100%")}, "h"),
            ({"title": query.starts_with("100%_\\")}, "h"),
            ({"title": query.starts_with("%")}, ""),
            ({"title": query.starts_with("_00")}, ""),
            ({"title": query.one_of("apple", "Apple", "none")}, "A b c"),
            ({"title": query.one_of("apple", None)}, "A Z b none"),
            ({"title": query.one_of()}, ""),
            ({"title": query.is_null()}, "Z none"),
            ({"title": query.is_null(False)}, "A a b c d e f g h i"),
            ({"pages": 9}, "b c i"),
            ({"pages": query.gt(9)}, "a e"),
            ({"pages": query.le(0)}, "d f"),
            ({"pages": query.lt(None)}, ""),
            ({"pages": query.ge(None)}, ""),
            ({"lent": False}, "b i"),
            ({"lent": query.ne(True)}, "A Z b d e f g h i none"),
            ({"lent": query.lt(True)}, "b i"),
            ({"rating": -1.5}, "b c"),
            ({"rating": query.gt(0.0)}, "a d g"),
            ({"price": plain("price", Operator.EQ, BOOKS[1].price)}, "b c"),
            ({"price": query.lt(BOOKS[1].price)}, "a d e f"),
            ({"price": query.one_of(BOOKS[4].price)}, "e f"),
            ({"bought": NOON}, "a f"),
            ({"bought": query.gt(NOON)}, "b"),
            ({"colour": Colour.GREEN}, "b h"),
            ({"colour": query.ne(Colour.GREEN)}, "A Z a c d e f g i none"),
            ({"rank": query.one_of(Rank.LOW, Rank.HIGH)}, "a b"),
            ({"rank": query.gt(Rank.LOW)}, "b"),
            ({"size": "small"}, "a h"),
            ({"cover": b""}, "h"),
            ({"cover": query.one_of(b"\x00", b"\xff")}, "a b"),
            ({"tags": query.contains("x")}, "a"),
            ({"tags": query.contains("X")}, "b"),
            ({"tags": query.contains("")}, "d"),
            ({"tags": query.contains("%")}, "e"),
            ({"years": query.contains(10)}, "a b"),
            ({"times": query.contains(NOON)}, "a"),
            ({"pages": 9, "lent": True}, "c"),
            ({"title": query.starts_with("a"), "shelf": "B"}, "b"),
        ],
    )
    def test_filters_find(self, books: Collection, filters: dict[str, Any], expected: str) -> None:
        asked = asking(**filters)
        assert expected == found(books, asked)
        assert len(expected.split()) == books.count(asked)

    @pytest.mark.parametrize("operator", list(Operator), ids=lambda one: one.value)
    def test_every_field_answers_every_operator_that_it_can_be_asked(
        self, books: Collection, operator: Operator
    ) -> None:
        for name in _askable(operator):
            for value in _asked_values(name, operator):
                asked = Query(filters=(Filter(name, operator, value),))
                expected = " ".join(
                    one.key for one in evaluate.find(ENTITY, RECORDS, asked).records
                )
                assert expected == found(books, asked), (name, operator, value)

    def test_a_missing_field_is_found_by_its_default(self, books: Collection) -> None:
        books.commit([Put("new", {"id": "new"})])
        assert "A Z a c d e f h i new none" == found(books, asking(shelf="A"))
        assert "Z new none" == found(books, asking(title=None))
        assert "new" in found(books, asking(pages=query.is_null())).split()
        assert "new" not in found(books, asking(tags=query.contains("x"))).split()
        assert "b" == found(books, asking("-shelf", limit=1))

    @pytest.mark.parametrize(
        ("field", "operator", "value"),
        [
            ("tags", Operator.EQ, ["x"]),
            ("notes", Operator.LT, {}),
            ("notes", Operator.CONTAINS, "a"),
            ("title", Operator.CONTAINS, "a"),
            ("pages", Operator.STARTS_WITH, "1"),
            ("cover", Operator.GT, b""),
            ("cover", Operator.STARTS_WITH, b""),
        ],
    )
    def test_what_a_field_cannot_be_asked_is_refused(
        self, books: Collection, field: str, operator: Operator, value: Any
    ) -> None:
        asked = Query(filters=(Filter(field, operator, value),))
        with pytest.raises(UsageError):
            books.find(asked)
        with pytest.raises(UsageError):
            books.count(asked)


def _asked_values(name: str, operator: Operator) -> list[Any]:
    values = _values(name)
    match operator:
        case Operator.IS_NULL:
            return [True, False]
        case Operator.CONTAINS:
            items = sorted({item for value in values for item in value})
            return [plain(name, operator, item) for item in items]
        case Operator.ONE_OF:
            wanted = [*values, None] if ENTITY.field(name).type.nullable else values
            pairs = [*itertools.combinations(wanted, 2), ()]
            return [plain(name, operator, pair) for pair in pairs]
        case Operator.STARTS_WITH:
            texts = [plain(name, Operator.EQ, value) for value in values]
            return [text[:length] for text in texts for length in (1, 3, 9)]
        case _:
            return [plain(name, operator, value) for value in values] + [None]


class TestOrder:
    """Nulls last in both directions, text by code point, ties in the order of keys."""

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("title", "g i h c a A b d e f Z none"),
            ("-title", "f e d A b a c h i g Z none"),
            ("pages", "d f b c i a e A Z g h none"),
            ("-pages", "e a b c i f d A Z g h none"),
            ("lent", "b i a c A Z d e f g h none"),
            ("-lent", "a c b i A Z d e f g h none"),
            ("rating", "b c g a d A Z e f h i none"),
            ("price", "d e f a b c A Z g h i none"),
            ("-price", "b c a e f d A Z g h i none"),
            ("bought", "a f b A Z c d e g h i none"),
            ("-bought", "b a f A Z c d e g h i none"),
            ("lasts", "g b a A Z c d e f h i none"),
            ("ident", "a b A Z c d e f g h i none"),
            ("rank", "a b A Z c d e f g h i none"),
            ("colour", "b h a A Z c d e f g i none"),
            ("-id", "none i h g f e d c b a Z A"),
        ],
    )
    def test_records_are_ordered(self, books: Collection, order: str, expected: str) -> None:
        assert expected == found(books, asking(order))

    def test_several_fields_order_one_after_the_other(self, books: Collection) -> None:
        assert "c b i" == found(books, asking("-lent", "-title", pages=9))
        assert "c i b" == found(books, asking("-lent", "title", pages=9))

    @pytest.mark.parametrize("name", _orderable())
    @pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
    def test_every_field_that_can_be_ordered_by_is(
        self, books: Collection, name: str, descending: bool
    ) -> None:
        asked = Query(order=(Order(name, descending),))
        expected = " ".join(one.key for one in evaluate.find(ENTITY, RECORDS, asked).records)
        assert expected == found(books, asked)

    @pytest.mark.parametrize("name", ["tags", "notes", "cover"])
    def test_what_has_no_order_is_refused(self, books: Collection, name: str) -> None:
        with pytest.raises(UsageError):
            books.find(Query(order=(Order(name),)))


class TestPages:
    """``limit`` and ``after``: every record once, whatever is tied."""

    @pytest.mark.parametrize("limit", [1, 2, 5, 12, 100])
    @pytest.mark.parametrize(
        "order", [(), ("title",), ("-pages",), ("lent", "-rating"), ("-price",), ("-bought",)]
    )
    def test_pages_follow_each_other_without_gap_or_overlap(
        self, books: Collection, order: tuple[str, ...], limit: int
    ) -> None:
        asked = asking(*order)
        expected = [one.key for one in books.find(asked).records]
        pages = list(_pages(books, attrs.evolve(asked, limit=limit)))
        assert expected == [key for page in pages for key in page]
        assert all(len(page) == limit for page in pages[:-1])
        assert pages[-1]

    def test_filters_hold_on_every_page(self, books: Collection) -> None:
        pages = _pages(books, asking("-price", limit=2, pages=query.is_null(False)))
        assert ["b", "c", "a", "e", "f", "d", "i"] == [key for page in pages for key in page]

    def test_the_last_page_has_no_cursor(self, books: Collection) -> None:
        assert None is books.find(asking()).cursor
        assert None is books.find(asking(limit=12)).cursor
        assert None is not books.find(asking(limit=11)).cursor
        assert None is books.find(asking(limit=1, title="none such")).cursor

    def test_a_page_goes_on_after_a_record_that_is_gone(self, books: Collection) -> None:
        first = books.find(asking("title", limit=3))
        assert ["g", "i", "h"] == [one.key for one in first.records]
        books.commit([Delete("h")])
        rest = attrs.evolve(asking("title"), after=first.cursor)
        assert "c a A b d e f Z none" == found(books, rest)

    def test_a_cursor_of_another_query_is_refused(self, books: Collection) -> None:
        cursor = books.find(asking("title", limit=2)).cursor
        for other in (asking("-title"), asking("pages"), asking("title", pages=9), asking()):
            with pytest.raises(UsageError):
                books.find(attrs.evolve(other, after=cursor))

    @pytest.mark.parametrize("text", ["", "x", "é", "W10", "bnVsbA", "a" * 10_000])
    def test_a_text_that_is_no_cursor_is_refused(self, books: Collection, text: str) -> None:
        with pytest.raises(UsageError):
            books.find(attrs.evolve(asking("title"), after=text))

    def test_count_looks_at_filters_only(self, books: Collection) -> None:
        cursor = books.find(asking("title", limit=2)).cursor
        assert 12 == books.count(attrs.evolve(asking("title", limit=2), after=cursor))

    def test_composite_keys_order_and_page(self, adapter: Adapter) -> None:
        days = [NOON.date().replace(day=day) for day in (3, 1, 2)]
        made = [
            ByMoment(day=day, moment=NOON, truth=truth) for day in days for truth in (True, False)
        ]
        tested = collection(adapter, ByMoment)
        tested.commit([put(one) for one in made])
        pages = list(_pages(tested, Query(limit=4)))
        expected = [(day, NOON, truth) for day in sorted(days) for truth in (False, True)]
        assert [expected[:4], expected[4:]] == pages

    def test_pages_over_many_ties(self, adapter: Adapter) -> None:
        people = collection(adapter, Person)
        people.commit([put(Person(id=f"p{n:03}", age=n % 3 or None)) for n in range(100)])
        asked = Query(order=(Order("age", descending=True),), limit=7)
        pages = list(_pages(people, asked))
        expected = sorted(range(100), key=lambda n: (n % 3 == 0, -(n % 3), n))
        assert [f"p{n:03}" for n in expected] == [key for page in pages for key in page]


def _pages(books: Collection, asked: Query) -> Iterator[list[Any]]:
    cursor, more = None, True
    while more:
        page = books.find(attrs.evolve(asked, after=cursor))
        yield [one.key for one in page.records]
        cursor, more = page.cursor, page.cursor is not None
