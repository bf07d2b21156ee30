"""SQLite as an end of a live migration: rules judged at the end, batches, control under writers."""

from __future__ import annotations

import attrs
import pytest
from ruled import DUAL, FOLLOWER, govern

from fluxstore.adapter import Batch, Control, Cursor
from fluxstore.entity import Entities, entity_of
from fluxstore.errors import ConstraintError, LeaseError, SealedError, StalePhaseError
from fluxstore.query import Query
from fluxstore.records import Delete, Version, Versioned
from fluxstore.testing.conformance.support import (
    collection,
    everything_in,
    keys,
    put,
    record,
    save,
)
from fluxstore.testing.entities import Album, Area, Person, Track


def newer(instance, seq=2, *op_ids):
    made = attrs.evolve(record(instance), version=Version(1, seq))
    return Versioned(made.key, made.version, made, op_ids)


def gone(key, seq=2):
    return Versioned(key, Version(1, seq, deleted=True), None)


def apply(adapter, cls, *changes):
    return list(collection(adapter, cls).apply_if_newer(changes, epoch=1))


def emails(adapter):
    return {key: one.values["email"] for key, one in everything_in(adapter, Person).items()}


@pytest.fixture
def follower(file):
    adapter = file.open()
    save(adapter, Person(id="p", email="p@x"), Person(id="q", email="q@x"))
    save(adapter, Area(id="a"), Area(id="b", parent_id="a"), Area(id="c", parent_id="b"))
    govern(adapter, FOLLOWER)
    return adapter


# rules are judged at the end


def test_two_records_swap_a_unique_value_in_one_call(follower):
    applied = apply(
        follower, Person, newer(Person(id="p", email="q@x")), newer(Person(id="q", email="p@x"))
    )

    assert [True, True] == applied
    assert {"p": "q@x", "q": "p@x"} == emails(follower)


def test_two_records_swap_a_unique_value_in_two_calls_of_a_transaction(follower):
    with follower.transaction():
        apply(follower, Person, newer(Person(id="p", email="q@x")))
        apply(follower, Person, newer(Person(id="q", email="p@x")))

    assert {"p": "q@x", "q": "p@x"} == emails(follower)


def test_a_value_goes_from_a_deleted_record_to_a_new_one_whatever_comes_first(follower):
    assert [True, True] == apply(follower, Person, newer(Person(id="n", email="p@x")), gone("p"))
    with follower.transaction():
        apply(follower, Person, newer(Person(id="m", email="q@x")))
        apply(follower, Person, gone("q"))

    assert {"n": "p@x", "m": "q@x"} == emails(follower)


def test_what_another_record_keeps_is_refused_at_the_end_and_nothing_is_applied(follower):
    def work():
        with follower.transaction():
            apply(follower, Person, newer(Person(id="n", email="n@x")))
            assert [True] == apply(follower, Person, newer(Person(id="p", email="q@x")))

    with pytest.raises(ConstraintError, match="record q has them") as caught:
        work()
    assert ("unique", ("email",), "p") == (
        caught.value.rule,
        caught.value.fields,
        caught.value.key,
    )
    assert {"p": "p@x", "q": "q@x"} == emails(follower)
    assert {} == follower.ledger.versions("people", ["p", "n"])


def test_an_undone_part_of_a_transaction_is_not_judged(follower):
    def part():
        with follower.transaction():
            apply(follower, Person, newer(Person(id="q", email="p@x")))
            apply(follower, Area, gone("a"))
            raise ZeroDivisionError

    with follower.transaction():
        apply(follower, Person, newer(Person(id="n", email="n@x")))
        with pytest.raises(ZeroDivisionError):
            part()

    assert {"p": "p@x", "q": "q@x", "n": "n@x"} == emails(follower)
    assert {"a", "b", "c"} == set(everything_in(follower, Area))


def test_a_child_comes_before_its_parent_in_one_transaction(follower):
    with follower.transaction():
        apply(follower, Track, newer(Track(id="t", album_id="n")))
        apply(follower, Album, newer(Album(id="n")))

    with pytest.raises(ConstraintError) as caught:
        apply(follower, Track, newer(Track(id="u", album_id="none")))
    assert ("reference", ("album_id",), "u") == (
        caught.value.rule,
        caught.value.fields,
        caught.value.key,
    )
    assert ["t"] == keys(follower, Track, Query())


def test_nothing_cascades(follower):
    with pytest.raises(ConstraintError, match="record b of areas refers to it") as caught:
        apply(follower, Area, gone("a"))

    assert "reference" == caught.value.rule
    assert {"a", "b", "c"} == set(everything_in(follower, Area))
    assert {} == follower.ledger.versions("areas", ["a"])


@pytest.mark.parametrize("order", ["abc", "cba", "bac"])
def test_what_is_deleted_together_may_come_in_any_order(follower, order):
    assert [True] * 3 == apply(follower, Area, *map(gone, order))

    assert {} == everything_in(follower, Area)


def test_records_that_refer_to_each_other_are_deleted_together(follower):
    govern(follower, None)
    save(follower, Area(id="a", parent_id="c"))
    govern(follower, FOLLOWER)
    with follower.transaction():
        for key in "abc":
            apply(follower, Area, gone(key))

    assert {} == everything_in(follower, Area)


def test_a_child_that_moves_frees_its_parent(follower):
    with follower.transaction():
        apply(follower, Area, gone("a"))
        apply(follower, Area, newer(Area(id="b", parent_id=None)))

    assert {"b", "c"} == set(everything_in(follower, Area))


def test_a_record_that_is_deleted_and_written_again_in_one_transaction_is_there(follower):
    with follower.transaction():
        apply(follower, Area, gone("a", 2))
        apply(follower, Area, newer(Area(id="a"), 3))

    assert {"a", "b", "c"} == set(everything_in(follower, Area))


def test_other_programs_triggers_stay_out_of_what_is_applied(follower, file):
    apply(follower, Person, newer(Person(id="p", email="z@x"), 5))

    assert {"p": Version(1, 5)} == follower.ledger.versions("people", ["p", "q"])
    assert [] == list(follower.ledger.marks("people", 9))
    assert [(0,)] == file.run("SELECT count(*) FROM _fluxstore_own")


def test_without_control_an_epoch_is_refused(file):
    adapter = file.open()
    save(adapter, Album(id="a"))

    with pytest.raises(StalePhaseError, match="without control"):
        apply(adapter, Album, newer(Album(id="a")))


# live batches


def test_a_live_batch_leaves_alone_what_has_a_version_here(follower):
    apply(follower, Album, newer(Album(id="a", name="newer")), gone("b"))
    cursor = Cursor("m1", "albums", "3", "f")
    batch = [record(Album(id=key, name="old")) for key in "abc"]
    merged = collection(follower, Album).merge(Batch(batch, ["b"], cursor, epoch=1))

    assert (1, 2, 0) == (merged.written, merged.unchanged, merged.deleted)
    assert {"a": "newer", "c": "old"} == {
        key: one.values["name"] for key, one in everything_in(follower, Album).items()
    }
    assert cursor == follower.ledger.cursor("m1", "albums")
    assert {} == follower.ledger.versions("albums", ["c"])


@pytest.mark.parametrize(
    "control", [None, DUAL, attrs.evolve(FOLLOWER, epoch=2), attrs.evolve(DUAL, role="sealed")]
)
def test_a_live_batch_of_another_epoch_has_no_effect(file, control):
    adapter = file.open()
    save(adapter, Album(id="a"))
    if control is not None:
        govern(adapter, control)

    batch = Batch([record(Album(id="b"))], cursor=Cursor("m1", "albums", "1", "f"), epoch=1)
    with pytest.raises(StalePhaseError):
        collection(adapter, Album).merge(batch)
    assert ["a"] == keys(adapter, Album, Query())
    assert None is adapter.ledger.cursor("m1", "albums")


def test_an_offline_batch_is_refused_while_a_migration_is_under_way(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    batch = Batch([record(Album(id="b"))])
    govern(adapter, Control(1, "authority", "off", ""))
    assert 1 == collection(adapter, Album).merge(batch).written

    govern(adapter, DUAL)
    with pytest.raises(StalePhaseError, match="authority since epoch 1"):
        collection(adapter, Album).merge(batch)


# governed reads and transactions


@pytest.mark.parametrize(
    ("role", "error"),
    [
        ("authority", None),
        ("sealed", None),
        ("committing", SealedError),
        ("follower", StalePhaseError),
        ("archived", StalePhaseError),
    ],
)
def test_a_governed_read_asks_control_and_the_others_do_not(file, role, error):
    adapter = file.open()
    save(adapter, Album(id="a"))
    govern(adapter, Control(1, role, "live", "m1"))
    albums = collection(adapter, Album)
    reads = {
        "one": lambda of: of.read(["a"]),
        "none": lambda of: of.read(["none"]),
        "several": lambda of: of.read(["a", "b"]),
        "no keys": lambda of: of.read([]),
        "no key": lambda of: of.read(["a\0"]),
        "find": lambda of: of.find(Query()),
        "count": lambda of: of.count(Query()),
    }
    for read in reads.values():
        if error is None:
            assert read(albums) == read(albums.governed)
        else:
            with pytest.raises(error):
                read(albums.governed)
            read(albums)


def test_a_governed_read_of_a_table_that_is_not_there_is_refused_too(file):
    adapter = file.open()
    govern(adapter, FOLLOWER)

    with pytest.raises(StalePhaseError):
        collection(adapter, Album).governed.read(["a"])


def test_a_governed_read_brings_version_and_residue(file):
    file.run("CREATE TABLE albums (id TEXT NOT NULL PRIMARY KEY, name TEXT, released, price)")
    adapter = file.open(Entities([entity_of(Album)]))
    govern(adapter, DUAL)
    albums = collection(adapter, Album)
    residue = attrs.evolve(record(Album(id="a")).residue, extras={"note": 1})
    made = albums.commit([put(Album(id="a"), residue=residue)])

    assert made == albums.governed.read(["a"]) == albums.read(["a"])
    assert (Version(1, 1), residue) == (made["a"].version, made["a"].residue)


def test_a_transaction_keeps_control_as_it_was_when_it_was_entered(file):
    adapter, other = file.open(), file.open()
    save(adapter, Album(id="a"))
    govern(adapter, DUAL)
    with adapter.transaction([entity_of(Album)]):
        with pytest.raises(LeaseError):
            other.ledger.set_control(
                "*", DUAL, attrs.evolve(DUAL, epoch=2, role="sealed"), patience_seconds=0.3
            )
        save(adapter, Album(id="a", name="inside"))
    assert {"a"} == set(everything_in(adapter, Album))

    govern(adapter, attrs.evolve(DUAL, epoch=2, role="sealed"))
    with pytest.raises(SealedError), adapter.transaction([entity_of(Album)]):
        pytest.fail("it was entered")
    with adapter.transaction([]):
        pass


def test_a_cascade_into_an_entity_that_is_written_elsewhere_is_refused(file):
    adapter = file.open()
    save(adapter, Album(id="a"), Track(id="t", album_id="a"))
    govern(adapter, DUAL)
    govern(adapter, FOLLOWER, "tracks")

    with pytest.raises(StalePhaseError, match="tracks"):
        collection(adapter, Album).commit([Delete("a")])
    assert {"a"} == set(everything_in(adapter, Album))
