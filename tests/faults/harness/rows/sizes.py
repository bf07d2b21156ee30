"""Rows about size: a million records, a command killed on the way, and what memory it took."""

from __future__ import annotations

import json
import os
import signal
import time

from fluxstore.query import Query
from harness.migration import Migration
from harness.project import Project
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import KEYS, get_on

MEBIBYTE = 1 << 20
MOST_BYTES = 64 * MEBIBYTE
"""Goals 3 and 5 of the project: above what the bare import takes."""
BYTES_A_RECORD = 64
_END_SECONDS = 3600.0


def many_records(stage: Stage) -> None:
    """Copy and compare very many records under a writer, the copy killed once: memory is flat."""
    count = stage.short_or_full(30_000, 1_000_000)
    project = stage.project()
    _write(project, count)
    migration = Migration(project)
    migration.reach("backfill")
    crew = stage.crew(project)
    crew.start("w", KEYS, steps_per_second=5)
    crew.ready(seconds=_END_SECONDS)
    bare, _, _ = _measured(project, "plugins")
    killed_after = stage.short_or_full(2.0, 20.0)
    _, code, _ = _measured(project, "migrate", *project.way, kill_after=killed_after)
    stage.note(killed=int(code < 0))
    copying, code, said = _measured(project, "migrate", *project.way)
    stage.require(code == 0, f"migrate: exit {code}: {said}")
    migration.set("shadow")
    comparing, code, said = _measured(project, "validate", *project.way)
    stage.require(code == 0, f"validate: exit {code}: {said}")
    get_on(crew, 500)
    crew.finish(_END_SECONDS)
    stage.facts |= {
        "records": count,
        "migrate_mib": (copying - bare) // MEBIBYTE,
        "validate_mib": (comparing - bare) // MEBIBYTE,
    }
    stage.require(copying - bare <= MOST_BYTES, "migrate took too much memory")
    most = MOST_BYTES + BYTES_A_RECORD * count
    stage.require(comparing - bare <= most, "validate took too much memory")
    calls = crew.history()
    with project.opened(project.setup.target) as target:
        there = target.collection(project.loaded().entities["logbooks"]).count(Query())
    stage.require(there >= count, f"{there} of {count} records are there")
    stage.require(not [call for call in calls if call.outcome == "unknown"], "a call was lost")


def _write(project: Project, count: int) -> None:
    with (project.data / "logbooks.json").open("w") as file:
        file.write('{"logbooks": [\n')
        for number in range(count):
            record = {"id": f"m{number:08}", "entries": [f"e{number}"] * 20, "count": 20}
            file.write(json.dumps(record) + (",\n" if number + 1 < count else "\n"))
        file.write("]}\n")


def _measured(
    project: Project, *arguments: str, kill_after: float | None = None
) -> tuple[int, int, str]:
    """Return a command's peak memory in bytes, its exit code, and what it said last."""
    process = project.beside(*arguments)
    until = time.monotonic() + (kill_after or _END_SECONDS)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > until:
            os.killpg(process.pid, signal.SIGKILL)
            until += _END_SECONDS
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    said = (project.folder / f"{arguments[0]}.log").read_text(errors="replace")[-400:]
    return usage.ru_maxrss * 1024, process.returncode, said


ROWS = (
    Row(
        "F68",
        "a million records, the copy killed on the way",
        "kill",
        "copied and compared in flat memory: 64 MiB, for comparing 64 bytes a record more",
        many_records,
        (Case("json", "postgres", "shadow"),),
    ),
)
