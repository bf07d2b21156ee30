"""Merging where unique values move, and what is left alone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fluxstore.adapter import Batch
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.errors import ConstraintError
from fluxstore.records import Delete, Put, Reason, Record
from fluxstore.testing.conformance.support import change, collection, count, put, record, save
from fluxstore.testing.entities import Area, Book, Person, Place, Room, Site


@entity("seats", unique=[("row", "number")])
class Seat:
    id: str
    row: int
    number: int
    label: str = field(unique=True, max_length=5)


SEATS = Entities([entity_of(Seat)])


def people(*emails: str) -> list[Person]:
    return [Person(id=str(n), email=email) for n, email in enumerate(emails)]


def test_unique_values_move_along_a_chain_against_the_order_of_the_batch(file):
    adapter = file.open()
    save(adapter, *people("a@x", "b@x", "c@x"))

    merged = collection(adapter, Person).merge(Batch([*map(record, people("b@x", "c@x", "d@x"))]))

    assert (3, ()) == (merged.written, merged.refused)
    assert [("b@x",), ("c@x",), ("d@x",)] == file.run("SELECT email FROM people ORDER BY id")


def test_unique_values_move_in_a_circle(file):
    adapter = file.open()
    save(adapter, *people("a@x", "b@x", "c@x"))

    merged = collection(adapter, Person).merge(Batch([*map(record, people("b@x", "c@x", "a@x"))]))

    assert (3, ()) == (merged.written, merged.refused)
    assert [("b@x",), ("c@x",), ("a@x",)] == file.run("SELECT email FROM people ORDER BY id")


def test_unique_values_that_may_not_be_null_move_in_a_circle_too(file):
    adapter = file.open(SEATS)
    seats = adapter.collection(SEATS["seats"])
    rows = [{"id": str(n), "row": 1, "number": n, "label": f"L{n}"} for n in range(3)]
    seats.commit([Put(row["id"], row) for row in rows])
    turned = [
        {**row, "number": (n + 1) % 3, "label": f"L{(n + 1) % 3}"} for n, row in enumerate(rows)
    ]

    merged = seats.merge(Batch([Record(row["id"], row) for row in turned]))

    assert (3, ()) == (merged.written, merged.refused)
    assert [(1, "L1"), (2, "L2"), (0, "L0")] == file.run(
        "SELECT number, label FROM seats ORDER BY id"
    )


def test_unique_values_swap_within_one_commit(file):
    adapter = file.open()
    save(adapter, *people("a@x", "b@x"))
    tested = collection(adapter, Person)

    tested.commit([change(Person, "0", email="b@x"), change(Person, "1", email="a@x")])

    assert [("b@x",), ("a@x",)] == file.run("SELECT email FROM people ORDER BY id")


def test_a_circle_with_a_bad_record_is_refused_and_the_rest_is_written(file):
    adapter = file.open()
    save(adapter, *people("a@x", "b@x", "c@x"))
    fresh = [record(one) for one in people("b@x", "a@x", "d@x")]
    bad = Record("1", {**fresh[1].values, "age": 200})

    merged = collection(adapter, Person).merge(Batch([fresh[0], bad, fresh[2]]))

    assert 1 == merged.written
    assert [("1", Reason.RANGE), ("0", Reason.UNIQUE)] == [
        (one.problem.key, one.problem.reason) for one in merged.refused
    ]
    assert [("a@x",), ("b@x",), ("d@x",)] == file.run("SELECT email FROM people ORDER BY id")


def test_many_records_of_one_unique_value_leave_the_first(file):
    adapter = file.open()
    fresh = [record(Person(id=f"{n:03}", email="a@x")) for n in range(200)]

    merged = collection(adapter, Person).merge(Batch(fresh))

    assert (1, 199) == (merged.written, len(merged.refused))
    assert [("000",)] == file.run("SELECT id FROM people")


def test_a_refused_commit_names_who_has_the_value(file):
    adapter = file.open()
    save(adapter, *people("a@x", "b@x"))

    with pytest.raises(ConstraintError, match="email: unique values expected, record 0 has them"):
        collection(adapter, Person).commit([change(Person, "1", email="a@x")])


def test_a_chain_of_records_that_refer_to_each_other_is_merged_in_any_order(file):
    adapter = file.open()
    fresh = [record(Area(id=str(n), parent_id=str(n + 1))) for n in range(50)]

    merged = collection(adapter, Area).merge(Batch([*fresh, record(Area(id="50"))]))

    assert (51, ()) == (merged.written, merged.refused)


def test_a_chain_without_an_end_is_refused_down_to_its_start(file):
    adapter = file.open()
    fresh = [record(Area(id=str(n), parent_id=str(n + 1))) for n in range(5)]

    merged = collection(adapter, Area).merge(Batch([*fresh, record(Area(id="x"))]))

    assert (1, {"0", "1", "2", "3", "4"}) == (
        merged.written,
        {one.problem.key for one in merged.refused},
    )
    assert {Reason.REFERENCE} == {one.problem.reason for one in merged.refused}


def test_a_decimal_of_another_scale_is_written_and_the_order_of_names_is_not(file):
    adapter = file.open()
    save(adapter, Book(id="a", price=Decimal("1.1"), notes={"x": 1, "y": 2}))
    books = collection(adapter, Book)
    scaled = record(Book(id="a", price=Decimal("1.10"), notes={"y": 2, "x": 1}))

    assert [1, 0] == [books.merge(Batch([scaled])).written for _ in range(2)]
    assert [("1.10",)] == file.run("SELECT price FROM books")


def test_merging_again_changes_nothing_in_the_file(file):
    adapter = file.open()
    fresh = [record(Book(id=str(n), title="x" * n, tags=["a"])) for n in range(100)]
    books = collection(adapter, Book)
    books.merge(Batch(fresh))
    (before,) = file.run("PRAGMA data_version")
    written = file.path.with_name("app.db-wal").stat()

    again = books.merge(Batch(fresh))

    assert (0, 100) == (again.written, again.unchanged)
    assert written.st_size == file.path.with_name("app.db-wal").stat().st_size
    assert (before,) == tuple(file.run("PRAGMA data_version"))


def test_what_foresee_finds_leaves_no_file_behind(file):
    adapter = file.open()
    twice = [record(Person(id=str(n), email="a@x")) for n in range(2)]

    (foreseen,) = collection(adapter, Person).foresee(twice)

    assert ("1", Reason.UNIQUE) == (foreseen.problem.key, foreseen.problem.reason)
    assert set() == file.beside()


def test_what_foresee_finds_leaves_the_file_as_it_was(file):
    save(file.open(), *people("a@x"))
    file.opened[-1].close()
    before = file.path.read_bytes()
    adapter = file.open()

    (foreseen,) = collection(adapter, Person).foresee([record(Person(id="9", email="a@x"))])
    adapter.close()

    assert ("9", Reason.UNIQUE) == (foreseen.problem.key, foreseen.problem.reason)
    assert before == file.path.read_bytes()


def test_foresight_within_a_transaction_is_undone_and_the_transaction_is_not(file):
    adapter = file.open()
    with adapter.transaction():
        save(adapter, *people("a@x"))
        collection(adapter, Person).foresee([record(Person(id="9", email="z@x"))])
        save(adapter, Area(id="a"))

    assert (1, 1) == (count(adapter, Person), count(adapter, Area))


def test_a_delete_with_many_below_it_leaves_no_trace_of_them(file):
    adapter = file.open()
    save(adapter, Area(id="a"), Site(id="s", area_id="a"), Person(id="p"))
    rooms = [put(Room(id=str(n), site_id="s")) for n in range(200)]
    collection(adapter, Room).commit(rooms)
    collection(adapter, Place).commit(
        [put(Place(room_id=str(n), person_id="p")) for n in range(200)]
    )

    merged = collection(adapter, Area).merge(Batch([], deletes=["a", "none"]))

    assert (1, 0, 0, 1) == (
        merged.deleted,
        count(adapter, Room),
        count(adapter, Place),
        count(adapter, Person),
    )


def test_a_delete_goes_down_more_levels_than_python_can_call(file):
    adapter = file.open()
    chain = [record(Area(id="0"))]
    chain += [record(Area(id=str(n), parent_id=str(n - 1))) for n in range(1, 3000)]
    areas = collection(adapter, Area)
    areas.merge(Batch(chain))

    areas.commit([Delete("0")])

    assert 0 == count(adapter, Area)


def test_a_delete_of_a_circle_deletes_all_of_it(file):
    adapter = file.open()
    areas = collection(adapter, Area)
    areas.merge(Batch([record(Area(id=str(n), parent_id=str((n + 1) % 5))) for n in range(5)]))

    areas.commit([Delete("2")])

    assert 0 == count(adapter, Area)
