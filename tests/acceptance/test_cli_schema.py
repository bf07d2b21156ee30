"""``schema show``, ``diff`` and ``apply``."""

from __future__ import annotations

import json

import pytest
import two_files
from two_files import Project

STEPS = {
    "0001_labels.sql": "-- labels of tasks\nCREATE TABLE labels (id TEXT PRIMARY KEY);\n",
    "0002_colour.sql": "-- their colour\nALTER TABLE labels ADD COLUMN colour TEXT;\n",
}


@pytest.fixture
def project(tmp_path) -> Project:
    made = two_files.project(tmp_path / "project")
    (made.folder / "steps").mkdir()
    for name, text in STEPS.items():
        (made.folder / "steps" / name).write_text(text)
    return made


def test_the_statements_of_all_tables_are_shown(project):
    ran = project.run("schema", "show")

    assert 0 == ran.returncode
    assert 2 == ran.stdout.count("CREATE TABLE")


def test_a_table_that_is_missing_is_a_difference(project):
    missing = project.run("schema", "diff")
    project.run("migrate")
    there = project.run("schema", "diff")

    assert (5, 0) == (missing.returncode, there.returncode)
    assert "new.db" in missing.stdout
    assert "nothing differs" in there.stdout


def test_steps_run_once_and_in_order(project):
    dry = project.json("schema", "apply", "steps", "--dry-run")
    first = project.json("schema", "apply", "steps")
    second = project.json("schema", "apply", "steps")

    assert [2, 2, 0] == [len(told["steps"]) for told in (dry, first, second)]
    assert [(0,)] == project.sql("new", "SELECT count(colour) FROM labels")


def test_a_step_that_was_edited_since_is_refused(project):
    project.run("schema", "apply", "steps")
    (project.folder / "steps" / "0001_labels.sql").write_text("-- edited\nSELECT 1;\n")
    ran = project.run("schema", "apply", "steps")

    assert 3 == ran.returncode
    assert "0001_labels.sql" in ran.stderr


def test_a_backend_of_ones_own_choice(project):
    told = project.json("schema", "show", "--to", "old")

    assert ("old", "schema show") == (told["backend"], told["command"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["apply", "nowhere"], 2),
        (["apply"], 2),
        (["show", "--to", "nobody"], 3),
        ([], 2),
    ],
)
def test_what_cannot_be_meant_is_refused(project, arguments, code):
    ran = project.run("schema", *arguments, "--json")

    assert code == ran.returncode
    assert code == json.loads(ran.stdout)["exit_code"]
