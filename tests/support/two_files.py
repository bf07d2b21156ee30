"""A project with two SQLite backends: everything that moves records, without a server."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import attrs
from shell import inside

WAY = ("--from", "old", "--to", "new")
CONFIG = """
entities = ["entities"]

[backends.old]
adapter = "sqlite"
path = "old.db"

[backends.new]
adapter = "sqlite"
path = "new.db"

[policy]
adapter = "phases"
source = "old"
target = "new"
"""
ENTITIES = """
from datetime import datetime
from fluxstore import entity, field

@entity("teams")
class Team:
    id: str
    name: str

@entity("tasks")
class Task:
    id: str
    title: str
    team_id: str | None = field(default=None, references="teams")
    email: str | None = field(default=None, pii=True)
    due: datetime | None = None
"""
TABLES = """
CREATE TABLE teams (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL);
CREATE TABLE tasks (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL,
    team_id TEXT REFERENCES teams (id), email TEXT, due TEXT);
"""


@attrs.frozen
class Project:
    """A folder with a configuration, entities, and a source full of records."""

    folder: Path

    def run(self, *arguments: str | Path) -> CompletedProcess[str]:
        """Run a command there."""
        return inside(*arguments, folder=self.folder)

    def json(self, *arguments: str | Path) -> dict[str, Any]:
        """Run a command with ``--json`` and return what it printed."""
        told: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return told

    def sql(self, backend: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement in a backend's file, as another program would."""
        with sqlite3.connect(self.folder / f"{backend}.db") as driver:
            rows = driver.execute(statement, values).fetchall()
        driver.close()
        return rows


def project(folder: Path, *, tasks: int = 40) -> Project:
    """Return a new project with 4 teams and some tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fluxstore.toml").write_text(CONFIG)
    (folder / "entities.py").write_text(ENTITIES)
    driver = sqlite3.connect(folder / "old.db")
    driver.executescript(TABLES)
    driver.executemany(
        "INSERT INTO teams VALUES (?, ?)", [(f"t{n}", f"Team {n}") for n in range(4)]
    )
    driver.executemany(
        "INSERT INTO tasks VALUES (?, ?, ?, ?, ?)",
        [
            (f"k{n:05}", f"Task {n}", f"t{n % 4}", f"a{n}@example.com", "2026-01-02T03:04:05Z")
            for n in range(tasks)
        ],
    )
    driver.commit()
    driver.close()
    return Project(folder)
