"""Refusals: unique, references, checks, values that cannot be stored; and what a delete does."""

from __future__ import annotations

import re
from typing import Any

import pytest

from fluxstore.adapter import Adapter
from fluxstore.errors import ConstraintError, EntityError, FluxstoreError, UsageError
from fluxstore.query import Filter, Operator, Order, Query
from fluxstore.records import Delete, Put
from fluxstore.testing.conformance.support import (
    change,
    collection,
    count,
    everything_in,
    put,
    row,
    save,
    values_of,
)
from fluxstore.testing.entities import (
    Album,
    Area,
    Desk,
    Everything,
    Lock,
    Person,
    Place,
    Room,
    Site,
)
from fluxstore.testing.samples import UNSTORABLE


class TestUnique:
    """No two records share unique values; nulls never collide."""

    def test_a_second_record_with_a_unique_value_is_refused(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="x@y"))
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Person).commit([put(Person(id="b", email="x@y"))])
        assert ("unique", ("email",)) == (caught.value.rule, tuple(caught.value.fields))
        assert ("people", "b") == (caught.value.entity, caught.value.key)
        assert 1 == count(adapter, Person)

    def test_a_change_to_a_taken_value_is_refused(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="x@y"), Person(id="b", email="b@y"))
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Person).commit([change(Person, "b", email="x@y")])
        assert "unique" == caught.value.rule
        assert row(Person(id="b", email="b@y")) == values_of(adapter, Person, "b")

    def test_nulls_and_missing_values_never_collide(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a"), Person(id="b"), Person(id="c", first="x"))
        collection(adapter, Person).commit([Put("d", {"id": "d"}), Put("e", {"id": "e"})])
        save(adapter, Person(id="f", first="x"))
        assert 6 == count(adapter, Person)

    def test_a_group_collides_as_a_whole(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", first="Ada", last="L"), Person(id="b", first="Ada", last="M"))
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Person).commit([put(Person(id="c", first="Ada", last="L"))])
        assert ("unique", {"first", "last"}) == (caught.value.rule, set(caught.value.fields))

    def test_values_are_told_apart_byte_by_byte(self, adapter: Adapter) -> None:
        emails = ["a@x", "A@x", "a@x ", "\u00e9@x", "e\u0301@x"]
        save(adapter, *(Person(id=str(n), email=one) for n, one in enumerate(emails)))
        assert len(emails) == count(adapter, Person)

    def test_a_value_is_free_once_its_record_is_gone_or_changed(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="a@x"), Person(id="b", email="b@x"))
        people = collection(adapter, Person)
        people.commit([Delete("a")])
        people.commit([change(Person, "b", email=None)])
        save(adapter, Person(id="c", email="a@x"), Person(id="d", email="b@x"))
        assert 3 == count(adapter, Person)

    def test_a_record_may_be_written_again_with_its_own_value(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="a@x"), Person(id="a", email="a@x", age=3))
        assert row(Person(id="a", email="a@x", age=3)) == values_of(adapter, Person, "a")

    def test_a_value_may_move_within_one_commit(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="a@x"))
        collection(adapter, Person).commit([Delete("a"), put(Person(id="b", email="a@x"))])
        assert {"b"} == set(everything_in(adapter, Person))


class TestReferences:
    """A reference that is not null names a record that is there."""

    def test_a_reference_to_no_record_is_refused(self, adapter: Adapter) -> None:
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Site).commit([put(Site(id="s", area_id="none"))])
        assert ("reference", ("area_id",)) == (caught.value.rule, tuple(caught.value.fields))
        assert ("sites", "s") == (caught.value.entity, caught.value.key)
        assert 0 == count(adapter, Site)

    def test_a_change_to_no_record_is_refused(self, adapter: Adapter) -> None:
        save(adapter, Area(id="a"), Site(id="s", area_id="a"))
        with pytest.raises(ConstraintError):
            collection(adapter, Site).commit([change(Site, "s", area_id="none")])
        assert row(Site(id="s", area_id="a")) == values_of(adapter, Site, "s")

    def test_null_and_missing_refer_to_nothing(self, adapter: Adapter) -> None:
        save(adapter, Desk(id="d", room_id=None))
        collection(adapter, Desk).commit([Put("e", {"id": "e"})])
        assert 2 == count(adapter, Desk)

    def test_a_record_may_refer_to_itself(self, adapter: Adapter) -> None:
        save(adapter, Area(id="a", parent_id="a"))
        collection(adapter, Area).commit([Delete("a")])
        assert 0 == count(adapter, Area)

    def test_records_of_one_commit_may_refer_to_each_other(self, adapter: Adapter) -> None:
        collection(adapter, Area).commit([put(Area(id="a")), put(Area(id="b", parent_id="a"))])
        assert 2 == count(adapter, Area)


class TestChecks:
    """Ranges, patterns and lengths are rules of the entity, wherever it is kept."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [("age", -1), ("age", 151), ("email", "no at sign"), ("email", "@" * 61)],
    )
    def test_a_broken_rule_is_refused(self, adapter: Adapter, field: str, value: Any) -> None:
        values = {**row(Person(id="p")), field: value}
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Person).commit([Put("p", values)])
        assert ("check", (field,)) == (caught.value.rule, tuple(caught.value.fields))
        assert 0 == count(adapter, Person)

    def test_the_ends_of_a_range_are_inside(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", age=0), Person(id="b", age=150, email="@" * 60))
        assert 2 == count(adapter, Person)

    @pytest.mark.parametrize(("field", "value"), UNSTORABLE)
    def test_what_no_backend_can_hold_is_refused_whole(
        self, adapter: Adapter, field: str, value: Any
    ) -> None:
        tested = collection(adapter, Everything)
        with pytest.raises(FluxstoreError) as caught:
            tested.commit([Put("a", {"id": "a"}), Put("b", {"id": "b", field: value})])
        assert not re.search(r"[\x00-\x1f\ud800-\udfff]", str(caught.value))
        assert 0 == count(adapter, Everything)

    def test_errors_say_which_backend(self, adapter: Adapter) -> None:
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Site).commit([put(Site(id="s", area_id="none"))])
        assert "tested" == caught.value.backend


class TestDeletes:
    """What refers to a deleted record goes, stays without, or keeps it."""

    def test_a_cascade_goes_down_all_levels(self, adapter: Adapter) -> None:
        self._building(adapter)
        collection(adapter, Area).commit([Delete("top")])
        assert {"other"} == set(everything_in(adapter, Area))
        assert {"s3"} == set(everything_in(adapter, Site))
        assert {"r3"} == set(everything_in(adapter, Room))
        assert {("r3", "p")} == set(everything_in(adapter, Place))
        assert {"p"} == set(everything_in(adapter, Person))

    def test_set_null_keeps_the_record_at_the_end_of_a_cascade(self, adapter: Adapter) -> None:
        self._building(adapter)
        collection(adapter, Area).commit([Delete("top")])
        assert row(Desk(id="d1")) == values_of(adapter, Desk, "d1")
        assert row(Desk(id="d3", room_id="r3")) == values_of(adapter, Desk, "d3")

    def test_restrict_refuses_the_delete_whole(self, adapter: Adapter) -> None:
        save(adapter, Desk(id="d"), Desk(id="e"), Lock(id="l", desk_id="d"))
        with pytest.raises(ConstraintError) as caught:
            collection(adapter, Desk).commit([Delete("e"), Delete("d")])
        assert "reference" == caught.value.rule
        assert ("desks", "d") == (caught.value.entity, caught.value.key)
        assert {"d", "e"} == set(everything_in(adapter, Desk))
        collection(adapter, Lock).commit([Delete("l")])
        collection(adapter, Desk).commit([Delete("d")])

    def test_references_of_a_kind_to_itself_cascade(self, adapter: Adapter) -> None:
        save(adapter, Area(id="a"), Area(id="b", parent_id="a"), Area(id="c", parent_id="b"))
        collection(adapter, Area).commit([change(Area, "a", parent_id="c")])
        collection(adapter, Area).commit([Delete("b")])
        assert 0 == count(adapter, Area)

    def test_references_of_a_kind_to_itself_become_null(self, adapter: Adapter) -> None:
        save(adapter, Person(id="boss"), Person(id="a", boss_id="boss", first="A"))
        collection(adapter, Person).commit([Delete("boss")])
        assert row(Person(id="a", first="A")) == values_of(adapter, Person, "a")

    def test_a_parts_of_a_composite_key_cascades(self, adapter: Adapter) -> None:
        self._building(adapter)
        collection(adapter, Person).commit([Delete("p")])
        assert 0 == count(adapter, Place)
        assert 3 == count(adapter, Room)

    @staticmethod
    def _building(adapter: Adapter) -> None:
        save(
            adapter,
            Area(id="top"), Area(id="below", parent_id="top"), Area(id="other"),
            Site(id="s1", area_id="top"), Site(id="s2", area_id="below"),
            Site(id="s3", area_id="other"),
            Room(id="r1", site_id="s1"), Room(id="r2", site_id="s2"), Room(id="r3", site_id="s3"),
            Desk(id="d1", room_id="r1"), Desk(id="d3", room_id="r3"),
            Person(id="p"),
            Place(room_id="r2", person_id="p"), Place(room_id="r3", person_id="p"),
        )  # fmt: skip


class TestOnlyOurErrors:
    """Nothing but a ``FluxstoreError`` leaves an adapter."""

    def test_a_closed_adapter_refuses(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        adapter.close()
        with pytest.raises(FluxstoreError):
            albums.read(["a"])
        with pytest.raises(FluxstoreError):
            albums.commit([put(Album(id="a"))])

    def test_a_query_of_an_unknown_field_is_refused(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        for query in (
            Query(filters=(Filter("none", Operator.EQ, "x"),)),
            Query(order=(Order("none"),)),
            Query(order=(Order('name"; DROP TABLE albums; --'),)),
        ):
            with pytest.raises((EntityError, UsageError)):
                albums.find(query)
