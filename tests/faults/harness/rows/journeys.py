"""The whole migration under load and fire: what the project must show."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from harness.crew import Crew
from harness.history import Call
from harness.migration import Done, Migration
from harness.pauses import pause
from harness.project import Project
from harness.rhythm import Rhythm
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import KEYS, PRELOADED, get_on
from harness.watch import Watch

THERE_AND_BACK = (
    "dual_write",
    "backfill",
    "migrate",
    "shadow",
    "live",
    "shadow",
    "live",
    "complete",
    "live",
    "shadow",
)
HANDS_OVER = {("shadow", "live"), ("live", "shadow")}
LONGEST_PAUSE_MILLISECONDS = 1000.0
LONGEST_OF_FEW_MILLISECONDS = 3000.0
"""In the short form, where the p99 is the longest, and other tests run beside it."""
COPIED = tuple(f"old{number}" for number in range(400))
"""Records that nobody touches: what the backfill has to do."""


class Fire:
    """Kills writers, the relay and the migrating command at random, while the context lasts."""

    def __init__(self, stage: Stage, project: Project, crew: Crew) -> None:
        """Kill who works on *project*; nothing happens yet."""
        self._stage, self._project, self._crew = stage, project, crew
        self._random = stage.random
        self._relay: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def kill_after(self) -> float | None:
        """Tell when the next command dies: some do, at a random moment."""
        if self._random.random() < 0.4:
            self._stage.note(commands_killed=1)
            return 0.3 + 3 * self._random.random()
        return None

    def strike(self) -> None:
        """Kill a writer, or the relay, and start it again."""
        if self._relay is None or self._random.random() < 0.3:
            self.relay_again()
            return
        name = self._random.choice(
            [name for name in self._crew.workers if not name.startswith("reader")]
        )
        self._crew.kill(name)
        self._crew.again(name)
        self._stage.note(writers_killed=1)

    def relay_again(self) -> None:
        """Start the relay, and kill the one that ran."""
        self.put_out()
        self._relay = self._project.beside("relay")
        self._stage.note(relays=1)

    def put_out(self) -> None:
        """Kill the relay."""
        if self._relay is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._relay.pid, signal.SIGKILL)
            self._relay.wait()
            self._relay = None


def there_and_back(stage: Stage) -> None:
    """Go through every phase and back again under load, while everybody dies at random."""
    project = stage.project()
    crew = at_work(stage, project)
    fire = Fire(stage, project, crew)
    migration = Migration(project)
    switches: list[Done] = []
    try:
        with Watch(project) as watch, Rhythm(fire.strike, stage.short_or_full(2.5, 1.0)):
            walk(THERE_AND_BACK, migration, crew, fire.kill_after, switches.append)
    finally:
        fire.put_out()
    crew.finish()
    calls = crew.history()
    told = watch.wrong() + waited(stage, calls, switches)
    stage.judge(project, [*crew.before, *calls])
    stage.require(not told, *told)


def at_work(stage: Stage, project: Project) -> Crew:
    """Return a crew of the row's size, at work in phase ``off``."""
    crew = stage.crew(project)
    crew.before = project.preload((*PRELOADED, *COPIED))
    writers = stage.short_or_full(3, 8)
    for number in range(writers):
        rate = stage.short_or_full(12, 25)
        crew.start(f"w{number}", KEYS, steps_per_second=rate)
    for number in range(stage.short_or_full(1, 2)):
        crew.start(
            f"reader{number}", (*KEYS, *COPIED[:4]), mixture={"read": 1}, steps_per_second=20
        )
    crew.ready()
    return crew


def walk(
    steps: tuple[str, ...],
    migration: Migration,
    crew: Crew,
    kill_after: Callable[[], float | None],
    switched: Callable[[Done], None],
    *,
    here: str = "off",
) -> None:
    """Take every step, from the phase *here*, and let the crew get on in each phase."""
    for step in steps:
        get_on(crew)
        if step == "migrate":
            migration.until_done("migrate", *migration.project.way, kill_after=kill_after)
            continue
        done = migration.walk(step, kill_after)
        if (here, step) in HANDS_OVER:
            switched(done)
        here = step
    get_on(crew)


def waited(stage: Stage, calls: list[Call], switches: list[Done]) -> list[str]:
    """Return the switches at which writes waited too long, and note what they waited."""
    stage.facts["writes"] = str(pause(calls))
    wrong = []
    for number, switch in enumerate(switches):
        found = pause(calls, switch.began, switch.ended)
        stage.facts[f"switch{number + 1}"] = str(found)
        if found.p99 > stage.short_or_full(LONGEST_OF_FEW_MILLISECONDS, LONGEST_PAUSE_MILLISECONDS):
            wrong.append(f"at switch {number + 1} writes waited {found} (p99/longest/writes)")
    return wrong


def restarting(stage: Stage) -> None:
    """Go to ``shadow`` while PostgreSQL stops at once every few seconds: no caller notices."""
    project = stage.project()
    crew = at_work(stage, project)
    migration = Migration(project)
    with Watch(project) as watch, restarted(stage):
        walk(
            ("dual_write", "backfill", "migrate", "shadow"), migration, crew, lambda: None, _ignore
        )
        get_on(crew)
    crew.finish()
    calls = crew.history()
    stage.facts["writes"] = str(pause(calls))
    stage.judge(project, [*crew.before, *calls])
    stage.require(not (told := watch.wrong()), *told)


@contextmanager
def restarted(stage: Stage) -> Iterator[None]:
    """Have PostgreSQL stopped at once, and started again, every few seconds."""

    def restart() -> None:
        with stage.server.down():
            stage.note(restarts=1)

    with Rhythm(restart, stage.short_or_full(4.0, 5.0)):
        yield


def _ignore(_: Done) -> None:
    """Do nothing with a switch."""


ROWS = (
    Row(
        "M01",
        "there and back, everybody killed at random",
        "kill -9",
        "nothing lost or resurrected, no failed call, a pause of at most 1 s, both sides equal",
        there_and_back,
        (
            Case("json", "postgres", "shadow"),
            Case("json", "sqlite", "shadow"),
            Case("sqlite", "postgres", "shadow"),
            Case("postgres", "json", "shadow"),
        ),
        limit_seconds=500,
    ),
    Row(
        "M02",
        "PostgreSQL restarted every few seconds",
        "T8",
        "no caller meets an error; both sides equal at the end",
        restarting,
        (Case("json", "postgres", "shadow"),),
    ),
)
