"""What this plugin's tests share: a file of the test's own, opened as often as it likes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from fluxstore.adapter import Opening, Use
from fluxstore.entity import Entities
from fluxstore.testing.databases import reachable_folder
from fluxstore.testing.entities import ENTITIES
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings

__all__ = ["File", "file", "file_in", "other", "reachable_folder"]


@attrs.define
class File:
    """A SQLite file, seen through adapters and through a connection of nobody's."""

    path: Path
    opened: list[SqliteAdapter] = attrs.field(factory=list)

    def open(
        self,
        entities: Entities = ENTITIES,
        *,
        use: Use = Use.SERVE,
        of: dict[str, Any] | None = None,
        **settings: Any,
    ) -> SqliteAdapter:
        """Open an adapter; *of* are settings of entities. It is closed with the test."""
        own = Settings(**{"path": self.path.name, **settings})
        opening = Opening("app", own, entities, of or {}, self.path.parent, use)
        self.opened.append(SqliteAdapter(opening))
        return self.opened[-1]

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as another program would; return what the last one answers."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as driver:
            answers = [driver.execute(statement).fetchall() for statement in statements]
        return answers[-1]

    def beside(self) -> set[str]:
        """Return the names of all files in the folder."""
        return {path.name for path in self.path.parent.iterdir()}


@pytest.fixture
def file_in() -> Iterator[Callable[[Path], File]]:
    """Makes files that are not there yet, each alone in a folder below the one given."""
    made: list[File] = []

    def make(folder: Path) -> File:
        (folder / "data").mkdir()
        made.append(File(folder / "data" / "app.db"))
        return made[-1]

    yield make
    for adapter in [adapter for one in made for adapter in one.opened]:
        adapter.close()


@pytest.fixture
def file(file_in: Callable[[Path], File], tmp_path: Path) -> File:
    """A file that is not there yet, alone in a folder."""
    return file_in(tmp_path)


@pytest.fixture
def other(file: File) -> Iterator[Callable[[], sqlite3.Connection]]:
    """Connections of another program, closed with the test."""
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(file.path, isolation_level=None, timeout=0))
        return opened[-1]

    yield connect
    for driver in opened:
        driver.close()
