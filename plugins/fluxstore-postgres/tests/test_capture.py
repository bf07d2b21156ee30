"""Fence and capture by triggers: other clients too, and no snapshot that looks past a seal."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from fluxstore.adapter import Control
from fluxstore.entity import entity_of
from fluxstore.errors import SealedError, StalePhaseError
from fluxstore.records import Intent, Put, Version, Versioned
from fluxstore.testing.entities import Album, Place, Track

pytestmark = pytest.mark.postgres
ALBUMS, TRACKS, PLACES = entity_of(Album), entity_of(Track), entity_of(Place)
DUAL = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "dual_write", "m1")


def album(key: str, **values: Any) -> Put:
    return Put(key, {"id": key, "name": "", **values}, Intent.REPLACE)


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    made = open_adapter(postgres_dsn)
    made.collection(ALBUMS).commit([album("a"), album("b")])
    return made


def marks(adapter: Any, entity: str = "albums") -> dict[Any, Version]:
    return {mark.key: mark.version for mark in adapter.ledger.marks(entity, 100)}


def test_without_control_a_write_meets_no_trigger(adapter: Any, sql: Any) -> None:
    assert sql.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone() == (0,)


def test_what_another_client_writes_is_captured(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("INSERT INTO albums (id, name) VALUES ('c', 'x'), ('d', 'y')")
    sql.execute("UPDATE albums SET name = 'z' WHERE id IN ('a', 'c')")
    sql.execute("DELETE FROM albums WHERE id IN ('b', 'd')")

    assert marks(adapter) == {
        "a": Version(1, 2),
        "b": Version(1, 2, deleted=True),
        "c": Version(1, 2),
        "d": Version(1, 2, deleted=True),
    }
    assert adapter.ledger.versions("albums", ["b", "d"])["d"].deleted


def test_a_record_whose_key_changes_leaves_a_tombstone(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("UPDATE albums SET id = 'new' WHERE id = 'a'")

    assert marks(adapter) == {"a": Version(1, 2, deleted=True), "new": Version(1, 1)}


def test_a_composite_key_is_captured_as_the_codec_writes_it(adapter: Any, sql: Any) -> None:
    adapter.database.make([PLACES], whole=False)
    adapter.ledger.set_control("*", None, DUAL)
    key = ('r"1\\', "é\n\x7f")
    sql.execute("SET session_replication_role = replica")  # no rooms, no people
    sql.execute("INSERT INTO places (room_id, person_id) VALUES (%s, %s)", key)

    assert set(marks(adapter, "places")) == {key}


def test_other_clients_are_fenced_too(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, SEALED)

    with pytest.raises(psycopg.Error, match="albums is sealed since epoch 2"):
        sql.execute("DELETE FROM albums")
    with pytest.raises(SealedError):
        adapter.collection(ALBUMS).commit([album("a")])


def test_a_table_is_not_emptied_past_its_ledger(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)

    with pytest.raises(psycopg.Error, match="TRUNCATE"):
        sql.execute("TRUNCATE albums CASCADE")


def test_a_table_made_later_is_under_the_same_control(adapter: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    adapter.collection(TRACKS).commit(
        [Put("t", {"id": "t", "album_id": "a", "name": ""}, Intent.CREATE)]
    )

    assert set(marks(adapter, "tracks")) == {"t"}


def test_an_older_snapshot_does_not_hide_a_seal(adapter: Any, sql: Any, postgres_dsn: str) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    with psycopg.connect(postgres_dsn) as writer:
        writer.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        writer.execute("SELECT count(*) FROM albums")
        assert adapter.ledger.set_control("*", DUAL, SEALED)
        with pytest.raises(psycopg.Error):
            writer.execute("UPDATE albums SET name = 'late'")


def test_a_seal_waits_for_writers_that_are_under_way(
    adapter: Any, sql: Any, postgres_dsn: str
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sealed: list[bool] = []
    with psycopg.connect(postgres_dsn) as writer:
        writer.execute("UPDATE albums SET name = 'before the seal' WHERE id = 'a'")
        sealer = threading.Thread(
            target=lambda: sealed.append(adapter.ledger.set_control("*", DUAL, SEALED))
        )
        sealer.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        deadline = time.monotonic() + 20
        while sql.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < deadline
        assert sealed == []
        writer.commit()
    sealer.join(20)

    assert sealed == [True]
    assert marks(adapter)["a"] == Version(1, 2)


def test_an_application_needs_no_rights_on_the_ledger(
    adapter: Any, sql: Any, postgres_dsn: str, new_role: str
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    grant = SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON albums TO {}")
    sql.execute(grant.format(Identifier(new_role)))
    dsn = psycopg.conninfo.make_conninfo(postgres_dsn, user=new_role)

    with psycopg.connect(dsn, autocommit=True) as client:
        client.execute("UPDATE albums SET name = 'x' WHERE id = 'a'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("SELECT * FROM fluxstore.versions")

    assert set(marks(adapter)) == {"a"}


def test_what_another_ledger_brings_gets_its_version_and_no_mark(adapter: Any) -> None:
    follower = Control(5, "follower", "dual_write", "m1")
    adapter.ledger.set_control("*", None, follower)
    record = adapter.collection(ALBUMS).read(["a"])["a"]
    applied = adapter.collection(ALBUMS).apply_if_newer([Versioned("a", Version(5, 9), record)])

    assert list(applied) == [True]
    assert adapter.ledger.versions("albums", ["a"]) == {"a": Version(5, 9)}
    assert marks(adapter) == {}
    with pytest.raises(StalePhaseError):
        adapter.collection(ALBUMS).commit([album("a")])
