"""A crew at work before, during and after a fault: what most rows are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from harness.crew import Crew, wait_until
from harness.migration import Migration
from harness.pauses import pause
from harness.project import Project
from harness.stage import Stage

KEYS = tuple(f"k{number}" for number in range(12))
PRELOADED = KEYS[:8]
WRITES = ("create", "append", "delete")
PROGRESS_BYTES = 15_000
"""How much longer histories become in each part: some 60 calls."""


def storm(
    stage: Stage,
    project: Project,
    fault: Callable[[], AbstractContextManager[object]],
    *,
    named: Sequence[str] = (),
    parts: int = 1,
    most_milliseconds: float | None = None,
) -> Crew:
    """Let writers and a reader work before, during and after a fault; judge what came of it.

    *named* are the verbs that may fail with a named error; everything else must succeed.
    *most_milliseconds* is what the fault may add to the time of a write (p99).
    """
    crew = begun(stage, project)
    calm = time.monotonic_ns()
    get_on(crew)
    began = time.monotonic_ns()
    for _ in range(parts):
        with fault():
            get_on(crew, PROGRESS_BYTES if not named else PROGRESS_BYTES // 5)
        get_on(crew)
    ended = time.monotonic_ns()
    crew.finish()
    calls = crew.history()
    before, during = pause(calls, calm, began), pause(calls, began, ended)
    stage.facts |= {"calm": str(before), "fault": str(during)}
    stage.judge(project, [*crew.before, *calls], named=named)
    if most_milliseconds is not None:
        added = during.p99 - before.p99
        stage.require(added <= most_milliseconds, f"writes took {added:.0f} ms longer (p99)")
    return crew


def begun(
    stage: Stage, project: Project, *, writers: int = 3, steps_per_second: float = 60
) -> Crew:
    """Return a crew at work on a project with records, in the phase of the case."""
    before = project.preload(PRELOADED)
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    crew.before = before
    for number in range(writers):
        crew.start(f"w{number}", KEYS, steps_per_second=steps_per_second)
    crew.start("reader", KEYS, mixture={"read": 1}, steps_per_second=steps_per_second)
    crew.ready()
    return crew


def get_on(crew: Crew, more_bytes: int = PROGRESS_BYTES, seconds: float = 60) -> None:
    """Wait until the crew has got on: it works, or fails with an error, but does not hang."""
    wanted = crew.bytes_so_far() + more_bytes
    wait_until(lambda: crew.bytes_so_far() > wanted, "the crew gets on", seconds)
