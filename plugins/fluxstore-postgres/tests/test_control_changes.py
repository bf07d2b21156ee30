"""Control is changed under the fence: tried, let go, tried again; whoever holds it is named."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import psycopg
import pytest

from fluxstore.adapter import Control
from fluxstore.entity import entity_of
from fluxstore.errors import LeaseError
from fluxstore.records import Delete, Intent, Put, Version
from fluxstore.testing.entities import Album, Track

pytestmark = pytest.mark.postgres
ALBUMS, TRACKS = entity_of(Album), entity_of(Track)
DUAL = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "dual_write", "m1")


def album(key: str, intent: Intent = Intent.REPLACE, **values: Any) -> Put:
    return Put(key, {"id": key, "name": "", **values}, intent)


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    made = open_adapter(postgres_dsn)
    made.collection(ALBUMS).commit([album("a")])
    made.database.make([TRACKS], whole=True)
    return made


@pytest.fixture
def writer(postgres_dsn: str) -> Any:
    """Another program that has a transaction open for longer than it should."""
    with psycopg.connect(postgres_dsn, application_name="nightly report") as connection:
        yield connection


def test_a_transaction_that_does_not_end_is_named_and_nothing_has_changed(
    adapter: Any, writer: Any
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    writer.execute("UPDATE albums SET name = 'under way'")
    with pytest.raises(LeaseError) as raised:
        adapter.ledger.set_control("*", DUAL, SEALED, patience_seconds=0.3)

    pid = writer.info.backend_pid
    assert f"process {pid} (nightly report) since 20" in raised.value.holder
    assert raised.value.holder in str(raised.value)
    assert {"*": DUAL} == adapter.ledger.controls()


def test_a_writer_of_ours_is_named_as_the_process_that_it_is(
    adapter: Any, open_adapter: Any, postgres_dsn: str
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    other = open_adapter(postgres_dsn)
    with other.transaction():
        other.collection(ALBUMS).commit([album("b")])
        with pytest.raises(LeaseError) as raised:
            adapter.ledger.set_control("*", DUAL, SEALED, patience_seconds=0.3)

    assert f"(fluxstore of pid {os.getpid()} on " in raised.value.holder


def test_the_first_control_names_who_writes_to_a_table_that_needs_triggers(
    adapter: Any, writer: Any
) -> None:
    writer.execute("UPDATE albums SET name = 'under way'")
    with pytest.raises(LeaseError, match="nightly report"):
        adapter.ledger.set_control("*", None, DUAL, patience_seconds=0.3)
    writer.commit()

    assert {} == adapter.ledger.controls()
    assert adapter.ledger.set_control("*", None, DUAL)


def test_writers_get_through_while_a_change_waits(
    adapter: Any, writer: Any, postgres_dsn: str, sql: Any
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    writer.execute("UPDATE albums SET name = 'under way'")
    ended: list[str] = []

    def change() -> None:
        try:
            adapter.ledger.set_control("*", DUAL, SEALED, patience_seconds=2)
        except LeaseError:
            ended.append("given up")

    changer = threading.Thread(target=change)
    changer.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    deadline = time.monotonic() + 20
    while sql.execute(waiting).fetchone() == (0,):
        assert time.monotonic() < deadline
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SET lock_timeout = '1s'")
        other.execute("INSERT INTO albums (id, name) VALUES ('b', '')")
    assert ended == []
    changer.join(20)

    assert ["given up"] == ended


def test_a_change_of_one_entity_waits_for_no_writer_of_another(adapter: Any, writer: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    writer.execute("UPDATE albums SET name = 'under way'")

    assert adapter.ledger.set_control("tracks", None, SEALED, patience_seconds=0.3)


def test_a_purge_forgets_what_the_record_governs_and_nothing_else(adapter: Any) -> None:
    ledger = adapter.ledger
    ledger.set_control("*", None, DUAL)
    ledger.set_control("tracks", None, DUAL)
    adapter.collection(ALBUMS).commit([album("b"), Delete("a")])
    track = Put("t", {"id": "t", "album_id": "b", "name": ""}, Intent.CREATE)
    adapter.collection(TRACKS).commit([track])
    done = Control(2, "authority", "off", "m1")
    assert ledger.set_control("*", DUAL, done, purge=True)

    assert {} == ledger.versions("albums", ["a", "b"])
    assert [] == list(ledger.marks("albums", 9))
    assert {"t": Version(1, 1)} == ledger.versions("tracks", ["t"])
    assert 1 == ledger.backlog("tracks").marks


def test_a_removed_record_that_was_not_there_makes_no_ledger(adapter: Any, sql: Any) -> None:
    assert adapter.ledger.set_control("*", None, None)
    assert not adapter.ledger.set_control("*", DUAL, None)

    assert (None,) == sql.execute("SELECT to_regnamespace('fluxstore')").fetchone()


def test_an_error_of_another_side_while_a_lease_is_held_stays_what_it_is(adapter: Any) -> None:
    with pytest.raises(FileNotFoundError), adapter.ledger.lease("migration"):
        raise FileNotFoundError("records.json")


def test_the_backlog_is_as_old_as_its_oldest_mark(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    adapter.collection(ALBUMS).commit([album("a"), album("b")])
    sql.execute("UPDATE fluxstore.outbox SET at = at - interval '1 hour' WHERE key = 'a'")
    adapter.collection(ALBUMS).commit([album("a")])
    backlog = adapter.ledger.backlog("albums")

    assert 2 == backlog.marks
    assert 3600 <= backlog.seconds < 3700
    assert ["b", "a"] == [mark.key for mark in adapter.ledger.marks("albums", 9)]


@pytest.mark.parametrize("op_id", [None, "op-1"])
@pytest.mark.parametrize("intent", list(Intent))
def test_a_commit_returns_the_version_that_it_was_given(
    adapter: Any, intent: Intent, op_id: str | None
) -> None:
    adapter.ledger.set_control("*", None, Control(7, "authority", "dual_write", "m1"))
    key, version = ("new", Version(7, 1)) if intent is Intent.CREATE else ("a", Version(7, 2))
    records = adapter.collection(ALBUMS).commit([album(key, intent)], op_id=op_id)

    assert version == records[key].version
    assert {key: version} == adapter.ledger.versions("albums", [key])


def test_versions_of_racing_commits_are_each_its_own(adapter: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    albums, given = adapter.collection(ALBUMS), []

    def write(worker: int) -> None:
        for number in range(20):
            records = albums.commit([album("a", name=f"{worker}-{number}")])
            given.append((records["a"].version.seq, records["a"].values["name"]))

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert list(range(2, 82)) == sorted(seq for seq, _ in given)
    (last,) = (name for seq, name in given if seq == 81)
    assert last == albums.read(["a"])["a"].values["name"]


def test_a_governed_transaction_holds_control_still(adapter: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    with adapter.transaction([ALBUMS, TRACKS]):
        failed = []

        def change() -> None:
            with pytest.raises(LeaseError, match="process"):
                adapter.ledger.set_control("*", DUAL, SEALED, patience_seconds=0.2)
            failed.append(True)

        changer = threading.Thread(target=change)
        changer.start()
        changer.join(20)
        adapter.collection(ALBUMS).commit([album("b")])

    assert [True] == failed
    assert {"*": DUAL} == adapter.ledger.controls()
