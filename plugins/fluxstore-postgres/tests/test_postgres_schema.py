"""Schema as text and by steps, differences, what doctor finds, backups, snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from fluxstore.adapter import Batch, Control, Use
from fluxstore.entity import Entities, entity_of
from fluxstore.errors import AccessError, BackendError, ConstraintError, PlanError
from fluxstore.query import Query
from fluxstore.records import Put, Record
from fluxstore.testing.entities import Album, Area, Person, Place, Room, Site
from fluxstore_postgres.dsn import Target
from fluxstore_postgres.examining import RULES

pytestmark = pytest.mark.postgres
ENTITIES = Entities([entity_of(cls) for cls in (Album, Area, Person, Place, Room, Site)])
ALBUMS, AREAS, PEOPLE, *_ = ENTITIES.values()


@pytest.fixture
def adapter(postgres_dsn: str, open_adapter: Any) -> Any:
    return open_adapter(postgres_dsn, ENTITIES)


def albums_in(adapter: Any) -> set[str]:
    return {one.key for one in adapter.collection(ALBUMS).find(Query()).records}


def save(adapter: Any, *keys: str) -> None:
    adapter.collection(ALBUMS).commit([Put(key, {"id": key}) for key in keys])


# text and differences


def test_the_statements_shown_make_what_the_adapter_makes(
    adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    sql.execute(adapter.ddl())

    assert list(adapter.differences()) == []
    save(adapter, "a")
    assert albums_in(adapter) == {"a"}


def test_a_table_made_at_the_first_write_lacks_nothing(adapter: Any) -> None:
    before = {one.subject for one in adapter.differences()}
    adapter.collection(PEOPLE).commit([Put("p", {"id": "p"})])
    after = {one.subject for one in adapter.differences()}

    assert before - after == {"people"}


def test_two_runs_show_the_same_text(adapter: Any, open_adapter: Any, postgres_dsn: str) -> None:
    assert adapter.ddl() == open_adapter(postgres_dsn, ENTITIES).ddl()


def test_what_a_migration_leaves_to_the_end_is_a_difference_until_then(
    postgres_dsn: str, open_adapter: Any
) -> None:
    adapter = open_adapter(postgres_dsn, ENTITIES, use=Use.TARGET)
    adapter.prepare(list(ENTITIES.values()))
    lacking = {one.problem for one in adapter.differences()}
    adapter.complete(list(ENTITIES.values()))

    assert any("foreign keys" in problem for problem in lacking)
    assert list(adapter.differences()) == []


def test_references_hold_in_tables_whose_migration_died(
    postgres_dsn: str, open_adapter: Any
) -> None:
    loading = open_adapter(postgres_dsn, ENTITIES, use=Use.TARGET)
    loading.prepare(list(ENTITIES.values()))
    loading.close()
    areas = open_adapter(postgres_dsn, ENTITIES).collection(AREAS)

    with pytest.raises(ConstraintError, match="areas"):
        areas.commit([Put("b", {"id": "b", "parent_id": "none"})])
    areas.commit([Put("a", {"id": "a"}), Put("b", {"id": "b", "parent_id": "a"})])
    merged = areas.merge(Batch([Record("c", {"id": "c", "parent_id": "none"})]))
    assert len(merged.refused) == 1


def test_other_clients_get_the_defaults_of_the_entity(adapter: Any, sql: Any) -> None:
    save(adapter, "a")
    sql.execute("INSERT INTO albums (id) VALUES ('b')")

    assert adapter.collection(ALBUMS).read(["b"])["b"].values["name"] == ""


# steps

GOOD = "-- a table\nCREATE TABLE one (n int);\nINSERT INTO one VALUES (1);\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name[1:]}.sql").write_text(text)
    return folder


def test_steps_run_once_each_in_a_transaction_with_its_record(
    adapter: Any, tmp_path: Path, sql: Any
) -> None:
    folder = write(tmp_path, _0001_one=GOOD, _0002_bad="-- bad\nCREATE TABLE two (n int);\nNOPE;\n")

    with pytest.raises(PlanError, match=r'0002_bad\.sql, line 3: syntax error at or near "NOPE"'):
        adapter.apply_steps(folder)
    assert sql.execute("SELECT to_regclass('one') IS NULL, to_regclass('two')").fetchone() == (
        False,
        None,
    )
    write(tmp_path, _0002_bad="-- mended\nCREATE TABLE two (n int);\n")
    assert list(adapter.apply_steps(folder, dry_run=True)) == ["0002_bad.sql"]
    assert list(adapter.apply_steps(folder)) == ["0002_bad.sql"]
    assert list(adapter.apply_steps(folder)) == []
    assert sql.execute("SELECT count(*) FROM one").fetchone() == (1,)


def test_an_edited_step_is_refused_before_anything_runs(
    adapter: Any, tmp_path: Path, sql: Any
) -> None:
    adapter.apply_steps(write(tmp_path, _0001_one=GOOD))
    write(tmp_path, _0001_one=GOOD + "-- later\n", _0002_two="-- two\nCREATE TABLE two (n int);\n")

    with pytest.raises(PlanError, match=r"0001_one\.sql was edited"):
        adapter.apply_steps(tmp_path)
    assert sql.execute("SELECT to_regclass('two')").fetchone() == (None,)


def test_a_step_that_cannot_run_in_a_transaction_says_so_and_runs(
    adapter: Any, tmp_path: Path, sql: Any
) -> None:
    alone = "-- an index\n-- fluxstore: no transaction\nCREATE INDEX CONCURRENTLY i ON one (n);\n"
    adapter.apply_steps(write(tmp_path, _0001_one=GOOD, _0002_index=alone))

    assert sql.execute("SELECT to_regclass('i') IS NOT NULL").fetchone() == (True,)


def test_a_dry_run_makes_nothing(adapter: Any, tmp_path: Path, sql: Any) -> None:
    folder = write(tmp_path, _0001_one=GOOD)

    assert list(adapter.apply_steps(folder, dry_run=True)) == ["0001_one.sql"]
    assert sql.execute("SELECT to_regnamespace('fluxstore')").fetchone() == (None,)


def test_steps_land_in_the_schema_of_the_backend(
    postgres_dsn: str, open_adapter: Any, tmp_path: Path, sql: Any
) -> None:
    sql.execute('CREATE SCHEMA "My App"')
    adapter = open_adapter(postgres_dsn, ENTITIES, schema="My App")
    adapter.apply_steps(write(tmp_path, _0001_one=GOOD))
    save(adapter, "a")

    assert sql.execute('SELECT count(*) FROM "My App".one').fetchone() == (1,)
    assert sql.execute('SELECT count(*) FROM "My App".albums').fetchone() == (1,)


# doctor


@pytest.mark.parametrize(
    ("subject", "fact"),
    [
        ("version", {"number": 140012, "version": "14.12"}),
        ("encoding", {"encoding": "SQL_ASCII"}),
        ("fsync", {"fsync": "off"}),
        ("full_page_writes", {"full_page_writes": "off"}),
        ("synchronous_commit", {"synchronous_commit": "off"}),
        ("standby", {"is_standby": True}),
        ("role", {"is_read_only": True, "role": "app"}),
        ("clock", {"now": 0.0}),
    ],
)
def test_a_server_that_would_lose_data_is_found_out(subject: str, fact: dict[str, Any]) -> None:
    ((_, test, problem, *_),) = [rule for rule in RULES if rule[0] == subject]

    assert test(fact)
    assert "{" not in problem.format(**fact)


def test_settings_that_lose_data_block(own_server: Any, open_adapter: Any) -> None:
    adapter = open_adapter(own_server.start(), ENTITIES)
    blocking = {one.subject for one in adapter.examine() if one.blocks}

    assert blocking == {"fsync", "full_page_writes", "synchronous_commit"}


def test_missing_rights_come_with_the_sql_for_an_administrator(
    postgres_dsn: str, open_adapter: Any, superuser: Any, new_role: str
) -> None:
    superuser.execute("CREATE TABLE albums (id text PRIMARY KEY, name text, released timestamptz)")
    superuser.execute("ALTER TABLE albums ADD price numeric")
    dsn = psycopg.conninfo.make_conninfo(postgres_dsn, user=new_role)
    adapter = open_adapter(dsn, ENTITIES)
    with pytest.raises(AccessError) as caught:
        adapter.prepare(list(ENTITIES.values()))
    found = [one for one in adapter.examine() if one.subject == "rights"]
    for one in found:
        for statement in one.statements:
            superuser.execute(statement)
    adapter.prepare(list(ENTITIES.values()))
    save(adapter, "a")
    rest = [one for one in adapter.examine() if one.subject == "rights"]
    saved = albums_in(adapter)
    adapter.close()

    assert "doctor" in str(caught.value)
    assert all(one.blocks for one in found)
    assert len(found) == 4
    assert 'ALTER TABLE "public"."albums" OWNER TO' in str(found)
    assert (rest, saved) == ([], {"a"})


def test_what_a_change_of_phase_lacks_comes_with_the_sql_for_an_administrator(
    postgres_dsn: str, open_adapter: Any, superuser: Any, new_role: str
) -> None:
    owner = open_adapter(postgres_dsn, ENTITIES)
    owner.prepare(list(ENTITIES.values()))
    grant = SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}")
    superuser.execute(grant.format(Identifier(new_role)))
    adapter = open_adapter(psycopg.conninfo.make_conninfo(postgres_dsn, user=new_role), ENTITIES)
    control = Control(1, "authority", "dual_write", "m1")
    with pytest.raises(AccessError, match="doctor"):
        adapter.ledger.set_control("*", None, control)
    for one in adapter.examine():
        for statement in one.statements:
            superuser.execute(statement)

    assert adapter.ledger.set_control("*", None, control)
    assert [] == [one for one in adapter.examine() if one.subject == "rights"]


def test_a_connection_that_is_not_verified_is_noted(adapter: Any) -> None:
    from fluxstore_postgres.examining import examine

    away = Target("", "x at y", is_local=False, sslmode="require")
    found = examine(adapter.database, away, adapter._opening.settings)

    assert "tls" in {one.subject for one in found}


# backups and snapshots


def test_a_backup_brings_back_what_was_there(adapter: Any, tmp_path: Path) -> None:
    save(adapter, "a", "b")
    adapter.ledger.save_parts("albums", [])
    backup = adapter.backup(tmp_path / "backups")
    adapter.collection(ALBUMS).commit([Put("a", {"id": "a", "name": "changed"})])
    save(adapter, "c")

    adapter.restore(backup)

    assert albums_in(adapter) == {"a", "b"}
    assert "name" not in adapter.collection(ALBUMS).read(["a"])["a"].values
    assert [one.name for one in (tmp_path / "backups").iterdir()] == [backup.name]


def test_a_spoilt_backup_changes_nothing(adapter: Any, tmp_path: Path) -> None:
    save(adapter, "a")
    backup = adapter.backup(tmp_path)
    backup.write_bytes(backup.read_bytes()[:300])
    save(adapter, "b")

    with pytest.raises(BackendError):
        adapter.restore(backup)
    assert albums_in(adapter) == {"a", "b"}


def test_a_snapshot_reads_one_moment(adapter: Any, sql: Any) -> None:
    save(adapter, "a")
    with adapter.snapshot():
        before = albums_in(adapter)
        sql.execute("INSERT INTO albums (id) VALUES ('b')")
        assert albums_in(adapter) == before == {"a"}
        assert adapter.collection(ALBUMS).scan(None, 10).records[0].key == "a"
    assert albums_in(adapter) == {"a", "b"}
