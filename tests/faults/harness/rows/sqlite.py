"""Rows about SQLite as an application's store: killed, held up, full, and its log removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from harness import strace
from harness.disks import filled, small_disk
from harness.project import Project
from harness.row import Row
from harness.rows.backfills import sweep
from harness.stage import Case, Stage
from harness.storm import WRITES, storm

FOLLOWS, ANSWERS = (Case("json", "sqlite", phase) for phase in ("dual_write", "live"))
SOURCE = Case("sqlite", "json", "dual_write")


@contextmanager
def held_up(project: Project, file: Path) -> Iterator[None]:
    """Have another program in the middle of a write while the context lasts."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def log_removed(project: Project, file: Path) -> Iterator[None]:
    """Have the log of the last commits removed while it is open, as a tidy person would."""
    file.with_name(f"{file.name}-wal").unlink(missing_ok=True)
    yield


TROUBLES: Mapping[str, Callable[[Project, Path], AbstractContextManager[None]]] = {
    "busy": held_up,
    "full": lambda project, file: filled(file.parent),
    "log-removed": log_removed,
}


def in_trouble(stage: Stage, trouble: str) -> None:
    """Let writers work while their file is in trouble; who only follows is not noticed."""
    with small_disk(stage.place("small"), "160m") as place:
        project = stage.project(database=place)
        named = (*WRITES, "read") if stage.case.authority == "sqlite" else ()
        act = TROUBLES[trouble]
        storm(stage, project, lambda: act(project, place / "logbooks.db"), named=named)


def _row(number: str, fault: str, tools: str, expected: str, trouble: str) -> Row:
    cases = (SOURCE, FOLLOWS, ANSWERS)
    return Row(
        f"F69{number}",
        fault,
        tools,
        expected,
        lambda stage: in_trouble(stage, trouble),
        cases,
        needs=("mount",),
    )


NAMED = "a named error where it answers; no caller notices where it follows"
ROWS = (
    Row(
        "F69",
        "kill -9 at every file call of SQLite",
        "T1",
        "nothing lost, one effect each; marks drain to none",
        lambda stage: sweep(stage, strace.FILE_CALLS),
        (SOURCE, FOLLOWS, ANSWERS),
        needs=("strace",),
    ),
    _row("b", "another program in the middle of a write to SQLite", "lock", NAMED, "busy"),
    _row("f", "SQLite's disk full", "T3", NAMED, "full"),
    _row("w", "SQLite's -wal file removed", "edit", "nothing acknowledged is lost", "log-removed"),
)
