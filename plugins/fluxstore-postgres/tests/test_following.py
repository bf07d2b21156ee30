"""What another backend's ledger brings: judged at the end, fenced by epoch, batches by COPY."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from fluxstore.adapter import Batch, Control, Touch, Use
from fluxstore.entity import entity_of
from fluxstore.errors import ConstraintError, LeaseError, StalePhaseError
from fluxstore.records import Intent, Put, Record, Version, Versioned
from fluxstore.testing.entities import Album, Person, Track

pytestmark = pytest.mark.postgres
ALBUMS, PEOPLE, TRACKS = entity_of(Album), entity_of(Person), entity_of(Track)
FOLLOWER = Control(5, "follower", "dual_write", "m1")
NEWER = Control(6, "follower", "dual_write", "m1")


def album(key: str, **values: Any) -> Record:
    return Record(key, {"id": key, "name": "", **values})


def person(key: str, email: str) -> Record:
    return Record(key, {"id": key, "email": email})


def brought(record: Record, seq: int = 2, *op_ids: str) -> Versioned:
    return Versioned(record.key, Version(5, seq), record, op_ids)


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    made = open_adapter(postgres_dsn, use=Use.TARGET)
    made.prepare([ALBUMS, TRACKS, PEOPLE])
    made.ledger.set_control("*", None, FOLLOWER)
    return made


def test_two_records_swap_their_unique_values_in_one_call(adapter: Any) -> None:
    people = adapter.collection(PEOPLE)
    apart = [brought(person("one", "1@x")), brought(person("other", "2@x"))]
    assert [True, True] == people.apply_if_newer(apart, epoch=5)
    swapped = [brought(person("one", "2@x"), 3), brought(person("other", "1@x"), 3)]
    assert [True, True] == people.apply_if_newer(swapped, epoch=5)

    found = people.read(["one", "other"])
    assert {"one": "2@x", "other": "1@x"} == {k: r.values["email"] for k, r in found.items()}


def test_a_record_that_goes_makes_room_for_one_that_comes(adapter: Any) -> None:
    people = adapter.collection(PEOPLE)
    people.apply_if_newer([brought(person("one", "1@x"))], epoch=5)
    gone = Versioned("one", Version(5, 3, deleted=True), None)

    assert [True, True] == people.apply_if_newer([brought(person("heir", "1@x")), gone], epoch=5)


def test_a_rule_in_the_way_is_named_and_nothing_is_applied(adapter: Any) -> None:
    adapter.complete([ALBUMS, TRACKS])
    track = Record("t", {"id": "t", "album_id": "none", "name": ""})
    with pytest.raises(ConstraintError) as raised:
        adapter.collection(TRACKS).apply_if_newer(
            [
                brought(track),
            ],
            epoch=5,
        )

    assert ("reference", ("album_id",)) == (raised.value.rule, raised.value.fields)
    assert {} == adapter.ledger.versions("tracks", ["t"])


def test_rules_are_judged_at_the_end_of_the_transaction(adapter: Any) -> None:
    adapter.complete([ALBUMS, TRACKS])
    track = Record("t", {"id": "t", "album_id": "a", "name": ""})
    with adapter.transaction():
        adapter.collection(TRACKS).apply_if_newer([brought(track)], epoch=5)
        adapter.collection(ALBUMS).apply_if_newer([brought(album("a"))], epoch=5)

    orphan = Record("u", {"id": "u", "album_id": "none", "name": ""})
    with pytest.raises(ConstraintError) as raised, adapter.transaction():
        adapter.collection(TRACKS).apply_if_newer([brought(orphan)], epoch=5)
    assert ("reference", ("album_id",)) == (raised.value.rule, raised.value.fields)


def test_a_delete_waits_for_what_refers_to_the_record_and_never_cascades(
    adapter: Any, open_adapter: Any, postgres_dsn: str
) -> None:
    albums, tracks = adapter.collection(ALBUMS), adapter.collection(TRACKS)
    albums.apply_if_newer([brought(album("a"))], epoch=5)
    track = Record("t", {"id": "t", "album_id": "a", "name": ""})
    tracks.apply_if_newer([brought(track)], epoch=5)
    open_adapter(postgres_dsn, use=Use.TARGET).complete([ALBUMS, TRACKS])
    gone = Versioned("a", Version(5, 3, deleted=True), None)
    with pytest.raises(ConstraintError) as raised:
        albums.apply_if_newer([gone], epoch=5)

    assert ("reference", "a") == (raised.value.rule, raised.value.key)
    assert {"t"} == set(tracks.read(["t"]))
    with adapter.transaction():
        tracks.apply_if_newer([Versioned("t", Version(5, 3, deleted=True), None)], epoch=5)
        albums.apply_if_newer([gone], epoch=5)
    assert {} == dict(albums.read(["a"]))


def test_a_live_batch_deletes_nothing_that_others_refer_to(adapter: Any) -> None:
    adapter.collection(ALBUMS).merge(Batch([album("a"), album("b")], epoch=5))
    track = Record("t", {"id": "t", "album_id": "a", "name": ""})
    adapter.collection(TRACKS).merge(Batch([track], epoch=5))
    adapter.complete([ALBUMS, TRACKS])
    merged = adapter.collection(ALBUMS).merge(Batch([], deletes=["a", "b", "none"], epoch=5))

    assert (1, ["a"]) == (merged.deleted, [one.problem.key for one in merged.refused])
    assert {"t"} == set(adapter.collection(TRACKS).read(["t"]))


def test_records_that_refer_to_each_other_go_together(adapter: Any) -> None:
    adapter.complete([PEOPLE])
    people = adapter.collection(PEOPLE)
    boss, worker = person("boss", "1@x"), person("worker", "2@x")
    worker = Record("worker", {**worker.values, "boss_id": "boss"})
    people.apply_if_newer([brought(boss), brought(worker)], epoch=5)
    gone = [Versioned(key, Version(5, 3, deleted=True), None) for key in ("boss", "worker")]

    assert [True, True] == people.apply_if_newer(gone, epoch=5)


def test_without_its_foreign_key_a_child_may_come_before_its_parent(adapter: Any) -> None:
    track = Record("t", {"id": "t", "album_id": "a", "name": ""})
    assert [True] == adapter.collection(TRACKS).apply_if_newer([brought(track)], epoch=5)
    other = Record("u", {"id": "u", "album_id": "a", "name": ""})
    assert 1 == adapter.collection(TRACKS).merge(Batch([other], epoch=5)).written
    adapter.collection(ALBUMS).apply_if_newer([brought(album("a"))], epoch=5)

    adapter.complete([ALBUMS, TRACKS])


def test_one_key_twice_in_a_call_ends_as_the_newest(adapter: Any) -> None:
    albums = adapter.collection(ALBUMS)
    changes = [brought(album("a", name=f"{seq}"), seq) for seq in (3, 2, 4)]

    assert [True, False, True] == albums.apply_if_newer(changes, epoch=5)
    assert "4" == albums.read(["a"])["a"].values["name"]


def test_a_leg_of_another_epoch_is_refused_and_so_is_one_without_control(
    adapter: Any, sql: Any
) -> None:
    albums = adapter.collection(ALBUMS)
    adapter.ledger.set_control("*", FOLLOWER, NEWER)
    with pytest.raises(StalePhaseError, match="albums is follower since epoch 6"):
        albums.apply_if_newer([brought(album("a"))], epoch=5)
    adapter.ledger.set_control("*", NEWER, None)
    with pytest.raises(StalePhaseError, match="without control"):
        albums.apply_if_newer([brought(album("a"))], epoch=5)

    assert (0,) == sql.execute("SELECT count(*) FROM albums").fetchone()


def test_two_that_bring_one_key_leave_the_newer(adapter: Any) -> None:
    albums = adapter.collection(ALBUMS)

    def bring(worker: int) -> None:
        for seq in range(2 + worker, 42, 2):
            albums.apply_if_newer([brought(album("a", name=f"{seq}"), seq)], epoch=5)

    workers = [threading.Thread(target=bring, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert "41" == albums.read(["a"])["a"].values["name"]
    assert {"a": Version(5, 41)} == adapter.ledger.versions("albums", ["a"])


def test_operations_are_known_here_also_of_what_is_not_newer(adapter: Any) -> None:
    albums = adapter.collection(ALBUMS)
    albums.apply_if_newer([brought(album("a"), 3, "op-2")], epoch=5)
    albums.apply_if_newer([brought(album("a"), 2, "op-1")], epoch=5)

    assert {"op-1", "op-2"} == set(adapter.ledger.operations("albums", ["a", "b"])["a"])


def test_a_live_batch_of_a_new_table_goes_by_copy_with_its_epoch(
    adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    albums = adapter.collection(ALBUMS)
    gone = Versioned("gone", Version(5, 2, deleted=True), None)
    albums.apply_if_newer([gone], epoch=5)
    merged = albums.merge(Batch([album("gone"), album("a"), album("b")], epoch=5))

    assert (2, 1) == (merged.written, merged.unchanged)
    assert {"a", "b"} == {row[0] for row in sql.execute("SELECT id FROM albums")}
    assert {} == adapter.ledger.versions("albums", ["a", "b"])


def test_legs_wait_for_a_batch_and_a_batch_for_legs(adapter: Any, sql: Any) -> None:
    albums = adapter.collection(ALBUMS)
    name = "SELECT pg_advisory_xact_lock_shared(hashtextextended('fluxstore control albums', 1))"
    sql.execute("BEGIN")
    sql.execute(name)
    merger = threading.Thread(target=lambda: albums.merge(Batch([album("a")], epoch=5)))
    merger.start()
    with psycopg.connect(sql.info.dsn, autocommit=True) as watcher:
        waiting = "SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not (found := watcher.execute(waiting).fetchall()):
            assert merger.is_alive()
    assert [("ExclusiveLock",)] == found
    sql.execute("COMMIT")
    merger.join(20)

    assert {"a"} == set(albums.read(["a"]))


@pytest.mark.parametrize("role", ["authority", "sealed", "archived"])
def test_an_offline_copy_into_what_is_no_follower_is_refused(adapter: Any, role: Any) -> None:
    adapter.ledger.set_control("*", FOLLOWER, Control(6, role, "dual_write", "m1"))

    with pytest.raises(StalePhaseError):
        adapter.collection(ALBUMS).merge(Batch([album("a")]))
    with pytest.raises(StalePhaseError):
        adapter.collection(ALBUMS).merge(Batch([]))


def test_the_last_place_waits_for_writes_that_have_one(
    adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    authority = Control(6, "authority", "dual_write", "m1")
    assert adapter.ledger.set_control("*", FOLLOWER, authority)
    adapter.collection(ALBUMS).commit([Put("a", {"id": "a", "name": ""}, Intent.CREATE)])
    with sql.transaction():
        sql.execute("UPDATE albums SET name = 'on its way'")
        with pytest.raises(LeaseError):
            adapter.ledger.last_touch("albums")

    place = adapter.ledger.last_touch("albums")
    assert [Touch("a", place)] == adapter.ledger.touched("albums", 0, 10)
