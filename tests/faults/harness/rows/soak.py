"""The soak: half an hour of everything at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping

from harness.crew import Crew
from harness.migration import Migration
from harness.pauses import pause
from harness.project import Project
from harness.rhythm import Rhythm
from harness.row import Row
from harness.rows.journeys import THERE_AND_BACK, Fire, at_work, walk
from harness.stage import Case, Stage
from harness.watch import Watch

ALL_VERBS = ("create", "append", "delete", "read")
ROUND = ("live", "shadow", "live", "complete", "live", "shadow")
SHORTEST_SECONDS, SOAK_SECONDS = 60.0, 1800.0
EVERY_SECONDS = 5.0
PAUSED_SECONDS = 1.5


class Storm(Fire):
    """A random fault every few seconds."""

    def __init__(self, stage: Stage, project: Project, crew: Crew) -> None:
        """Know every fault; nothing happens yet."""
        super().__init__(stage, project, crew)
        self.faults: Mapping[str, Callable[[], None]] = {
            "kill": super().strike,
            "kill again": super().strike,
            "restart": self._restart,
            "terminate": stage.server.terminate_all,
            "pause server": self._pause_server,
            "pause writer": self._pause_writer,
        }

    def strike(self) -> None:
        """Let one of the faults happen."""
        self.faults[self._random.choice(list(self.faults))]()
        self._stage.note(faults=1)

    def _restart(self) -> None:
        with self._stage.server.down():
            pass

    def _pause_server(self) -> None:
        with self._stage.server.paused():
            _wait(PAUSED_SECONDS)

    def _pause_writer(self) -> None:
        name = self._random.choice([name for name in self._crew.workers if name[0] == "w"])
        self._crew.signal(name, signal.SIGSTOP)
        try:
            _wait(PAUSED_SECONDS)
        finally:
            self._crew.signal(name, signal.SIGCONT)


def _wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)


def soak(stage: Stage) -> None:
    """Walk there and back, again and again, through a storm of faults."""
    project = stage.project()
    crew = at_work(stage, project)
    storm, migration = Storm(stage, project, crew), Migration(project)
    until = time.monotonic() + stage.short_or_full(SHORTEST_SECONDS, SOAK_SECONDS)
    try:
        with Watch(project) as watch, Rhythm(storm.strike, EVERY_SECONDS):
            walk(THERE_AND_BACK, migration, crew, storm.kill_after, _ignore)
            while time.monotonic() < until:
                walk(ROUND, migration, crew, storm.kill_after, _ignore, here="shadow")
                stage.note(rounds=1)
    finally:
        storm.put_out()
    crew.finish()
    calls = crew.history()
    stage.facts["writes"] = str(pause(calls))
    stage.judge(project, [*crew.before, *calls], named=ALL_VERBS)
    stage.require(not (told := watch.wrong()), *told)


def _ignore(_: object) -> None:
    """Do nothing with a switch."""


ROWS = (
    Row(
        "F75",
        "half an hour of random faults, every 5 s one",
        "all",
        "nothing lost or resurrected, one authority, both sides equal at the end",
        soak,
        (Case("json", "postgres", "shadow"),),
        limit_seconds=400,
    ),
)
