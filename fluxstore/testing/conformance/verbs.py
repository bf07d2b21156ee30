"""The verbs: read, create, replace, change, delete, count; what they answer and refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from fluxstore.adapter import Adapter, Capability
from fluxstore.errors import (
    ConflictError,
    RecordExistsError,
    RecordNotFoundError,
    UnsupportedError,
)
from fluxstore.query import Query
from fluxstore.records import UNTOUCHED, Change, Delete, Intent, Put
from fluxstore.testing.conformance.support import (
    change,
    collection,
    count,
    everything_in,
    key_of,
    need,
    put,
    row,
    save,
    values_of,
)
from fluxstore.testing.entities import (
    Album,
    Area,
    Book,
    ByIdent,
    ByMoment,
    ByNumber,
    Counter,
    Everything,
    Person,
    Place,
    Room,
    Site,
)
from fluxstore.testing.samples import KEYS, SAMPLES


class TestVerbs:
    """One record is a batch of one; a missing key is absent."""

    def test_a_collection_knows_its_entity_and_is_the_same_each_time(
        self, adapter: Adapter
    ) -> None:
        albums = collection(adapter, Album)
        assert albums.entity.name == "albums"
        assert albums is collection(adapter, Album)
        assert albums.place()
        assert adapter.describe()

    def test_an_empty_collection_answers(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        assert {} == albums.read(["none"])
        assert 0 == albums.count(Query())
        assert () == tuple(albums.find(Query()).records)
        assert albums.size().records in (0, None)

    def test_create_returns_the_record_and_read_finds_it(self, adapter: Adapter) -> None:
        album = Album(id="a", name="Blue")
        made = collection(adapter, Album).commit([put(album, Intent.CREATE)])
        assert {"a"} == set(made)
        assert row(album) == made["a"].values
        assert row(album) == values_of(adapter, Album, "a")

    def test_a_record_that_nobody_governs_is_untouched(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a"), Album(id="a", name="again"))
        assert UNTOUCHED == collection(adapter, Album).read(["a"])["a"].version

    def test_create_refuses_a_key_that_is_there(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a", name="first"))
        with pytest.raises(RecordExistsError) as caught:
            collection(adapter, Album).commit([put(Album(id="a"), Intent.CREATE)])
        assert ("albums", "a") == (caught.value.entity, caught.value.key)
        assert row(Album(id="a", name="first")) == values_of(adapter, Album, "a")

    def test_replace_writes_the_whole_record_there_or_not(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(Album(id="a", name="first", released=datetime(2026, 1, 1, tzinfo=UTC)))])
        albums.commit([Put("a", {"id": "a", "name": "second"})])
        assert {"id": "a", "name": "second"} == values_of(adapter, Album, "a")

    def test_change_sets_the_named_fields_only(self, adapter: Adapter) -> None:
        save(adapter, Person(id="p", first="Ada", age=36))
        made = collection(adapter, Person).commit([change(Person, "p", age=37)])
        assert row(Person(id="p", first="Ada", age=37)) == made["p"].values
        assert row(Person(id="p", first="Ada", age=37)) == values_of(adapter, Person, "p")

    def test_change_of_a_missing_record_is_refused(self, adapter: Adapter) -> None:
        with pytest.raises(RecordNotFoundError) as caught:
            collection(adapter, Album).commit([change(Album, "none", name="x")])
        assert ("albums", "none") == (caught.value.entity, caught.value.key)
        assert 0 == count(adapter, Album)

    def test_delete_of_a_missing_record_is_refused(self, adapter: Adapter) -> None:
        with pytest.raises(RecordNotFoundError):
            collection(adapter, Album).commit([Delete("none")])

    def test_a_deleted_record_is_gone_and_can_be_created_again(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a"), Album(id="b"))
        assert {} == collection(adapter, Album).commit([Delete("a")])
        assert None is values_of(adapter, Album, "a")
        assert {"b"} == set(everything_in(adapter, Album))
        collection(adapter, Album).commit([put(Album(id="a", name="new"), Intent.CREATE)])
        assert row(Album(id="a", name="new")) == values_of(adapter, Album, "a")

    def test_read_takes_many_keys_and_leaves_out_the_missing(self, adapter: Adapter) -> None:
        save(adapter, *(Album(id=f"a{n}", name=str(n)) for n in range(20)))
        wanted = ["a3", "none", "a19", "a3"]
        found = collection(adapter, Album).read(wanted)
        assert {"a3", "a19"} == set(found)
        assert {"3", "19"} == {one.values["name"] for one in found.values()}
        assert {} == collection(adapter, Album).read([])

    def test_the_changes_of_a_commit_take_effect_in_order(self, adapter: Adapter) -> None:
        made = collection(adapter, Album).commit(
            [
                put(Album(id="a", name="one"), Intent.CREATE),
                change(Album, "a", name="two"),
                put(Album(id="b"), Intent.CREATE),
                Delete("b"),
                put(Album(id="c"), Intent.CREATE),
                Delete("c"),
                put(Album(id="c", name="again"), Intent.CREATE),
            ]
        )
        assert {"a": "two", "c": "again"} == {key: one.values["name"] for key, one in made.items()}
        assert {"a", "c"} == set(everything_in(adapter, Album))

    def test_no_changes_are_no_trouble(self, adapter: Adapter) -> None:
        assert {} == collection(adapter, Album).commit([])

    @pytest.mark.parametrize(
        "bad",
        [
            put(Album(id="there"), Intent.CREATE),
            Put("none", {"name": "x"}, Intent.CHANGE),
            Delete("none"),
        ],
        ids=["exists", "change-missing", "delete-missing"],
    )
    def test_a_refused_commit_changes_nothing(self, adapter: Adapter, bad: Put | Delete) -> None:
        save(adapter, Album(id="there", name="old"))
        before = everything_in(adapter, Album)
        good: list[Change] = [
            put(Album(id="new")),
            change(Album, "there", name="new"),
            Delete("there"),
            put(Album(id="there", name="other"), Intent.CREATE),
        ]
        with pytest.raises((RecordExistsError, RecordNotFoundError)):
            collection(adapter, Album).commit([*good, bad])
        assert before == everything_in(adapter, Album)

    def test_size_is_cheap_and_true(self, adapter: Adapter) -> None:
        save(adapter, *(Book(id=f"b{n}", title="x" * 100) for n in range(10)))
        size = collection(adapter, Book).size()
        assert size.records in (10, None)
        assert size.bytes >= 0

    def test_closing_twice_does_nothing(self, adapter: Adapter) -> None:
        adapter.close()
        adapter.close()


class TestKeys:
    """Keys are data: any text, number, UUID, date; one field or several."""

    def test_every_text_is_a_key_of_its_own(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(Album(id=key, name=f"of {key}"), Intent.CREATE) for key in KEYS])
        found = albums.read(KEYS)
        assert {key: f"of {key}" for key in KEYS} == {k: r.values["name"] for k, r in found.items()}
        assert set(KEYS) == set(everything_in(adapter, Album))
        for key in KEYS:
            albums.commit([Delete(key)])
        assert 0 == count(adapter, Album)

    def test_integers_are_keys(self, adapter: Adapter) -> None:
        wanted = [0, -1, 2, 10, 2**63 - 1, -(2**63)]
        save(adapter, *(ByNumber(id=key, name=str(key)) for key in wanted))
        found = collection(adapter, ByNumber).read(wanted)
        assert {key: str(key) for key in wanted} == {k: r.values["name"] for k, r in found.items()}
        listed = collection(adapter, ByNumber).find(Query()).records
        assert sorted(wanted) == [one.key for one in listed]

    def test_uuids_are_keys(self, adapter: Adapter) -> None:
        wanted = [UUID(int=0), UUID(int=2**127), UUID(int=2**128 - 1), UUID(int=10)]
        save(adapter, *(ByIdent(id=key, name=str(key)) for key in wanted))
        found = collection(adapter, ByIdent).read(wanted)
        assert {key: str(key) for key in wanted} == {k: r.values["name"] for k, r in found.items()}
        assert all(type(one.key) is UUID for one in found.values())
        listed = collection(adapter, ByIdent).find(Query()).records
        assert sorted(wanted) == [one.key for one in listed]

    def test_a_composite_key_is_a_tuple_of_typed_parts(self, adapter: Adapter) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
        made = [
            ByMoment(day=date(2026, 1, day), moment=moment, truth=truth, name=f"{day} {truth}")
            for day in (2, 1)
            for truth in (True, False)
        ]
        save(adapter, *made)
        found = collection(adapter, ByMoment).read([key_of(one) for one in made])
        assert {key_of(one): one.name for one in made} == {
            key: one.values["name"] for key, one in found.items()
        }
        listed = [one.key for one in collection(adapter, ByMoment).find(Query()).records]
        assert sorted(map(key_of, made)) == listed
        assert all(list(map(type, key)) == [date, datetime, bool] for key in listed)

    def test_the_parts_of_a_key_are_never_run_together(self, adapter: Adapter) -> None:
        save(adapter, Area(id="x"), Site(id="x", area_id="x"))
        pairs = [("a", "bc"), ("ab", "c"), ('a","b', "c"), ("a", 'b","c'), ("a|b", "c")]
        save(adapter, *(Room(id=key, site_id="x") for key in sorted({room for room, _ in pairs})))
        save(adapter, *(Person(id=key) for key in sorted({person for _, person in pairs})))
        save(adapter, *(Place(room_id=room, person_id=person) for room, person in pairs))
        assert set(pairs) == set(everything_in(adapter, Place))
        collection(adapter, Place).commit([Delete(("a", "bc"))])
        assert set(pairs[1:]) == set(collection(adapter, Place).read(pairs))


class TestExpect:
    """``expect=``: the change is made only while the record is as it was read."""

    def test_a_record_that_is_as_it_was_read_is_changed(self, adapter: Adapter) -> None:
        save(adapter, Counter(id="c", count=1, log=["a"]))
        seen = values_of(adapter, Counter, "c") or {}
        counters = collection(adapter, Counter)
        counters.commit([change(Counter, "c", count=2)], expect={"c": seen})
        assert row(Counter(id="c", count=2, log=["a"])) == values_of(adapter, Counter, "c")

    def test_a_record_that_was_changed_in_between_is_a_conflict(self, adapter: Adapter) -> None:
        save(adapter, Counter(id="c", count=1))
        counters = collection(adapter, Counter)
        seen = values_of(adapter, Counter, "c") or {}
        counters.commit([change(Counter, "c", log=["other"])])
        with pytest.raises(ConflictError) as caught:
            counters.commit([change(Counter, "c", count=2)], expect={"c": seen})
        assert ("counters", "c") == (caught.value.entity, caught.value.key)
        assert row(Counter(id="c", count=1, log=["other"])) == values_of(adapter, Counter, "c")

    def test_a_record_that_is_gone_is_a_conflict(self, adapter: Adapter) -> None:
        save(adapter, Counter(id="c"))
        counters = collection(adapter, Counter)
        seen = values_of(adapter, Counter, "c") or {}
        counters.commit([Delete("c")])
        with pytest.raises(ConflictError):
            counters.commit([put(Counter(id="c", count=5))], expect={"c": seen})
        assert None is values_of(adapter, Counter, "c")

    def test_a_delete_can_expect_too(self, adapter: Adapter) -> None:
        save(adapter, Counter(id="c", count=1))
        counters = collection(adapter, Counter)
        with pytest.raises(ConflictError):
            counters.commit([Delete("c")], expect={"c": row(Counter(id="c", count=2))})
        counters.commit([Delete("c")], expect={"c": row(Counter(id="c", count=1))})
        assert 0 == count(adapter, Counter)

    def test_one_conflict_of_many_undoes_all(self, adapter: Adapter) -> None:
        save(adapter, Counter(id="a"), Counter(id="b", count=7))
        counters = collection(adapter, Counter)
        with pytest.raises(ConflictError):
            counters.commit(
                [change(Counter, "a", count=1), change(Counter, "b", count=1)],
                expect={"a": row(Counter(id="a")), "b": row(Counter(id="b"))},
            )
        assert [0, 7] == [one.values["count"] for one in counters.read(["a", "b"]).values()]

    def test_a_missing_field_is_expected_as_its_default(self, adapter: Adapter) -> None:
        counters = collection(adapter, Counter)
        counters.commit([Put("c", {"id": "c"})])
        seen = row(Counter(id="c"))
        counters.commit([change(Counter, "c", count=1)], expect={"c": seen})
        assert {"id": "c", "count": 1} == values_of(adapter, Counter, "c")

    def test_every_kind_of_value_can_be_expected(self, adapter: Adapter) -> None:
        full = Everything(id="x", **{name: values[-1] for name, values in SAMPLES.items()})
        save(adapter, full)
        tested = collection(adapter, Everything)
        tested.commit([change(Everything, "x", text="new")], expect={"x": row(full)})
        with pytest.raises(ConflictError):
            tested.commit([change(Everything, "x", text="newer")], expect={"x": row(full)})


class TestOperations:
    """``op_id=``: the same operation again has one effect."""

    def test_a_repeated_operation_has_one_effect(self, adapter: Adapter) -> None:
        need(adapter, Capability.ATOMIC_LEDGER)
        albums = collection(adapter, Album)
        create = [put(Album(id="a", name="one"), Intent.CREATE)]
        albums.commit(create, op_id="op-1")
        albums.commit([change(Album, "a", name="two")], op_id="op-2")
        again = albums.commit(create, op_id="op-1")
        assert "two" == again["a"].values["name"]
        assert row(Album(id="a", name="two")) == values_of(adapter, Album, "a")

    def test_a_repeated_delete_finds_nothing_to_refuse(self, adapter: Adapter) -> None:
        need(adapter, Capability.ATOMIC_LEDGER)
        save(adapter, Album(id="a"))
        albums = collection(adapter, Album)
        albums.commit([Delete("a")], op_id="op-1")
        albums.commit([Delete("a")], op_id="op-1")
        save(adapter, Album(id="a", name="new"))
        assert {} == albums.commit([Delete("a")], op_id="op-1")
        assert row(Album(id="a", name="new")) == values_of(adapter, Album, "a")

    def test_a_refused_operation_did_not_happen(self, adapter: Adapter) -> None:
        need(adapter, Capability.ATOMIC_LEDGER)
        save(adapter, Album(id="a"))
        albums = collection(adapter, Album)
        with pytest.raises(RecordExistsError):
            albums.commit([put(Album(id="a"), Intent.CREATE)], op_id="op-1")
        albums.commit([Delete("a")])
        albums.commit([put(Album(id="a", name="new"), Intent.CREATE)], op_id="op-1")
        assert row(Album(id="a", name="new")) == values_of(adapter, Album, "a")

    def test_without_an_atomic_ledger_an_op_id_is_refused(self, adapter: Adapter) -> None:
        if Capability.ATOMIC_LEDGER in adapter.capabilities:
            pytest.skip("the ledger is atomic")
        with pytest.raises(UnsupportedError):
            collection(adapter, Album).commit([put(Album(id="a"))], op_id="op-1")
        assert 0 == count(adapter, Album)
