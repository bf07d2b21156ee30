"""The schema: shown, compared with the file, and changed by numbered steps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import Enum
from typing import Literal

import pytest

from fluxstore.adapter import HasSchema
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.errors import ConfigError, PlanError
from fluxstore.testing.conformance.support import save
from fluxstore.testing.entities import Album, Person
from fluxstore_sqlite.collations import register


def entities_of(*classes: type) -> Entities:
    return Entities(entity_of(cls) for cls in classes)


def declared(file) -> dict[str, str]:
    rows = file.run("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(text.split()) for name, text in rows if not name.startswith("_flux")}


def test_what_ddl_shows_is_what_is_made(file, tmp_path):
    adapter = file.open()
    assert isinstance(adapter, HasSchema)
    with closing(sqlite3.connect(tmp_path / "other.db")) as driver:
        register(driver)
        driver.executescript(adapter.ddl())
        shown = {
            name: " ".join(text.split())
            for name, text in driver.execute("SELECT name, sql FROM sqlite_master WHERE sql > ''")
        }
    save(adapter, Album(id="a"))

    assert shown == declared(file)


def test_a_file_as_it_should_be_has_no_differences(file):
    adapter = file.open()
    assert ["is not there yet"] == [finding.problem for finding in adapter.differences()]
    save(adapter, Album(id="a"))

    assert [] == list(adapter.differences())


def test_a_field_declared_later_is_told_with_the_statement_that_adds_it(file):
    @entity("notes")
    class Before:
        id: str

    @entity("notes")
    class After:
        id: str
        text: str = "empty"
        size: int | None = field(default=None, minimum=0)
        owner: str

    save(file.open(entities_of(Before)), Before(id="a"))
    adapter = file.open(entities_of(After))
    found = {finding.problem: finding for finding in adapter.differences() if finding.blocks}

    assert {f"has no column for {name}" for name in ("text", "size", "owner")} == set(found)
    with pytest.raises(
        ConfigError, match=r"notes has no column for text, size, owner; .*schema diff"
    ):
        adapter.collection(entity_of(After)).read(["a"])
    for name in ("text", "size"):
        file.run(*found[f"has no column for {name}"].statements)
    assert [("a", "empty", None)] == file.run("SELECT id, text, size FROM notes")


def test_a_declaration_that_the_table_does_not_know_is_told(file):
    class Old(Enum):
        A = "a"

    class New(Enum):
        A = "a"
        B = "b"

    @entity("things")
    class Before:
        id: str
        kind: Old = Old.A
        state: Literal["x"] = "x"
        amount: int = 0
        note: str = ""

    @entity("things")
    class After:
        id: str
        kind: New = New.A
        state: Literal["x"] = "x"
        amount: float = 0.0
        note: str | None = None

    save(file.open(entities_of(Before)), Before(id="a"))
    told = [finding.problem for finding in file.open(entities_of(After)).differences()]

    assert {"amount is INTEGER, not REAL"} <= set(told)
    assert {"kind", "note"} == {
        problem.split()[0] for problem in told if "declared otherwise" in problem
    }


def test_a_column_that_belongs_to_no_field_blocks_where_inserts_would_fail(file):
    save(file.open(), Album(id="a"))
    file.run(
        "ALTER TABLE albums ADD COLUMN spare TEXT",
        "ALTER TABLE tracks ADD COLUMN must TEXT NOT NULL DEFAULT ''",
    )
    found = [(one.subject, one.problem.split()[0], one.blocks) for one in file.open().differences()]

    assert [("albums", "spare", False), ("tracks", "must", False)] == found


def test_a_missing_index_is_told_with_the_statement_that_makes_it(file):
    save(file.open(), Person(id="p"))
    file.run("DROP INDEX people_email_unique", "DROP INDEX people_boss_id_index")
    adapter = file.open()
    found = {finding.problem: finding for finding in adapter.differences()}

    assert {
        True: "has no index people_email_unique",
        False: "has no index people_boss_id_index",
    } == {finding.blocks: problem for problem, finding in found.items()}
    file.run(*(statement for finding in found.values() for statement in finding.statements))
    assert [] == list(adapter.differences())


# steps


@pytest.fixture
def steps(tmp_path):
    folder = tmp_path / "steps"
    folder.mkdir()

    def write(name: str, text: str) -> None:
        (folder / name).write_text(f"-- {name}.\n{text}")

    write("0001_shelves.sql", "CREATE TABLE shelves (id TEXT PRIMARY KEY, note TEXT DEFAULT ';');")
    write(
        "0002_trigger.sql",
        "CREATE TRIGGER noted AFTER INSERT ON shelves BEGIN\n"
        "  UPDATE shelves SET note = 'a;b' WHERE id = NEW.id; -- a ; in a comment\n"
        "END;\nINSERT INTO shelves (id) VALUES ('first');\n-- the end\n",
    )
    write.folder = folder
    return write


def test_steps_run_once_each_in_their_order(file, steps):
    adapter = file.open()
    names = ["0001_shelves.sql", "0002_trigger.sql"]

    assert names == adapter.apply_steps(steps.folder, dry_run=True)
    assert set() == file.beside()
    assert names == adapter.apply_steps(steps.folder)
    assert [] == adapter.apply_steps(steps.folder)
    steps("0003_more.sql", "INSERT INTO shelves (id) VALUES ('second');")
    assert ["0003_more.sql"] == file.open().apply_steps(steps.folder)
    assert [("first", "a;b"), ("second", "a;b")] == file.run("SELECT id, note FROM shelves")


def test_an_edited_step_is_refused(file, steps):
    adapter = file.open()
    adapter.apply_steps(steps.folder)
    steps("0001_shelves.sql", "CREATE TABLE shelves (id TEXT);")

    with pytest.raises(PlanError, match=r"0001_shelves\.sql was edited after it ran"):
        adapter.apply_steps(steps.folder)


def test_a_step_that_fails_leaves_nothing_of_itself(file, steps):
    steps("0003_bad.sql", "CREATE TABLE half (id TEXT);\nINSERT INTO nowhere VALUES (1);")
    adapter = file.open()

    with pytest.raises(PlanError, match=r"0003_bad\.sql: no such table: nowhere; nothing of it"):
        adapter.apply_steps(steps.folder)

    assert [] == file.run("SELECT name FROM sqlite_master WHERE name = 'half'")
    steps("0003_bad.sql", "CREATE TABLE half (id TEXT);")
    assert ["0003_bad.sql"] == adapter.apply_steps(steps.folder)


@pytest.mark.parametrize("statement", ["COMMIT;", "ROLLBACK;"])
def test_a_step_may_not_end_its_transaction(file, steps, statement):
    steps("0003_bad.sql", f"CREATE TABLE half (id TEXT);\n{statement}")

    with pytest.raises(PlanError, match=r"0003_bad\.sql begins or ends a transaction itself"):
        file.open().apply_steps(steps.folder)


def test_a_step_that_needs_no_transaction_runs_outside_one(file, steps):
    steps("0003_vacuum.sql", "-- fluxstore: no transaction\nVACUUM;")
    adapter = file.open()

    assert "0003_vacuum.sql" in adapter.apply_steps(steps.folder)
    assert [] == adapter.apply_steps(steps.folder)


def test_a_table_made_by_a_step_is_adopted(file, steps):
    steps("0003_albums.sql", "CREATE TABLE albums (id TEXT, name TEXT, released TEXT, price TEXT);")
    adapter = file.open()
    save(adapter, Album(id="before"))
    adapter.close()
    file.path.unlink()

    adapter = file.open()
    adapter.apply_steps(steps.folder)
    save(adapter, Album(id="a", name="one"))

    assert [("a", "one")] == file.run("SELECT id, name FROM albums")
