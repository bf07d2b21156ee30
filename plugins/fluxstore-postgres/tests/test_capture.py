"""Fence and capture by triggers: other clients too, and no snapshot that looks past a seal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from fluxstore.adapter import Control
from fluxstore.entity import entity_of
from fluxstore.errors import SealedError, StalePhaseError
from fluxstore.records import Intent, Put, Version, Versioned
from fluxstore.testing.entities import Album, Area, Place, Room, Site, Track

pytestmark = pytest.mark.postgres
ALBUMS, TRACKS, PLACES = entity_of(Album), entity_of(Track), entity_of(Place)
OFF = Control(1, "authority", "off", "m1")
DUAL = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "dual_write", "m1")
FOLLOWER = Control(5, "follower", "dual_write", "m1")
OLDER = [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE]
TRIGGERS = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'albums'::regclass"


def album(key: str, **values: Any) -> Put:
    return Put(key, {"id": key, "name": "", **values}, Intent.REPLACE)


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    made = open_adapter(postgres_dsn)
    made.collection(ALBUMS).commit([album("a"), album("b")])
    return made


@pytest.fixture
def triggers(sql: psycopg.Connection[Any]) -> Callable[[], set[str]]:
    """What stands on the table of albums."""
    return lambda: {row[0].removeprefix("fluxstore_") for row in sql.execute(TRIGGERS)}


def marks(adapter: Any, entity: str = "albums") -> dict[Any, Version]:
    return {mark.key: mark.version for mark in adapter.ledger.marks(entity, 100)}


def test_triggers_are_where_control_is_and_capture_while_a_phase_is_on(
    adapter: Any, triggers: Callable[[], set[str]]
) -> None:
    ledger = adapter.ledger
    assert set() == triggers()
    ledger.set_control("tracks", None, DUAL)
    assert set() == triggers()
    ledger.set_control("*", None, OFF)
    assert {"fence"} == triggers()
    ledger.set_control("*", OFF, DUAL)
    assert {"fence", "keep", "insert", "update", "delete"} == triggers()
    ledger.set_control("*", DUAL, OFF)
    assert {"fence"} == triggers()
    ledger.set_control("albums", None, DUAL)
    assert {"fence", "keep", "insert", "update", "delete"} == triggers()
    ledger.set_control("*", OFF, None)
    ledger.set_control("albums", DUAL, None)
    assert set() == triggers()


def test_what_control_did_not_change_leaves_no_trigger(
    adapter: Any, triggers: Callable[[], set[str]]
) -> None:
    assert not adapter.ledger.set_control("*", DUAL, SEALED)

    assert set() == triggers()


def test_triggers_of_a_table_that_another_program_knows_go_with_control(
    adapter: Any, open_adapter: Any, postgres_dsn: str, triggers: Callable[[], set[str]]
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    other = open_adapter(postgres_dsn, {TRACKS.name: TRACKS})
    other.ledger.set_control("*", DUAL, None)

    assert set() == triggers()


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


def test_in_phase_off_the_fence_holds_and_nothing_is_noted(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, OFF)
    sql.execute("UPDATE albums SET name = 'z'")
    sql.execute("TRUNCATE albums CASCADE")
    adapter.ledger.set_control("*", OFF, Control(2, "archived", "off", "m1"))

    assert {} == marks(adapter)
    with pytest.raises(psycopg.Error, match="albums is archived since epoch 2"):
        sql.execute("INSERT INTO albums (id, name) VALUES ('c', 'x')")


def test_an_upsert_counts_what_it_inserts_and_what_it_updates(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute(
        "INSERT INTO albums (id, name) VALUES ('a', 'x'), ('c', 'y') "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name"
    )
    sql.execute("INSERT INTO albums (id, name) VALUES ('b', 'x') ON CONFLICT DO NOTHING")

    assert {"a": Version(1, 2), "c": Version(1, 1)} == marks(adapter)


def test_a_copy_is_captured(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    with sql.cursor() as cursor, cursor.copy("COPY albums (id, name) FROM STDIN") as copy:
        copy.write("c\tx\nd\ty\n")

    assert {"c": Version(1, 1), "d": Version(1, 1)} == marks(adapter)


def test_a_record_whose_key_changes_leaves_a_tombstone(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("UPDATE albums SET id = 'new' WHERE id = 'a'")

    assert marks(adapter) == {"a": Version(1, 2, deleted=True), "new": Version(1, 1)}


def test_cascades_of_foreign_keys_are_captured_at_every_level(adapter: Any, sql: Any) -> None:
    entities = [entity_of(one) for one in (Area, Site, Room)]
    adapter.database.make(entities, whole=True)
    sql.execute("INSERT INTO areas (id) VALUES ('x'), ('y')")
    sql.execute("INSERT INTO sites (id, area_id) VALUES ('x1', 'x'), ('x2', 'x'), ('y1', 'y')")
    sql.execute("INSERT INTO rooms (id, site_id) VALUES ('r1', 'x1'), ('r2', 'x2'), ('r3', 'y1')")
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("DELETE FROM areas")

    gone = Version(1, 2, deleted=True)
    assert {"x": gone, "y": gone} == marks(adapter, "areas")
    assert {"x1": gone, "x2": gone, "y1": gone} == marks(adapter, "sites")
    assert {"r1": gone, "r2": gone, "r3": gone} == marks(adapter, "rooms")


def test_a_composite_key_is_captured_as_the_codec_writes_it(adapter: Any, superuser: Any) -> None:
    adapter.database.make([PLACES], whole=False)
    adapter.ledger.set_control("*", None, DUAL)
    key = ('r"1\\', "é\n\x7f")
    superuser.execute("SET session_replication_role = replica")  # no rooms, no people
    superuser.execute("INSERT INTO places (room_id, person_id) VALUES (%s, %s)", key)

    assert set(marks(adapter, "places")) == {key}


@pytest.mark.parametrize("role", ["follower", "sealed", "committing", "archived"])
def test_other_clients_are_fenced_too(adapter: Any, sql: Any, role: Any) -> None:
    adapter.ledger.set_control("*", None, Control(2, role, "dual_write", "m1"))
    error = SealedError if role in {"sealed", "committing"} else StalePhaseError

    with pytest.raises(psycopg.Error, match=f"albums is {role} since epoch 2"):
        sql.execute("DELETE FROM albums")
    with pytest.raises(error):
        adapter.collection(ALBUMS).commit([album("a")])


def test_who_says_to_apply_is_refused_by_an_authority(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("SELECT set_config('fluxstore.mode', 'apply', false)")

    with pytest.raises(psycopg.Error, match="albums is authority"):
        sql.execute("DELETE FROM albums")


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


def test_a_table_that_another_program_made_is_fenced_before_the_first_write(
    adapter: Any, sql: Any, open_adapter: Any, postgres_dsn: str
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("CREATE TABLE tracks (id text PRIMARY KEY, album_id text, name text NOT NULL)")
    tracks = open_adapter(postgres_dsn).collection(TRACKS)
    tracks.commit([Put("t", {"id": "t", "album_id": "a", "name": ""}, Intent.CREATE)])

    assert {"t": Version(1, 1)} == marks(adapter, "tracks")


@pytest.mark.parametrize("level", OLDER)
@pytest.mark.parametrize("known", [None, DUAL])
def test_an_older_snapshot_does_not_hide_a_change_of_control(
    adapter: Any, postgres_dsn: str, level: psycopg.IsolationLevel, known: Control | None
) -> None:
    if known is not None:
        adapter.ledger.set_control("*", None, known)
    with psycopg.connect(postgres_dsn) as writer:
        writer.isolation_level = level
        writer.execute("SELECT count(*) FROM albums")
        assert adapter.ledger.set_control("*", known, SEALED)
        with pytest.raises(psycopg.errors.SerializationFailure):
            writer.execute("UPDATE albums SET name = 'late'")


@pytest.mark.parametrize("level", OLDER)
def test_a_fresh_snapshot_of_any_isolation_writes_and_is_captured(
    adapter: Any, postgres_dsn: str, level: psycopg.IsolationLevel
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    with psycopg.connect(postgres_dsn) as writer:
        writer.isolation_level = level
        writer.execute("UPDATE albums SET name = 'in time' WHERE id = 'a'")

    assert {"a": Version(1, 2)} == marks(adapter)


def test_a_seal_waits_for_writers_that_are_under_way(
    adapter: Any, sql: Any, postgres_dsn: str
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sealed: list[bool] = []
    with psycopg.connect(postgres_dsn) as writer:
        writer.execute("UPDATE albums SET name = 'before the seal' WHERE id = 'a'")
        sealer = threading.Thread(
            target=lambda: sealed.append(
                adapter.ledger.set_control("*", DUAL, SEALED, patience_seconds=30)
            )
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
        client.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")  # locks a row: the definer may
        client.execute("UPDATE albums SET name = 'y' WHERE id = 'a'")
        client.execute("COMMIT")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("SELECT * FROM fluxstore.versions")

    assert {"a": Version(1, 3)} == marks(adapter)


def test_nobody_else_puts_the_ledgers_functions_behind_a_table_of_his_own(
    adapter: Any, superuser: Any, postgres_dsn: str, new_role: str
) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    for grant in ("GRANT USAGE ON SCHEMA fluxstore TO {}", "GRANT CREATE ON SCHEMA public TO {}"):
        superuser.execute(SQL(grant).format(Identifier(new_role)))
    dsn = psycopg.conninfo.make_conninfo(postgres_dsn, user=new_role)

    with psycopg.connect(dsn, autocommit=True) as client:
        client.execute("CREATE TABLE mine (id text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="capture_albums"):
            client.execute(
                "CREATE TRIGGER forged AFTER INSERT ON mine REFERENCING NEW TABLE AS new_rows "
                "FOR EACH STATEMENT EXECUTE FUNCTION fluxstore.capture_albums()"
            )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            client.execute("SELECT fluxstore.note('albums', ARRAY['a'], true, true, 1)")


def test_a_search_path_of_the_clients_leads_the_triggers_nowhere(adapter: Any, sql: Any) -> None:
    adapter.ledger.set_control("*", None, DUAL)
    sql.execute("CREATE SCHEMA trap")
    sql.execute(
        "CREATE FUNCTION trap.hashtextextended(text, bigint) RETURNS bigint LANGUAGE sql "
        "AS 'SELECT 1 / 0'"
    )
    sql.execute("SET search_path = trap, pg_catalog, public")
    sql.execute("UPDATE albums SET name = 'x' WHERE id = 'a'")

    assert {"a": Version(1, 2)} == marks(adapter)


def test_what_another_ledger_brings_gets_its_version_and_no_mark(adapter: Any) -> None:
    adapter.ledger.set_control("*", None, FOLLOWER)
    record = adapter.collection(ALBUMS).read(["a"])["a"]
    applied = adapter.collection(ALBUMS).apply_if_newer([Versioned("a", Version(5, 9), record)])

    assert list(applied) == [True]
    assert adapter.ledger.versions("albums", ["a"]) == {"a": Version(5, 9)}
    assert marks(adapter) == {}
    with pytest.raises(StalePhaseError):
        adapter.collection(ALBUMS).commit([album("a")])
