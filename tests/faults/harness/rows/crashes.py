"""Rows in which a process is killed, or the power goes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import strace
from harness.crew import Crew, wait_until
from harness.disks import Disk
from harness.history import Call, Script
from harness.migration import Migration
from harness.row import Row
from harness.stage import Case, Stage

OLD = ("old0", "old1", "old2")
SCRIPT: Script = (
    ("create", "new"),
    ("append", "old1"),
    ("delete", "old2"),
    ("append", "new"),
    ("create", "old2"),
    ("delete", "new"),
)
MOST_CALLS = 3000


def sweep(stage: Stage, calls: str) -> None:
    """Kill a writer at its N-th call for N = 1, 2, …, each time on a new project; judge each."""
    for when in stage.sweep(6, MOST_CALLS):
        if not killed_once(stage, calls, when):
            return


def killed_once(stage: Stage, calls: str, when: int) -> bool:
    """Kill a writer at one call, judge what is there; tell whether it was killed at all."""
    project = stage.project(checkpoint="every write")
    before = project.preload(OLD)
    log = project.folder / "strace.log"
    crew = stage.crew(project, strace.killed_at(calls, when, log))
    crew.start("w", (*OLD, "new"), script=SCRIPT, mixture={"append": 1})
    crew.wait()
    stage.note(runs=1)
    stage.judge(project, [*before, *crew.history()])
    hit = strace.was_hit(log)
    shutil.rmtree(project.folder)
    return hit


def power_cut(stage: Stage) -> None:
    """Cut the power of the disk at a random moment while writers work; judge what is there."""
    kind = stage.case.variant or "ext4"
    for _ in range(stage.short_or_full(3, 200)):
        disk = stage.disk(kind)
        cut_once(stage, disk)
        disk.unmount()
        if stage.out_of_time:
            return


def cut_once(stage: Stage, disk: Disk) -> None:
    """Let writers work on the disk, cut its power, and judge what it still holds."""
    project = stage.project(data=disk.place / "data", checkpoint="1s")
    before = project.preload(OLD)
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    for number in range(3):
        crew.start(f"w{number}", (*OLD, "new"), patience_seconds=0)
    crew.ready()
    cut_at = cut_soon(crew, disk, stage.random.randrange(40_000))
    stage.note(cuts=1)
    stage.judge(project, [*before, *until(cut_at, crew.history())])


def cut_soon(crew: Crew, disk: Disk, more_bytes: int) -> int:
    """Cut the power of a disk once the crew has got on; return the moment before it."""
    lines = crew.bytes_so_far() + more_bytes
    wait_until(lambda: crew.bytes_so_far() > lines, "the writers get on")
    moment = time.monotonic_ns()
    disk.cut_power()
    crew.kill_all()
    disk.restart()
    return moment


def cut_at_a_commit(stage: Stage) -> None:
    """Cut the power while the ledger commits or the file is replaced, with nobody following.

    Each flush and each rename is late, so that one of them is nearly always under way. What was
    acknowledged must have left its mark: once the follower is back, both sides are equal.
    """
    for _ in range(stage.short_or_full(2, 100)):
        disk = stage.disk()
        place = disk.place / "data"
        project = stage.project(data=place, checkpoint="every write")
        before = project.preload(OLD)
        Migration(project).reach(stage.case.phase)
        late = strace.delayed(strace.COMMITTING_CALLS, 20_000, project.folder / "strace.log")
        crew = stage.crew(project, late)
        with stage.server.down():
            crew.start("w0", (*OLD, "new"), patience_seconds=0)
            crew.start("w1", (*OLD, "new"), patience_seconds=0)
            crew.ready()
            moment = cut_soon(crew, disk, 4000 + stage.random.randrange(4000))
            stage.require(_is_whole(place / "logbooks.json"), "the user's file is torn")
        stage.note(cuts=1)
        stage.judge(project, [*before, *until(moment, crew.history())])
        disk.unmount()
        if stage.out_of_time:
            return


def _is_whole(file: Path) -> bool:
    return isinstance(json.loads(file.read_bytes())["logbooks"], list)


def until(moment: int, calls: Sequence[Call]) -> Iterator[Call]:
    """Yield what was known at a moment: the machine that would have said more was gone."""
    for call in calls:
        yield call if call.ended < moment else call.as_begun()


ROWS = (
    Row(
        "F01",
        "kill -9 at every file call",
        "T1",
        "the old or the new record, never half; what was acknowledged is there; nothing left over",
        lambda stage: sweep(stage, strace.FILE_CALLS),
        (Case("json"), Case("sqlite", "json")),
        needs=("strace",),
    ),
    Row(
        "F19",
        "power cut while the ledger commits or the file is replaced",
        "T2",
        "every acknowledged write and its mark are there, the user's file is whole",
        cut_at_a_commit,
        (Case("json", "postgres", "dual_write"),),
        needs=("mount", "strace"),
    ),
    Row(
        "F16",
        "power cut at a random moment",
        "T2",
        "every acknowledged write is there, no torn file, the ledger readable",
        power_cut,
        (
            Case("json", variant="ext4"),
            Case("json", variant="xfs"),
            Case("sqlite", "json"),
            Case("json", "sqlite", "dual_write"),
        ),
        needs=("mount",),
    ),
)
