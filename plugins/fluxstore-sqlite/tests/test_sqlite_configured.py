"""SQLite as an application and the command line meet it: named in fluxstore.toml."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fluxstore
from fluxstore.errors import ConfigError, ConflictError, RecordNotFoundError

ENTITIES = """
from fluxstore import entity, field

@entity("projects")
class Project:
    id: str
    name: str = ""

@entity("tasks")
class Task:
    id: str
    title: str
    project_id: str = field(references="projects", on_delete="cascade")
    tags: list[str] = field(factory=list)
"""
TOML = """
entities = ["entities"]

[backends.app]
adapter = "sqlite"
path = "data/app.db"
timeout = "2s"
[backends.app.entities.tasks]
table = "todo"
columns = { title = "heading" }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "entities.py").write_text(ENTITIES)
    (tmp_path / "fluxstore.toml").write_text(TOML)
    return tmp_path


def test_the_adapter_is_found_by_its_name_and_imported_only_then(project):
    code = "import sys, fluxstore_sqlite; print('fluxstore_sqlite.adapter' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert "False" == done.stdout.strip()
    assert fluxstore.Plugins.load().adapter("sqlite").name == "sqlite"


def test_a_store_on_sqlite_has_every_verb(project):
    with fluxstore.open(project / "fluxstore.toml") as store:
        tasks = store["tasks"]
        task_class = tasks.entity.cls
        store["projects"].create(store["projects"].entity.cls(id="p"))
        task = tasks.create(task_class(id="t", title="Ship", project_id="p", tags=["x"]))
        tasks.update("t", title="Ship it", expect=task)
        with pytest.raises(ConflictError):
            tasks.update("t", title="No", expect=task)
        assert ["t"] == [found.id for found in tasks.find(tags=fluxstore.contains("x"))]
        with store.transaction():
            store["projects"].delete("p")
        with pytest.raises(RecordNotFoundError):
            tasks.get("t")

    assert (project / "data" / "app.db").is_file()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('path = ":memory:"', "not a database in memory"),
        ('path = "x.db"\njournal = "off"', "journal"),
        ('path = "x.db"\ntimeout = "0s"', "a duration above 0"),
        ('path = "x.db"\npth = 1', "pth"),
        ("", "path"),
    ],
)
def test_a_configuration_that_cannot_be_meant_names_its_key(project, line, words):
    text = f'entities = ["entities"]\n[backends.app]\nadapter = "sqlite"\n{line}\n'
    (project / "fluxstore.toml").write_text(text)

    with (
        pytest.raises(ConfigError, match=words) as caught,
        fluxstore.open(project / "fluxstore.toml"),
    ):
        pass
    assert caught.value.key.startswith("backends.app")


def run(project: Path, *arguments: str) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-c", "from fluxstore.cli import main; main()", "--json", *arguments],
        cwd=project, capture_output=True, check=False, text=True,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_the_schema_is_shown_and_compared_on_the_command_line(project):
    code, shown = run(project, "schema", "show")
    assert (0, True) == (code, 'CREATE TABLE IF NOT EXISTS \\"todo\\"' in json.dumps(shown))

    code, told = run(project, "schema", "diff")
    assert "is not there yet" in json.dumps(told)
