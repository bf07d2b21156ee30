"""Rows without a fault: many processes at the same records."""

from __future__ import annotations

from harness.migration import Migration
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import begun, get_on

NEVER_DELETED = {"append": 5, "read": 1}


def same_ids(stage: Stage) -> None:
    """Let processes create the same records: one succeeds with each, the others are told."""
    keys = tuple(f"n{number}" for number in range(stage.short_or_full(60, 1000)))
    project = stage.project()
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    for number in range(2):
        crew.start(f"w{number}", keys, script=tuple(("create", key) for key in keys))
    crew.wait()
    calls = crew.history()
    made = {key: [c for c in calls if c.key == key and c.outcome == "ok"] for key in keys}
    wrong = [f"{key}: {len(by)} creates succeeded" for key, by in made.items() if len(by) != 1]
    stage.require(not wrong, *wrong)
    stage.judge(project, calls)


def many_writers(stage: Stage) -> None:
    """Let eight processes append to ten records."""
    project = stage.project()
    crew = begun(stage, project, writers=stage.short_or_full(4, 8), steps_per_second=0)
    get_on(crew, stage.short_or_full(200_000, 2_000_000), seconds=300)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


PAIRS = (("json", "sqlite"), ("sqlite", "json"), ("postgres", "json"))
ROWS = (
    Row(
        "F42",
        "one id created by two processes",
        "none",
        "exactly one success, one RecordExistsError",
        same_ids,
        tuple(
            Case(source, target, phase)
            for source, target in PAIRS
            for phase in ("off", "dual_write", "live", "complete")
        ),
    ),
    Row(
        "F43",
        "many processes append to ten records",
        "none",
        "every acknowledged append is there once, in order",
        many_writers,
        tuple(Case(source, target, "off") for source, target in PAIRS),
    ),
)
