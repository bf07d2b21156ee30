"""``init``: what it writes type-checks, looks as ruff would have it, and migrates whole."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlencode

import flux_studio_example
import pytest
from psycopg.conninfo import conninfo_to_dict
from sample_folders import FOLDERS
from shell import inside

from fluxstore.cli import flags, studio
from fluxstore_postgres.embedded import EmbeddedServer

PASSWORD = "hunter2-and-more"


def flux_studio(folder: Path) -> Path:
    studio.generate(folder, records=600, seed=7)
    return folder


SHAPES = {"flux_studio": flux_studio, **FOLDERS}


@pytest.fixture
def folder(tmp_path) -> Path:
    FOLDERS["shop"](tmp_path / "data")
    return tmp_path


def tool(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.postgres
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_migrates_with_nothing_left_behind(reachable_folder, shape):
    SHAPES[shape](reachable_folder / "data")
    codes = [inside("init", "data", folder=reachable_folder).returncode]
    migrated = inside("migrate", "--json", folder=reachable_folder)
    codes += [migrated.returncode, inside("validate", folder=reachable_folder).returncode]
    entities = json.loads(migrated.stdout)["entities"]

    assert [0, 0, 0] == codes
    assert 0 == sum(one["quarantined"] for one in entities)
    assert 0 < sum(one["written"] for one in entities)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_type_checks_and_is_formatted(tmp_path, shape):
    SHAPES[shape](tmp_path / "data")
    inside("init", "data", folder=tmp_path)
    checked = tool("mypy", "--strict", "--cache-dir", "cache", "entities.py", folder=tmp_path)
    formatted = tool("ruff", "format", "--isolated", "--diff", "entities.py", folder=tmp_path)
    linted = tool(
        "ruff", "check", "--isolated", "--select", "E,F,I,D1,UP", "--ignore", "E501",
        "entities.py", folder=tmp_path,
    )  # fmt: skip

    assert (0, "") == (checked.returncode, checked.stdout.partition("error:")[2])
    assert (0, "") == (formatted.returncode, formatted.stdout)
    assert 0 == linted.returncode, linted.stdout


def test_it_says_what_it_decided_and_what_to_do_next(folder):
    ran = inside("init", "data", folder=folder)

    assert 0 == ran.returncode
    assert "key order_number, line_no (never twice within one parent)" in ran.stdout
    assert "product_sku names products" in ran.stdout
    assert "settings.json: not covered: it holds no records" in ran.stdout
    assert "fluxstore assess --from json --to postgres" in ran.stdout


def test_the_configuration_is_of_this_folder(folder):
    inside("init", "data", folder=folder)
    table = tomllib.loads((folder / "fluxstore.toml").read_text())

    assert "data" == table["backends"]["json"]["path"]
    assert "${DATABASE_URL:-embedded}" == table["backends"]["postgres"]["dsn"]
    assert ("json", "postgres", "off") == tuple(
        table["policy"][name] for name in ("source", "target", "phase")
    )


def test_the_configuration_can_be_elsewhere(folder):
    inside("init", "data", "--config", "deploy/fluxstore.toml", folder=folder)
    table = tomllib.loads((folder / "deploy" / "fluxstore.toml").read_text())

    assert "../data" == table["backends"]["json"]["path"]
    assert (folder / "deploy" / "entities.py").exists()


def test_the_usual_folder_needs_no_name(folder):
    assert 0 == inside("init", folder=folder).returncode


def test_a_second_run_changes_nothing(folder):
    inside("init", "data", folder=folder)
    written = folder / "entities.py"
    before = written.stat()

    assert 0 == inside("init", "data", folder=folder).returncode
    assert (before.st_ino, before.st_mtime_ns) == (
        written.stat().st_ino,
        written.stat().st_mtime_ns,
    )


def test_the_users_work_is_not_overwritten(folder):
    inside("init", "data", folder=folder)
    (folder / "entities.py").write_text("# mine")
    refused = inside("init", "data", folder=folder)
    forced = inside("init", "data", "--force", folder=folder)

    assert (2, 0) == (refused.returncode, forced.returncode)
    assert "--force" in refused.stderr
    assert "# mine" == (folder / "entities.py.old1").read_text()


def test_a_dry_run_writes_nothing(folder):
    ran = inside("init", "data", "--dry-run", folder=folder)

    assert 0 == ran.returncode
    assert ["data"] == [path.name for path in folder.iterdir()]


def test_a_file_that_is_no_json_is_named_and_the_rest_is_covered(folder):
    (folder / "data" / "broken.json").write_text('{"a": [')
    ran = inside("init", "data", folder=folder)

    assert 4 == ran.returncode
    assert "broken.json: refused: line 1" in ran.stderr
    assert (folder / "entities.py").exists()


@pytest.mark.parametrize(
    ("place", "hint"),
    [("nowhere", "no such"), ("data/orders.json", "name its folder"), ("empty", "name the folder")],
)
def test_a_place_without_records_gives_2(folder, place, hint):
    (folder / "empty").mkdir()
    ran = inside("init", place, folder=folder)

    assert 2 == ran.returncode
    assert hint in ran.stderr


@pytest.mark.parametrize(
    ("read", "dual", "phase"), [("0", "0", "off"), ("0", "1", "dual_write"), ("1", "1", "live")]
)
def test_flags_of_older_set_ups_become_a_phase(folder, monkeypatch, read, dual, phase):
    monkeypatch.setenv(flags.READ, read)
    monkeypatch.setenv(flags.DUAL, dual)
    inside("init", "data", "--from-env", folder=folder)

    assert phase == tomllib.loads((folder / "fluxstore.toml").read_text())["policy"]["phase"]


def test_the_fourth_combination_of_flags_writes_nothing(folder, monkeypatch):
    """Regression 4."""
    monkeypatch.setenv(flags.READ, "1")
    monkeypatch.setenv(flags.DUAL, "0")
    ran = inside("init", "data", "--from-env", folder=folder)

    assert 2 == ran.returncode
    assert not (folder / "entities.py").exists()


LIBRARY = """
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL, active BOOLEAN,
    email TEXT UNIQUE);
CREATE TABLE books (isbn TEXT PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES authors (id)
    ON DELETE CASCADE, price REAL, added DATETIME DEFAULT CURRENT_TIMESTAMP, cover BLOB);
CREATE TABLE notes (line TEXT);
INSERT INTO authors VALUES (1, 'A', 1, 'a@example.com'), (2, 'B', 0, NULL);
INSERT INTO books (isbn, author_id, price, cover)
    VALUES ('x', 1, 2.5, x'00ff'), ('y', 2, NULL, NULL);
"""


def _make_library(folder: Path) -> Path:
    driver = sqlite3.connect(folder / "library.db")
    driver.executescript(LIBRARY)
    driver.close()
    return folder


def test_an_sqlite_file_is_read_as_it_is(tmp_path):
    library = _make_library(tmp_path)
    told = json.loads(inside("init", "library.db", "--json", folder=library).stdout)
    fields = {one["name"]: one["fields"] for one in told["entities"]}

    assert {"id": "int", "name": "str", "active": "bool", "email": "str"} == fields["authors"]
    assert ("datetime", "bytes") == (fields["books"]["added"], fields["books"]["cover"])
    assert {"notes": "it has no primary key"} == told["not_covered"]


@pytest.mark.postgres
def test_an_sqlite_file_moves_to_postgresql_and_is_read_there(reachable_folder):
    _make_library(reachable_folder)
    ran = [inside("init", "library.db", folder=reachable_folder)]
    ran += [inside(name, folder=reachable_folder) for name in ("assess", "migrate", "validate")]
    there = reachable_folder / "there"
    there.mkdir()
    server = EmbeddedServer(reachable_folder / ".fluxstore" / "postgres")
    with server:
        dsn = f"postgresql:///?{urlencode(conninfo_to_dict(server.status().conninfo))}"
        ran.append(inside("init", dsn, folder=there))

    assert [0] * 5 == [one.returncode for one in ran]
    assert _classes(reachable_folder) == _classes(there)


def _classes(folder: Path) -> list[str]:
    """Return the lines of the classes that were written, without remarks."""
    lines = (folder / "entities.py").read_text().partition("@entity")[2].splitlines()
    return [line.partition("  #")[0] for line in lines if not line.startswith('    """')]


def test_a_password_in_a_dsn_goes_nowhere(tmp_path):
    dsn = f"postgresql://me:{PASSWORD}@127.0.0.1:1/db?connect_timeout=2"
    ran = inside("init", dsn, "--debug", folder=tmp_path)

    assert 7 == ran.returncode
    assert PASSWORD not in ran.stdout + ran.stderr


def test_the_example_is_what_init_would_find_too(tmp_path):
    """The hand-written entities and the inferred ones read the same files."""
    flux_studio(tmp_path / "data")
    for name in ("entities.py", "entities_business.py"):
        shutil.copy(flux_studio_example.EXAMPLE / name, tmp_path / f"example_{name}")
    told = json.loads(inside("init", "data", "--json", folder=tmp_path).stdout)
    names = {one["name"] for one in told["entities"]}

    assert {"users", "projects", "project_members", "tasks", "milestones", "activities"} <= names
