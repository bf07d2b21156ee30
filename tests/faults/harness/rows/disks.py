"""Rows in which a disk is full, fails or is read-only."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import strace
from harness.disks import Disk, filled, small_disk
from harness.migration import Migration
from harness.row import Row
from harness.rows.crashes import MOST_CALLS, OLD, SCRIPT
from harness.stage import Case, Stage
from harness.storm import WRITES, begun, get_on, storm

FAILING_CALLS = ("pwrite64", "fsync", "fdatasync", "renameat2", "ftruncate")
LEAST_ROOM_BYTES, ROOM_BYTES = 60_000, 250_000
"""Less would cut the history short, too."""


def full_disk(stage: Stage) -> None:
    """Let writers meet a disk without room, and go on once there is room again."""
    with small_disk(stage.place("small"), "24m") as place:
        project = stage.project(data=place / "data")
        storm(stage, project, lambda: filled(place), named=WRITES)


def full_follower(stage: Stage) -> None:
    """Fill the disk of the JSON files while they follow: no caller notices."""
    with small_disk(stage.place("small"), "24m") as place:
        project = stage.project(data=place / "data", database=stage.place("database"))
        storm(stage, project, lambda: filled(place))


def failing_calls(stage: Stage, error: str) -> None:
    """Let each call of each kind fail once, from the first to the last one there is."""
    for calls in FAILING_CALLS:
        for when in stage.sweep(2, MOST_CALLS):
            lasting = "+" if stage.random.random() < 0.5 else ""
            if not failed_once(stage, calls, error, f"{when}{lasting}"):
                break


def failed_once(stage: Stage, calls: str, error: str, when: str) -> bool:
    """Let a call of a writer fail, or it and all later ones; tell whether any did.

    What a commit that failed left in a log must not count once the disk is well again.
    """
    project = stage.project(checkpoint="every write")
    before = project.preload(OLD)
    Migration(project).reach(stage.case.phase)
    log = project.folder / "strace.log"
    crew = stage.crew(project, strace.failing(calls, error, when, log))
    crew.start("w", (*OLD, "new"), script=SCRIPT)
    crew.wait(well=False)
    stage.note(runs=1)
    stage.judge(project, [*before, *crew.history()], named=(*WRITES, "read"))
    hit = strace.was_hit(log)
    shutil.rmtree(project.folder)
    return hit


def short_writes(stage: Stage) -> None:
    """Let no file become larger than a limit: a write that reaches it is cut short."""
    for room in stage.short_or_full((80_000,), range(LEAST_ROOM_BYTES, ROOM_BYTES, 4096)):
        project = stage.project(checkpoint="every write")
        before = project.preload(OLD)
        crew = stage.crew(project, ("prlimit", f"--fsize={room}", "--"))
        crew.start("w", (*OLD, "new"), steps=60)
        crew.wait(well=False)
        stage.judge(project, [*before, *crew.history()], named=(*WRITES, "read"))
        stage.note(runs=1, refused=sum("Error" in call.error for call in crew.history()))
        shutil.rmtree(project.folder)


def read_only(stage: Stage) -> None:
    """Let the disk become read-only under writers: writes fail by name, reads go on.

    The writers stand still at that moment, wherever in a write they are, since ext4 acknowledges
    a flush that is under way then, and throws away what it was of.
    """
    disk: Disk = stage.disk()
    is_authority = stage.case.authority == stage.case.source
    elsewhere = disk.place if stage.case.phase == "off" else stage.place("database")
    project = stage.project(data=disk.place / "data", database=elsewhere)
    crew = begun(stage, project)
    get_on(crew)
    with crew.stopped():
        disk.become_read_only()
    get_on(crew)
    crew.finish(well=False)
    disk.mend()
    calls = crew.history()
    refused = sum(call.error.startswith("AccessError") for call in calls)
    stage.note(refused=refused)
    named = WRITES if is_authority else ()
    stage.judge(project, [*crew.before, *calls], named=named)
    stage.require(bool(refused) is is_authority, f"{refused} calls met a disk that is read-only")


def unreadable_file(stage: Stage) -> None:
    """Take the rights of a file away: it is named, and nothing is changed."""
    project = stage.project()
    before = project.preload(OLD)
    file: Path = project.data / "logbooks.json"
    file.chmod(0)
    crew = stage.crew(project, ("setpriv", "--bounding-set=-all", "--inh-caps=-all"))
    crew.start("w", (*OLD, "new"), script=(("read", "old0"), ("append", "old1")))
    crew.wait(well=False)
    told = " ".join([crew.said("w"), *(call.error for call in crew.history())])
    stage.require("logbooks.json" in told, f"the file is not named: {told}")
    file.chmod(0o644)
    stage.judge(project, [*before, *crew.history()], named=(*WRITES, "read"))


ROWS = (
    Row(
        "F20",
        "disk full",
        "T3",
        "a named error, the old record intact; works once there is room",
        full_disk,
        (Case("json"), Case("sqlite", "json"), Case("json", "sqlite", "dual_write")),
        needs=("mount",),
    ),
    Row(
        "F21",
        "no room at one call after the other",
        "T1",
        "each ends in success or in a named error without effect",
        lambda stage: failing_calls(stage, "ENOSPC"),
        (Case("json"), Case("sqlite", "json"), Case("json", "sqlite", "dual_write")),
        needs=("strace",),
    ),
    Row(
        "F22",
        "disk full at the JSON follower",
        "T3",
        "no caller notices; marks stay, and drain later",
        full_follower,
        (Case("json", "sqlite", "live"),),
        needs=("mount",),
    ),
    Row(
        "F24",
        "the disk fails at one call after the other",
        "T1",
        "a named error without effect; fsync is not tried again on that descriptor",
        lambda stage: failing_calls(stage, "EIO"),
        (Case("json"), Case("sqlite", "json"), Case("json", "sqlite", "dual_write")),
        needs=("strace",),
    ),
    Row(
        "F26",
        "a write is cut short",
        "T3",
        "no truncated record is ever seen",
        short_writes,
        (Case("json"), Case("sqlite", "json")),
    ),
    Row(
        "F27",
        "the disk becomes read-only",
        "T5",
        "a named error, reads go on; no caller notices where it is the follower's",
        read_only,
        (
            Case("json"),
            Case("sqlite", "json"),
            Case("json", "sqlite", "dual_write"),
            Case("json", "sqlite", "live"),
        ),
        needs=("mount",),
    ),
    Row(
        "F28",
        "a file without rights",
        "chmod",
        "that file is named, nothing is changed",
        unreadable_file,
        (Case("json"),),
    ),
)
