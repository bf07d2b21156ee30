"""``dsn = "embedded"`` and ``fluxstore db``: who starts the server, and who stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from fluxstore_postgres.adapter import embedded_server

pytestmark = pytest.mark.postgres
TOML = 'entities = ["notes"]\n[backends.pg]\nadapter = "postgres"\ndsn = "embedded"\n'
ENTITIES = """
from fluxstore import entity

@entity("notes")
class Note:
    id: str
    text: str = ""
"""
PROGRAM = """
import sys, fluxstore, notes
with fluxstore.open("fluxstore.toml") as store:
    kept = store[notes.Note]
    for key in sys.argv[1:]:
        kept.put(notes.Note(id=key))
    print(kept.count())
"""


@attrs.frozen
class Project:
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(str(Path(sys.executable).with_name("fluxstore")), *arguments)

    def json(self, *arguments: str) -> dict[str, Any]:
        ran = self.run(*arguments, "--json")
        assert ran.returncode == 0, ran.stderr
        return dict(json.loads(ran.stdout))

    def program(self, *keys: str) -> str:
        ran = self._run(sys.executable, "-c", PROGRAM, *keys)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(reachable_folder: Path) -> Iterator[Project]:
    (reachable_folder / "fluxstore.toml").write_text(TOML)
    (reachable_folder / "notes.py").write_text(ENTITIES)
    yield Project(reachable_folder)
    embedded_server(reachable_folder).remove()


def test_an_application_has_its_server_while_it_runs(project: Project) -> None:
    assert project.program("a", "b") == "2"
    assert project.json("db", "status")["running"] is False
    assert project.program("c") == "3"


def test_a_server_that_was_started_stays_until_it_is_stopped(project: Project) -> None:
    started = project.json("db", "start")
    project.program("a")
    during = project.json("db", "status")
    stopped = project.json("db", "stop")

    assert started["running"]
    assert during["pid"] == started["pid"]
    assert not stopped["running"]
    assert project.json("db", "stop")["running"] is False


def test_psql_is_opened_on_the_records_and_leaves_nothing_running(project: Project) -> None:
    project.program("a", "b")

    ran = project.run("db", "psql", "-AtX", "-c", "SELECT count(*) FROM notes")
    failed = project.run("db", "psql", "-X", "-c", "SELECT nonsense")

    assert (ran.returncode, ran.stdout) == (0, "2\n")
    assert failed.returncode == 1
    assert project.json("db", "status")["running"] is False


def test_an_application_that_forgets_to_close_leaves_nothing_running(project: Project) -> None:
    forgetful = PROGRAM.replace("with fluxstore", "store = fluxstore").replace(" as store:", "")
    ran = project._run(sys.executable, "-c", forgetful.replace("\n    ", "\n"))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert project.json("db", "status")["running"] is False


def test_an_embedded_database_that_is_not_there_is_no_source(project: Project) -> None:
    (project.folder / "fluxstore.toml").write_text(
        TOML + '[backends.old]\nadapter = "sqlite"\npath = "old.db"\n'
    )

    ran = project.run("migrate", "--from", "pg", "--to", "old")

    assert ran.returncode == 3
    assert "nothing to read" in ran.stderr
    assert not (project.folder / ".fluxstore" / "postgres" / "data").exists()


def test_the_path_is_one_line(project: Project) -> None:
    ran = project.run("db", "path")

    assert ran.stdout == f"{project.folder / '.fluxstore' / 'postgres'}\n"


def test_a_project_without_an_embedded_server_says_so(project: Project) -> None:
    elsewhere = TOML.replace('"embedded"', '"host=/nowhere"')
    (project.folder / "fluxstore.toml").write_text(elsewhere)

    ran = project.run("db", "start")
    unknown = project.run("db", "start", "--backend", "nope")

    assert ran.returncode == 2
    assert 'dsn = "embedded"' in ran.stderr
    assert unknown.returncode == 3
    assert "configured: pg" in unknown.stderr


def test_doctor_is_content_with_an_embedded_server(project: Project) -> None:
    ran = project.run("doctor")

    assert ran.returncode == 0, ran.stdout
    assert "embedded PostgreSQL" in ran.stdout
