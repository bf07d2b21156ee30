"""Rows about the application's own process: its clock, its threads, and who interrupts it."""

from __future__ import annotations

import signal

from harness import clocks
from harness.clocks import AHEAD, BEHIND
from harness.crew import Crew, wait_until
from harness.migration import Migration
from harness.rhythm import Rhythm
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import KEYS, PRELOADED, get_on


def wrong_clocks(stage: Stage) -> None:
    """Let writers and commands have clocks that are 400 days off, and one that jumps back."""
    project = stage.project()
    before = project.preload(PRELOADED)
    Migration(project).reach("backfill")
    crew = stage.crew(project)
    crew.before = before
    jumping = project.folder / "clock"
    jumping.write_text(AHEAD)
    crew.start("right", KEYS, steps_per_second=30)
    crew.start("ahead", KEYS, steps_per_second=30, environment=clocks.other(FAKETIME=AHEAD))
    crew.start("behind", KEYS, steps_per_second=30, environment=clocks.other(FAKETIME=BEHIND))
    by_file = clocks.other(FAKETIME_TIMESTAMP_FILE=str(jumping), FAKETIME_NO_CACHE="1")
    crew.start("jumping", KEYS, steps_per_second=30, environment=by_file)
    crew.ready()
    for phase, clock in (("shadow", AHEAD), ("live", BEHIND), ("shadow", AHEAD)):
        get_on(crew)
        settings = [f"{name}={value}" for name, value in clocks.other(FAKETIME=clock).items()]
        operator = Migration(project, prefix=("env", *settings))
        if phase == "shadow" and stage.facts.get("jumps", 0) == 0:
            operator.until_done("migrate", *project.way)
        operator.walk(phase, lambda: None)
        jumping.write_text(BEHIND if stage.facts.get("jumps", 0) % 2 == 0 else AHEAD)
        stage.note(jumps=1)
    get_on(crew)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


def interrupted(stage: Stage) -> None:
    """Interrupt a process of sixteen threads in its calls: what it held is let go of."""
    project = stage.project()
    before = project.preload(PRELOADED)
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    crew.start("w0", KEYS, threads=16, is_interrupted=True)
    crew.start("w1", KEYS, steps_per_second=30)
    crew.ready()
    get_on(crew)
    with Rhythm(lambda: crew.signal("w0", signal.SIGINT), 0.05):
        for _ in range(stage.short_or_full(3, 60)):
            get_on(crew, 40_000)
    wait_until(lambda: _interruptions(crew) > 0, "a call is interrupted")
    get_on(crew)
    crew.finish()
    stage.note(interrupted=_interruptions(crew))
    stage.judge(project, [*before, *crew.history()])


def _interruptions(crew: Crew) -> int:
    return sum(call.interrupted for call in crew.history())


ROWS = (
    Row(
        "F56",
        "clocks 400 days off, and one that jumps back",
        "T10",
        "nothing is ordered by them",
        wrong_clocks,
        (Case("json", "postgres", "shadow"), Case("json", "sqlite", "shadow")),
        needs=("clock",),
    ),
    Row(
        "F58",
        "sixteen threads on one store, KeyboardInterrupt in the middle of calls",
        "signals",
        "each call in success, an error, or unknown; what was held is let go of",
        interrupted,
        tuple(
            Case("json", target, phase)
            for target in ("postgres", "sqlite")
            for phase in ("dual_write", "live")
        ),
    ),
)
