"""Taking part in migrations: scan, merge, foresee, prepare and complete."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxstore.adapter import Adapter, Batch, Capability, Cursor, Merged, Page
from fluxstore.entity import entity_of
from fluxstore.errors import ConstraintError
from fluxstore.records import (
    Delete,
    Intent,
    Key,
    Reason,
    Record,
    Rejected,
    Residue,
    Row,
)
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.fidelity import EXAMPLES, with_pools
from fluxstore.testing.conformance.library import NOON
from fluxstore.testing.conformance.support import (
    change,
    collection,
    everything_in,
    need,
    put,
    record,
    row,
    save,
    values_of,
)
from fluxstore.testing.entities import Album, Area, ByMoment, Desk, Lock, Person, Site, Track

MANY = [Album(id=f"a{n:03}", name=f"{n}") for n in range(103)]


class TestScan:
    """Every record once, in the backend's order, from anywhere."""

    def test_an_empty_entity_is_one_empty_page(self, adapter: Adapter) -> None:
        page = collection(adapter, Album).scan(None, 10)
        assert (0, None) == (len(page.records), page.cursor)

    @pytest.mark.parametrize("limit", [1, 10, 103, 1000])
    def test_every_record_is_found_once(self, adapter: Adapter, limit: int) -> None:
        collection(adapter, Album).commit([put(one) for one in MANY])
        pages = _pages(adapter, None, limit)
        found = [one.key for page in pages for one in page.records]
        assert sorted(one.id for one in MANY) == sorted(found)
        done = [page.done for page in pages if page.done is not None]
        assert sorted(done) == done
        assert all(0 <= one <= 1 for one in done)

    def test_records_come_whole(self, adapter: Adapter) -> None:
        residue = Residue(extras={"x": 1})
        collection(adapter, Album).commit([put(MANY[1], residue=residue)])
        (found,) = collection(adapter, Album).scan(None, 10).records
        assert record(MANY[1], residue) == found

    def test_a_scan_goes_on_where_another_adapter_stood(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            collection(adapter, Album).commit([put(one) for one in MANY])
        with backend.opened() as adapter:
            first = collection(adapter, Album).scan(None, 40)
        with backend.opened() as adapter:
            rest = _pages(adapter, first.cursor, 25)
        found = [one.key for page in (first, *rest) for one in page.records]
        assert sorted(one.id for one in MANY) == sorted(found)

    def test_keys_are_in_order_where_that_is_declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.KEY_ORDER)
        ids = ["b", "a", "B", "\U0001f600", "\uff5a", "10", "9", "é", "z"]
        collection(adapter, Album).commit([put(Album(id=one)) for one in ids])
        found = [one.key for page in _pages(adapter, None, 2) for one in page.records]
        assert sorted(ids) == found

    def test_composite_keys_are_scanned(self, adapter: Adapter) -> None:
        days = [NOON.date().replace(day=n) for n in range(1, 21)]
        made = [ByMoment(day=day, moment=NOON, truth=t) for day in days for t in (True, False)]
        tested = collection(adapter, ByMoment)
        tested.commit([put(one) for one in made])
        seen: list[Key] = []
        cursor, more = None, True
        while more:
            page = tested.scan(cursor, 7)
            seen += [one.key for one in page.records]
            cursor, more = page.cursor, page.cursor is not None
        assert sorted((one.day, one.moment, one.truth) for one in made) == sorted(seen)


def _pages(adapter: Adapter, cursor: str | None, limit: int) -> list[Page]:
    pages = [collection(adapter, Album).scan(cursor, limit)]
    while pages[-1].cursor is not None:
        pages.append(collection(adapter, Album).scan(pages[-1].cursor, limit))
    return pages


class TestMerge:
    """What differs is written, what is equal is left alone, what cannot be is refused singly."""

    def test_new_records_are_written(self, adapter: Adapter) -> None:
        merged = collection(adapter, Album).merge(Batch([record(one) for one in MANY]))
        assert (103, 0, 0, 0) == _counts(merged)
        assert {one.id: row(one) for one in MANY} == {
            key: dict(one.values) for key, one in everything_in(adapter, Album).items()
        }

    def test_equal_records_are_not_written(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        batch = Batch([record(one, Residue(extras={"n": 1.0})) for one in MANY])
        albums.merge(batch)
        assert (0, 103, 0, 0) == _counts(albums.merge(batch))

    def test_drift_is_repaired(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        batch = Batch([record(one) for one in MANY])
        albums.merge(batch)
        albums.commit([change(Album, "a005", name="drift"), Delete("a006")])
        assert (2, 101, 0, 0) == _counts(albums.merge(batch))
        assert (0, 103, 0, 0) == _counts(albums.merge(batch))
        assert row(MANY[5]) == values_of(adapter, Album, "a005")

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (Residue(), Residue(extras={"x": 1})),
            (Residue(extras={"x": 1}), Residue(extras={"x": "1"})),
            (Residue(extras={"x": 1}), Residue()),
        ],
    )
    def test_a_difference_in_residue_is_a_difference(
        self, adapter: Adapter, before: Residue, after: Residue
    ) -> None:
        albums = collection(adapter, Album)
        albums.merge(Batch([record(MANY[0], before)]))
        assert (1, 0, 0, 0) == _counts(albums.merge(Batch([record(MANY[0], after)])))
        assert after == albums.read(["a000"])["a000"].residue

    def test_null_missing_and_empty_are_differences(self, adapter: Adapter) -> None:
        people = collection(adapter, Person)
        missing: Row = {"id": "p"}
        values = [missing, {**missing, "first": None}, {**missing, "first": ""}]
        for one in values:
            assert (1, 0, 0, 0) == _counts(people.merge(Batch([Record("p", one)])))
            assert (0, 1, 0, 0) == _counts(people.merge(Batch([Record("p", one)])))
            assert one == values_of(adapter, Person, "p")

    def test_deletes_go(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.merge(Batch([record(one) for one in MANY[:5]]))
        merged = albums.merge(Batch([record(MANY[0])], deletes=["a001", "a002", "none"]))
        assert (0, 1, 2, 0) == _counts(merged)
        assert {"a000", "a003", "a004"} == set(everything_in(adapter, Album))

    def test_an_empty_batch_is_no_trouble(self, adapter: Adapter) -> None:
        assert (0, 0, 0, 0) == _counts(collection(adapter, Album).merge(Batch([])))

    def test_the_cursor_is_saved_with_what_it_covers(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        first = Cursor("m1", "albums", "somewhere", "print", {"read": 2, "written": 1})
        albums.merge(Batch([record(MANY[0])], cursor=first))
        assert first == adapter.ledger.cursor("m1", "albums")
        last = attrs.evolve(first, position=None, counts={"read": 3})
        albums.merge(Batch([], cursor=last))
        assert last == adapter.ledger.cursor("m1", "albums")
        assert None is adapter.ledger.cursor("m2", "albums")
        assert None is adapter.ledger.cursor("m1", "tracks")

    def test_what_breaks_a_rule_is_refused_singly(self, adapter: Adapter) -> None:
        save(adapter, Person(id="there", email="there@x"))
        people = collection(adapter, Person)
        batch = Batch(
            [
                record(Person(id="a", email="a@x")),
                record(Person(id="b", email="there@x")),
                record(Person(id="c", email="a@x")),
                record(Person(id="d", boss_id="none")),
                record(Person(id="e", boss_id="a")),
            ]
        )
        merged = people.merge(batch)
        assert {
            "b": Reason.UNIQUE,
            "c": Reason.UNIQUE,
            "d": Reason.REFERENCE,
        } == _reasons(merged.refused)
        assert (2, 0, 0, 3) == _counts(merged)
        assert {"there", "a", "e"} == set(everything_in(adapter, Person))

    def test_a_refused_record_leaves_what_was_there(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="a@x"), Person(id="b", email="b@x", age=1))
        batch = Batch([record(Person(id="b", email="a@x", age=2))])
        assert {"b": Reason.UNIQUE} == _reasons(collection(adapter, Person).merge(batch).refused)
        assert row(Person(id="b", email="b@x", age=1)) == values_of(adapter, Person, "b")

    def test_unique_values_may_be_swapped_within_a_batch(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="a@x"), Person(id="b", email="b@x"))
        batch = Batch([record(Person(id="a", email="b@x")), record(Person(id="b", email="a@x"))])
        assert (2, 0, 0, 0) == _counts(collection(adapter, Person).merge(batch))
        assert row(Person(id="a", email="b@x")) == values_of(adapter, Person, "a")

    def test_a_record_may_refer_to_a_later_one_of_its_batch(self, adapter: Adapter) -> None:
        batch = Batch([record(Area(id="a", parent_id="b")), record(Area(id="b"))])
        assert (2, 0, 0, 0) == _counts(collection(adapter, Area).merge(batch))

    def test_a_delete_that_is_restricted_is_refused_singly(self, adapter: Adapter) -> None:
        save(adapter, Desk(id="d"), Desk(id="e"), Lock(id="l", desk_id="d"))
        merged = collection(adapter, Desk).merge(Batch([], deletes=["d", "e"]))
        assert {"d": Reason.REFERENCE} == _reasons(merged.refused)
        assert {"d"} == set(everything_in(adapter, Desk))

    def test_a_merge_makes_no_mark(self, adapter: Adapter) -> None:
        collection(adapter, Album).merge(Batch([record(MANY[0])]))
        assert 0 == len(adapter.ledger.marks("albums", 10))
        assert {} == adapter.ledger.versions("albums", ["a000"])


def _person(key: str, email: str) -> Record:
    return record(Person(id=key, email=f"{email}@x"))


def _counts(merged: Merged) -> tuple[int, int, int, int]:
    return merged.written, merged.unchanged, merged.deleted, len(merged.refused)


def _reasons(refused: Iterable[Rejected]) -> dict[str, Reason]:
    return {one.problem.key: one.problem.reason for one in refused}


class TestForesee:
    """``foresee`` says what ``merge`` would refuse, and writes nothing that lasts."""

    def test_it_predicts_and_writes_nothing(self, adapter: Adapter) -> None:
        save(adapter, Person(id="there", email="there@x"))
        records = [
            record(Person(id="a", email="a@x")),
            record(Person(id="b", email="there@x")),
            record(Person(id="c", email="a@x")),
        ]
        before = everything_in(adapter, Person)
        people = collection(adapter, Person)
        expected = {"b": Reason.UNIQUE, "c": Reason.UNIQUE}
        assert expected == _reasons(people.foresee(records))
        assert before == everything_in(adapter, Person)
        assert expected == _reasons(people.merge(Batch(records)).refused)

    def test_records_that_can_be_merged_are_not_mentioned(self, adapter: Adapter) -> None:
        assert [] == list(collection(adapter, Album).foresee([record(one) for one in MANY]))
        assert [] == list(collection(adapter, Album).foresee([]))

    @with_pools
    @EXAMPLES
    @given(
        there=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz")), max_size=3),
        batch=st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz"), max_size=6),
    )
    def test_any_batch_is_predicted(
        self, adapter: Adapter, there: list[tuple[str, str]], batch: dict[str, str]
    ) -> None:
        people = collection(adapter, Person)
        for key in everything_in(adapter, Person):
            people.commit([Delete(key)])
        people.merge(Batch([_person(key, email) for key, email in dict(there).items()]))
        records = [_person(key, email) for key, email in batch.items()]
        foreseen = _reasons(people.foresee(records))
        merged = people.merge(Batch(records))
        assert foreseen == _reasons(merged.refused)
        assert len(records) == merged.written + merged.unchanged + len(merged.refused)
        found = [one.values["email"] for one in everything_in(adapter, Person).values()]
        assert len(found) == len(set(found))


class TestPrepare:
    """``prepare`` and ``complete`` frame a migration's writing; in between, rules hold too."""

    def test_rules_hold_during_and_after_bulk_loading(self, adapter: Adapter) -> None:
        entities = [entity_of(Person), entity_of(Site), entity_of(Area)]
        adapter.prepare(entities)
        people = collection(adapter, Person)
        people.merge(Batch([record(Person(id="a", email="a@x"))]))
        merged = people.merge(Batch([record(Person(id="b", email="a@x"))]))
        assert {"b": Reason.UNIQUE} == _reasons(merged.refused)
        adapter.complete(entities)
        with pytest.raises(ConstraintError):
            people.commit([put(Person(id="c", email="a@x"), Intent.CREATE)])
        with pytest.raises(ConstraintError):
            collection(adapter, Site).commit([put(Site(id="s", area_id="none"))])

    def test_both_may_be_called_again(self, adapter: Adapter) -> None:
        entities = [entity_of(Album), entity_of(Track)]
        for _ in range(2):
            adapter.prepare(entities)
            collection(adapter, Album).merge(Batch([record(MANY[0])]))
            adapter.complete(entities)
        assert {"a000"} == set(everything_in(adapter, Album))
