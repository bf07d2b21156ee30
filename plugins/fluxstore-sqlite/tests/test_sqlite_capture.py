"""Programs that know SQLite only: what they write is captured, or refused where writes are."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
import sqlite_utils
from ruled import DUAL, govern, kinds, marks

from fluxstore.adapter import Control
from fluxstore.entity import Entities, entity_of
from fluxstore.errors import ConstraintError
from fluxstore.records import Delete, Version
from fluxstore.testing.conformance.support import collection, save
from fluxstore.testing.entities import (
    Album,
    Area,
    Person,
    Room,
    Site,
    Track,
)

TRIGGERS = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"


@pytest.fixture
def adapter(file):
    made = file.open()
    save(made, Album(id="a", name="one"), Album(id="b", name="two"))
    save(made, Person(id="p", first="P", last="P", email="p@x"))
    save(made, Person(id="q", first="Q", last="Q", email="q@x"))
    govern(made)
    return made


# where triggers are


def test_triggers_are_there_exactly_where_control_is_in_a_phase(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    assert [(0,)] == file.run(TRIGGERS)

    for control, expected in (
        (Control(1, "authority", "off", ""), 0),
        (DUAL, 6),
        (Control(2, "sealed", "shadow", "m1"), 6),
        (Control(3, "authority", "off", ""), 0),
        (DUAL, 6),
        (None, 0),
    ):
        govern(adapter, control, "albums")
        assert [(expected,)] == file.run(TRIGGERS)


def test_triggers_of_all_entities_go_with_the_last_record_that_wants_them(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    govern(adapter)
    [(of_all,)] = file.run(TRIGGERS)
    govern(adapter, DUAL, "albums")
    govern(adapter, None, "*")

    assert [(6,)] == file.run(TRIGGERS)
    assert of_all > 6
    govern(adapter, None, "albums")
    assert [(0,)] == file.run(TRIGGERS)


def test_what_is_refused_leaves_the_triggers_as_they_were(file):
    adapter = file.open()
    save(adapter, Album(id="a"))

    assert not adapter.ledger.set_control("*", DUAL, Control(2, "sealed", "live", "m1"))
    assert [(0,)] == file.run(TRIGGERS)


def test_an_application_of_fewer_entities_leaves_the_triggers_of_others_alone(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    govern(adapter)
    before = file.run(TRIGGERS)

    fewer = file.open(Entities([entity_of(Album)]))
    save(fewer, Album(id="b"))
    govern(fewer, DUAL, "albums")

    assert before == file.run(TRIGGERS)


def test_a_table_that_a_schema_step_makes_anew_is_captured_again(adapter, file, tmp_path):
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "0001_anew.sql").write_text(
        "-- a table made anew\n"
        "CREATE TABLE kept AS SELECT * FROM albums;\n"
        "DROP TABLE albums;\n"
        "CREATE TABLE albums (id TEXT NOT NULL PRIMARY KEY, name TEXT, released TEXT, price TEXT,"
        " _fluxstore_residue TEXT);\n"
        "INSERT INTO albums SELECT * FROM kept;\n"
        "DROP TABLE kept;\n"
    )
    adapter.apply_steps(steps)

    file.run("UPDATE albums SET name = 'x' WHERE id = 'a'")
    assert {"a": False} == kinds(adapter, Album)


def test_doctor_says_where_another_program_dropped_a_trigger_and_the_next_write_makes_it(
    adapter, file
):
    file.run("DROP TRIGGER _fluxstore_after_insert_albums")

    found = [finding for finding in adapter.examine() if "trigger" in finding.problem]
    assert [("albums", True)] == [(finding.subject, finding.blocks) for finding in found]
    save(adapter, Album(id="c"))
    file.run("INSERT INTO albums (id, name) VALUES ('d', '')")
    assert {"c": False, "d": False} == kinds(adapter, Album)
    assert not [finding for finding in adapter.examine() if "trigger" in finding.problem]


# what is captured


def test_the_librarys_own_writes_are_noted_once(adapter):
    save(adapter, Album(id="a", name="x"), Album(id="new"))
    collection(adapter, Album).commit([Delete("b")])

    assert {
        "a": Version(1, 2),
        "new": Version(1, 1),
        "b": Version(1, 2, deleted=True),
    } == marks(adapter, Album)


def test_the_flag_of_own_writes_is_never_left(adapter, file):
    save(adapter, Album(id="a", name="x"))
    with pytest.raises(ConstraintError):
        save(adapter, Track(id="t", album_id="none"))
    collection(adapter, Album).foresee([])

    assert [(0,)] == file.run("SELECT count(*) FROM _fluxstore_own")


REPLACING = {
    "same key": ("INSERT OR REPLACE INTO people (id, email) VALUES ('p', 'n@x')", {"p": False}),
    "unique value": (
        "INSERT OR REPLACE INTO people (id, email) VALUES ('n', 'q@x')",
        {"n": False, "q": True},
    ),
    "two victims": (
        "INSERT OR REPLACE INTO people (id, email) VALUES ('p', 'q@x')",
        {"p": False, "q": True},
    ),
    "unique group": (
        "REPLACE INTO people (id, first, last) VALUES ('n', 'Q', 'Q')",
        {"n": False, "q": True},
    ),
    "row number": (
        "REPLACE INTO people (rowid, id) SELECT rowid, 'n' FROM people WHERE id = 'q'",
        {"n": False, "q": True},
    ),
    "update": (
        "UPDATE OR REPLACE people SET email = 'q@x' WHERE id = 'p'",
        {"p": False, "q": True},
    ),
    "update of the key": (
        "UPDATE OR REPLACE people SET id = 'q' WHERE id = 'p'",
        {"p": True, "q": False},
    ),
    "ignored": ("INSERT OR IGNORE INTO people (id, email) VALUES ('n', 'q@x')", {}),
    "nothing done": (
        "INSERT INTO people (id, email) VALUES ('n', 'q@x') ON CONFLICT DO NOTHING",
        {},
    ),
    "upsert": (
        "INSERT INTO people (id, email) VALUES ('p', 'z@x') ON CONFLICT (id) DO UPDATE SET age = 1",
        {"p": False},
    ),
    "several rows": (
        "INSERT OR REPLACE INTO people (id, email) VALUES ('n', 'p@x'), ('m', 'q@x'), ('p', 'n@x')",
        {"n": False, "m": False, "p": False, "q": True},
    ),
}


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("case", REPLACING)
def test_a_row_that_is_displaced_leaves_a_tombstone(adapter, file, case, recursive):
    statement, expected = REPLACING[case]
    file.run(f"PRAGMA recursive_triggers = {int(recursive)}", statement)

    found = {key for (key,) in file.run("SELECT id FROM people")}
    assert expected == kinds(adapter, Person)
    assert {key for key, gone in expected.items() if not gone} <= found
    assert not {key for key, gone in expected.items() if gone} & found


def test_what_an_ignored_insert_might_have_displaced_is_not_a_tombstone_later(adapter, file):
    file.run(
        "INSERT OR IGNORE INTO people (id, email) VALUES ('n', 'q@x')",
        "INSERT INTO people (id, email) VALUES ('m', 'm@x')",
    )
    assert {"m": False} == kinds(adapter, Person)
    collection(adapter, Person).commit([Delete("q")])
    file.run("INSERT INTO people (id, email) VALUES ('k', 'k@x')")

    assert {"m": False, "q": True, "k": False} == kinds(adapter, Person)
    assert Version(1, 2, deleted=True) == marks(adapter, Person)["q"]


def test_a_statement_that_fails_leaves_no_mark(adapter, file):
    with pytest.raises(sqlite3.IntegrityError):
        file.run("INSERT INTO people (id, email) VALUES ('n', 'n@x'), ('m', 'q@x')")

    assert {} == marks(adapter, Person)
    assert [(0,)] == file.run("SELECT count(*) FROM _fluxstore_displaced")


def test_keys_that_move_round_are_captured(adapter, file):
    file.run(
        "UPDATE albums SET id = 'x' WHERE id = 'a'",
        "UPDATE albums SET id = 'a' WHERE id = 'b'",
        "UPDATE albums SET id = 'b' WHERE id = 'x'",
    )

    assert {"a": False, "b": False, "x": True} == kinds(adapter, Album)


@pytest.mark.parametrize("enforced", [True, False])
def test_a_cascade_is_captured_where_the_program_asks_for_one(file, enforced):
    adapter = file.open()
    save(adapter, Area(id="a"), Site(id="s", area_id="a"), Room(id="r", site_id="s"))
    govern(adapter)
    file.run(f"PRAGMA foreign_keys = {int(enforced)}", "DELETE FROM areas WHERE id = 'a'")

    assert {"a": True} == kinds(adapter, Area)
    taken = {"s": True} if enforced else {}
    assert taken == kinds(adapter, Site)
    assert ({"r": True} if enforced else {}) == kinds(adapter, Room)


def test_a_replaced_parent_takes_its_children_along_and_they_are_captured(file):
    adapter = file.open()
    save(adapter, Album(id="a"), Track(id="t", album_id="a"))
    govern(adapter)
    file.run("PRAGMA foreign_keys = 1", "REPLACE INTO albums (id, name) VALUES ('a', 'new')")

    assert {"a": False} == kinds(adapter, Album)
    assert {"t": True} == kinds(adapter, Track)


def test_sqlite_utils_and_the_shell_are_captured(adapter, file):
    with closing(sqlite3.connect(file.path)) as driver:
        table = sqlite_utils.Database(driver).table("albums")
        table.upsert({"id": "a", "name": "upserted"}, pk="id")
        table.insert({"id": "c", "name": "new"}, pk="id", replace=True)
        table.delete("b")
        driver.commit()
    expected = {"a": False, "b": True, "c": False}
    assert expected == kinds(adapter, Album)
    if shutil.which("sqlite3") is not None:
        statement = "INSERT INTO albums (id, name) VALUES ('d', '')"
        subprocess.run(["sqlite3", file.path, statement], check=True)
        assert expected | {"d": False} == kinds(adapter, Album)


# where writes are refused


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("sealed", "albums is sealed, a cutover is under way: try again"),
        ("committing", "albums is sealed, a cutover is under way: try again"),
        ("follower", "albums is written elsewhere, this file follows"),
        ("archived", "albums is written elsewhere, this file follows"),
    ],
)
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO albums (id, name) VALUES ('n', '')",
        "INSERT OR REPLACE INTO albums (id, name) VALUES ('a', '')",
        "INSERT OR IGNORE INTO albums (id, name) VALUES ('n', '')",
        "UPDATE OR IGNORE albums SET name = 'x'",
        "DELETE FROM albums",
    ],
)
def test_another_program_is_refused_and_told_why(adapter, file, role, words, statement):
    govern(adapter, Control(2, role, "live", "m1"))

    with pytest.raises(sqlite3.IntegrityError, match=words):
        file.run(statement)
    assert [("a", "one"), ("b", "two")] == file.run("SELECT id, name FROM albums ORDER BY id")


def test_an_entitys_own_record_counts_more_than_that_of_all(adapter, file):
    govern(adapter, Control(5, "follower", "live", "m1"))
    govern(adapter, Control(7, "authority", "shadow", "m1"), "albums")
    file.run("UPDATE albums SET name = 'x' WHERE id = 'a'")

    assert {"a": Version(7, 2)} == marks(adapter, Album)
    with pytest.raises(sqlite3.IntegrityError, match="people is written elsewhere"):
        file.run("DELETE FROM people")
