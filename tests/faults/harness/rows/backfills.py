"""Rows about copying while others write: backfill, validation, and dual write killed anywhere."""

from __future__ import annotations

import json
import shutil

from harness import strace
from harness.crew import Crew
from harness.migration import Migration
from harness.project import Project
from harness.row import Row
from harness.rows.crashes import MOST_CALLS, OLD, SCRIPT
from harness.stage import Case, Stage
from harness.storm import KEYS, get_on

OLD_RECORDS = tuple(f"old{number}" for number in range(200))
MIXTURE = {"append": 5, "delete": 1, "create": 1}
SAVED = "write,pwrite64,fdatasync,sendto"
TO_POSTGRES = Case("json", "postgres", "backfill")
TO_SQLITE = Case("json", "sqlite", "backfill")
TO_JSON = Case("sqlite", "json", "backfill")


def sweep(stage: Stage, calls: str) -> None:
    """Kill a writer at its N-th call for N = 1, 2, …, in the phase of the case; judge each."""
    for when in stage.sweep(2, MOST_CALLS):
        if not killed_once(stage, calls, when):
            return


def killed_once(stage: Stage, calls: str, when: int) -> bool:
    """Kill a writer at one call; go on as a restarted application would; judge both sides."""
    project = stage.project(checkpoint="every write")
    before = project.preload(OLD)
    Migration(project).reach(stage.case.phase)
    log = project.folder / "strace.log"
    crew = stage.crew(project, strace.killed_at(calls, when, log))
    crew.start("w", (*OLD, "new"), script=SCRIPT)
    crew.wait()
    stage.note(runs=1)
    stage.judge(project, [*before, *crew.history()])
    hit = strace.was_hit(log)
    shutil.rmtree(project.folder)
    return hit


def filling(stage: Stage, mixture: dict[str, int] | None = None) -> tuple[Project, Crew]:
    """Return a project whose backfill is due, with writers at the records that it will copy."""
    project = stage.project()
    crew = stage.crew(project)
    crew.before = project.preload(OLD_RECORDS)
    Migration(project).reach("backfill")
    for number in range(3):
        keys = OLD_RECORDS[number::7] + KEYS[:3]
        crew.start(f"w{number}", keys, steps_per_second=30, mixture=mixture or MIXTURE)
    crew.ready()
    return project, crew


def killed_backfill(stage: Stage) -> None:
    """Kill the backfill at its N-th call; run again, it completes what is missing."""
    project, crew = filling(stage)
    for when in stage.sweep(3, MOST_CALLS, stride=3):
        log = project.folder / "strace.log"
        dying = Migration(project, prefix=strace.killed_at(SAVED, when, log))
        done = dying.run("migrate", *project.way)
        stage.note(runs=1)
        if done.code == 0:
            break
    copied(stage, project, crew)


def copied(stage: Stage, project: Project, crew: Crew) -> None:
    """Complete the backfill, let the writers end, and judge both sides."""
    Migration(project).until_done("migrate", *project.way)
    get_on(crew)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


def same_ids_again(stage: Stage) -> None:
    """Delete and create the same records again while they are copied, again and again."""
    project, crew = filling(stage, {"create": 3, "delete": 3, "append": 1})
    for _ in range(stage.short_or_full(2, 30)):
        Migration(project).until_done("migrate", *project.way)
    copied(stage, project, crew)


def late_chunks(stage: Stage) -> None:
    """Let every message of the backfill be late, so that deletes come between read and write."""
    project, crew = filling(stage, {"delete": 3, "create": 2, "append": 1})
    log = project.folder / "strace.log"
    slow = Migration(project, prefix=strace.delayed("sendto,fdatasync", 60_000, log))
    slow.until_done("migrate", *project.way)
    copied(stage, project, crew)


def killed_validation(stage: Stage) -> None:
    """Kill a validation at a random moment: nothing has changed, and the next one is whole."""
    project = stage.project()
    project.preload(OLD_RECORDS)
    migration = Migration(project)
    migration.reach("shadow")
    whole = migration.must("validate", *project.way, "--json").out
    before = [project.records(name) for name in project.ends]
    for _ in range(stage.short_or_full(3, 30)):
        migration.run("validate", *project.way, kill_after=0.3 + 2 * stage.random.random())
    after = [project.records(name) for name in project.ends]
    stage.require(before == after, "a killed validation changed records")
    again = migration.must("validate", *project.way, "--json").out
    stage.require(_counts(whole) == _counts(again), f"{whole} became {again}")


def _counts(printed: str) -> object:
    return json.loads(printed).get("entities")


def no_false_alarm(stage: Stage) -> None:
    """Validate while writers are at work: no difference is reported, for there is none."""
    project, crew = filling(stage)
    migration = Migration(project)
    migration.until_done("migrate", *project.way)
    migration.set("shadow")
    for _ in range(stage.short_or_full(2, 10)):
        migration.must("validate", *project.way)
        stage.note(validations=1)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


ROWS = (
    Row(
        "F02",
        "kill -9 at every file or network call of a dual write",
        "T1",
        "nothing lost, one effect each; marks drain to none",
        lambda stage: sweep(stage, f"{strace.FILE_CALLS},sendto"),
        (
            Case("json", "postgres", "dual_write"),
            Case("json", "sqlite", "dual_write"),
            Case("sqlite", "json", "dual_write"),
        ),
        needs=("strace",),
    ),
    Row(
        "F04",
        "kill -9 at every sendto of a write",
        "T1",
        "what was acknowledged is there; the same op_id has one effect",
        lambda stage: sweep(stage, "sendto"),
        (Case("json", "postgres", "live"),),
        needs=("strace",),
    ),
    Row(
        "F05",
        "kill -9 of the backfill at every third call",
        "T1",
        "the next run completes it; nothing is missing",
        killed_backfill,
        (TO_POSTGRES, TO_SQLITE, TO_JSON),
        needs=("strace",),
    ),
    Row(
        "F10",
        "kill -9 of a validation",
        "kill",
        "nothing changes; the next one is as if it had never begun",
        killed_validation,
        (Case("json", "sqlite", "shadow"),),
    ),
    Row(
        "F44",
        "records deleted and created again while they are copied",
        "none",
        "nothing lost, nothing resurrected",
        same_ids_again,
        (TO_POSTGRES, TO_SQLITE, TO_JSON),
    ),
    Row(
        "F45",
        "a delete between reading a batch and writing it",
        "T1",
        "it stays deleted",
        late_chunks,
        (TO_POSTGRES, TO_SQLITE),
        needs=("strace",),
    ),
    Row(
        "F66",
        "validation under load",
        "none",
        "no false alarm",
        no_false_alarm,
        (Case("json", "postgres", "shadow"), Case("json", "sqlite", "shadow")),
    ),
)
