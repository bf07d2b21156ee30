"""Tables that fluxstore makes: types, checks, order, and what other programs may do with them."""

from __future__ import annotations

import math
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fluxstore.adapter import Batch, Use
from fluxstore.errors import ConstraintError
from fluxstore.query import Filter, Operator, Order, Query
from fluxstore.records import Put, Reason, Record
from fluxstore.testing.conformance.support import change, collection, keys, record, save
from fluxstore.testing.entities import (
    Area,
    Book,
    Desk,
    Everything,
    Lock,
    Person,
    Room,
    Site,
    of,
)

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_nothing_is_made_before_the_first_write(file):
    adapter = file.open()

    assert {} == collection(adapter, Book).read(["a"])
    assert () == tuple(collection(adapter, Book).scan(None, 10).records)
    assert adapter.ledger.control("books") is None
    assert set() == file.beside()


def test_a_closed_file_stands_alone_in_its_folder(file):
    adapter = file.open()
    save(adapter, Book(id="a"))
    adapter.close()

    assert {"app.db"} == file.beside()


def test_folders_of_a_new_file_are_made_with_it(file):
    file.path = file.path.parent / "deep" / "deeper" / "app.db"
    save(file.open(), Book(id="a"))

    assert file.path.is_file()


def test_every_kind_has_a_column_of_its_type(file):
    save(file.open(), Everything(id="a"))
    declared = {name: type_ for _, name, type_, *_ in file.run("PRAGMA table_info(everything)")}

    assert {
        "text": "TEXT",
        "whole": "INTEGER",
        "big": "TEXT",
        "truth": "INTEGER",
        "real": "REAL",
        "exact": "TEXT",
        "raw": "BLOB",
        "moment": "TEXT",
        "span": "TEXT",
        "words": "TEXT",
        "point": "TEXT",
    }.items() <= declared.items()


def test_times_order_as_text_whatever_their_fraction(file):
    adapter = file.open()
    times = [MOMENT + timedelta(microseconds=n) for n in (0, 1, 10, 999999)]
    save(adapter, *(Book(id=str(n), bought=time) for n, time in enumerate(times)))

    stored = file.run("SELECT bought FROM books ORDER BY bought")

    assert ["0", "1", "2", "3"] == keys(adapter, Book, Query(order=(Order("bought"),)))
    assert ("2026-01-02T03:04:05.000000Z",) == stored[0]
    assert stored == sorted(stored)


def test_decimals_keep_their_scale_and_compare_as_numbers(file):
    adapter = file.open()
    save(
        adapter,
        Book(id="a", price=Decimal(9)),
        Book(id="b", price=Decimal("10.0")),
        Book(id="c", price=Decimal(-1)),
    )

    assert [("10.0",)] == file.run("SELECT price FROM books WHERE id = 'b'")
    assert ["c", "a", "b"] == keys(adapter, Book, Query(order=(Order("price"),)))
    ten = Filter("price", Operator.EQ, Decimal("10.000"))
    assert ["b"] == keys(adapter, Book, Query(filters=(ten,)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_float_that_would_become_null_is_refused_singly(file, value):
    adapter = file.open()
    good, bad = record(Book(id="a", rating=1.5)), record(Book(id="b"))
    bad = Record("b", {**bad.values, "rating": value})

    merged = collection(adapter, Book).merge(Batch([good, bad]))

    assert (1, [Reason.NOT_FINITE]) == (
        merged.written,
        [refused.problem.reason for refused in merged.refused],
    )
    assert [("a", 1.5)] == file.run("SELECT id, rating FROM books")


def test_a_prefix_is_compared_by_code_point_and_nothing_in_it_is_special(file):
    adapter = file.open()
    titles = ["100%", "100_", "abc", "ABC", "é", "e\u0301", "\U0010ffffx", "\ud7ffz", "a\U0010ffff"]
    save(adapter, *(Book(id=str(n), title=title) for n, title in enumerate(titles)))

    def starting(prefix: str) -> list[str]:
        asked = Query(filters=(Filter("title", Operator.STARTS_WITH, prefix),))
        return [titles[int(key)] for key in keys(adapter, Book, asked)]

    for prefix in ("", "100%", "100_", "a", "A", "e", "é", "\U0010ffff", "\ud7ff", "a\U0010ffff"):
        assert [title for title in titles if title.startswith(prefix)] == starting(prefix)


def test_a_prefix_a_reference_and_a_key_are_found_by_index(file):
    adapter = file.open()
    save(adapter, Area(id="a"), Site(id="s", area_id="a"), Person(id="p", email="x@y"))

    def plan(statement: str) -> str:
        return " ".join(row[3] for row in file.run(f"EXPLAIN QUERY PLAN {statement}"))

    assert "sites_area_id_index" in plan("SELECT * FROM sites WHERE area_id = 'a' ORDER BY id")
    assert "TEMP B-TREE" not in plan("SELECT * FROM sites WHERE area_id = 'a' ORDER BY id")
    prefix = plan("SELECT * FROM people AS t WHERE t.email >= 'x' AND t.email < 'y'")
    assert "people_email_unique (email>? AND email<?)" in prefix


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("INSERT INTO people (id, age) VALUES ('x', 151)", "CHECK"),
        ("INSERT INTO people (id, age) VALUES ('x', 'old')", "cannot store TEXT"),
        ("INSERT INTO people (id, email) VALUES ('x', printf('%061d', 1))", "CHECK"),
        ("INSERT INTO people (id, email) VALUES ('x', 'p@q')", "UNIQUE"),
        ("INSERT INTO people (id) VALUES (NULL)", "NOT NULL"),
        ("UPDATE books SET lent = 2", "CHECK"),
        ("UPDATE books SET bought = '2026-01-02'", "CHECK"),
        ("UPDATE books SET tags = '['", "CHECK"),
        ("UPDATE books SET pages = 'many'", "cannot store TEXT"),
    ],
)
def test_other_programs_are_held_to_the_rules_too(file, statement, words):
    save(file.open(), Person(id="p", email="p@q"), Book(id="a"))

    with pytest.raises(sqlite3.IntegrityError, match=words):
        file.run(statement)


def test_other_programs_deletes_cascade_where_they_switch_references_on(file):
    adapter = file.open()
    save(adapter, Area(id="a"), Site(id="s", area_id="a"), Room(id="r", site_id="s"))
    save(adapter, Desk(id="d", room_id="r"), Desk(id="e"), Lock(id="l", desk_id="e"))

    file.run("PRAGMA foreign_keys = ON", "DELETE FROM areas WHERE id = 'a'")

    assert [("d", None), ("e", None)] == file.run("SELECT id, room_id FROM desks ORDER BY id")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        file.run("PRAGMA foreign_keys = ON", "DELETE FROM desks WHERE id = 'e'")


def test_a_missing_field_is_stored_as_its_default_and_found_by_it(file):
    adapter = file.open()
    books = collection(adapter, Book)
    books.commit([Put("a", {"id": "a"})])

    assert [("A", "[]")] == file.run("SELECT shelf, tags FROM books")
    assert 1 == books.count(Query(filters=(Filter("shelf", Operator.EQ, "A"),)))
    assert {"id": "a"} == dict(books.read(["a"])["a"].values)


def test_a_missing_field_that_another_program_sets_is_there_from_then_on(file):
    adapter = file.open()
    collection(adapter, Book).commit([Put("a", {"id": "a"})])
    file.run("UPDATE books SET shelf = 'B'")

    assert {"id": "a", "shelf": "B"} == dict(collection(adapter, Book).read(["a"])["a"].values)


def test_a_missing_field_set_to_its_default_is_there_from_then_on(file):
    adapter = file.open()
    collection(adapter, Book).commit([Put("a", {"id": "a"})])
    collection(adapter, Book).commit([change(Book, "a", shelf="A")])

    assert {"id": "a", "shelf": "A"} == dict(collection(adapter, Book).read(["a"])["a"].values)


def test_text_that_is_no_utf8_keeps_no_other_record_from_being_read(file):
    adapter = file.open()
    save(adapter, Book(id="a"), Book(id="b"), Book(id="c"))
    file.run("UPDATE books SET title = CAST(x'ff41' AS TEXT) WHERE id = 'b'")

    page = collection(adapter, Book).scan(None, 10)

    assert ["a", "c"] == [one.key for one in page.records]
    (rejected,) = page.rejected
    assert ("b", "title", Reason.SURROGATE) == (
        rejected.problem.key,
        rejected.problem.field,
        rejected.problem.reason,
    )
    assert rejected.problem.file == "app.db: books"


def test_bulk_loading_leaves_plain_indexes_to_the_end_and_unique_ones_in_force(file):
    adapter = file.open(use=Use.TARGET)
    entities = [of(Person)]
    adapter.prepare(entities)
    made = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"

    assert [("people_email_unique",), ("people_first_last_unique",)] == [
        row for row in file.run(made) if row[0].startswith("people")
    ]
    adapter.complete(entities)
    assert ("people_boss_id_index",) in file.run(made)


def test_a_key_is_never_changed_by_what_the_values_say(file):
    adapter = file.open()
    collection(adapter, Book).commit([Put("a", {"id": "b", "title": "x"})])

    assert [("a",)] == file.run("SELECT id FROM books")


def test_a_record_with_a_value_too_large_is_refused(file):
    adapter = file.open()
    with pytest.raises(ConstraintError, match="1,048,576"):
        collection(adapter, Book).commit([Put("a", {"id": "a", "title": "é" * 600_000})])
