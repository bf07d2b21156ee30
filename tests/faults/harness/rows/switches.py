"""Rows about handing over: cutover and the way back, with everybody dying, late or in the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import attrs

import fluxstore
from harness import strace
from harness.crew import Crew, wait_until
from harness.history import Call
from harness.migration import Done, Migration
from harness.pauses import pause
from harness.project import Project
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import begun, get_on
from harness.watch import Watch

HOLDER = Path(__file__).resolve().parents[2] / "holder.py"
COMMITS = "fdatasync,sendto"
"""What the commit of a control record cannot do without: one of these in SQLite, in PostgreSQL."""
MOST_COMMITS = 200
SETTLED_SECONDS = 30.0
SHORT_PAUSE_MILLISECONDS = 1000.0
PATIENCE_SECONDS = 5.0
SHADOW = (
    Case("json", "postgres", "shadow"),
    Case("json", "sqlite", "shadow"),
    Case("postgres", "json", "shadow"),
)


def switches(stage: Stage, wanted: str, back: str) -> None:
    """Kill the command at its N-th commit for N = 1, 2, …; writers go on by themselves."""
    project = stage.project()
    crew = begun(stage, project, steps_per_second=stage.short_or_full(20, 60))
    migration = Migration(project)
    if wanted == "shadow":
        migration.walk("live", _never)
    with Watch(project) as watch:
        for when in stage.sweep(2, MOST_COMMITS):
            log = project.folder / f"strace-{when}.log"
            killed = killed_switch(migration, crew, wanted, strace.killed_at(COMMITS, when, log))
            stage.note(runs=1, killed=killed)
            migration.walk(wanted, _never)
            migration.walk(back, _never)
            if stage.full and not killed:
                break
    migration.walk("shadow", _never)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])
    stage.require(not (told := watch.wrong()), *told)


def killed_switch(migration: Migration, crew: Crew, wanted: str, prefix: tuple[str, ...]) -> bool:
    """Have one switch killed; wait until the writers go on; tell whether it was killed."""
    if wanted == "live":
        migration.until_done("validate", *migration.project.way)
    dying = Migration(migration.project, prefix=prefix)
    done = dying.run("phase", "set", wanted, "--yes")
    get_on(crew, 6000, seconds=SETTLED_SECONDS)
    return done.code not in {0, 6}


def holder_in_the_way(stage: Stage) -> None:
    """Stop a writer inside its transaction: the cutover gives up, and says who it is."""
    project = stage.project()
    crew = begun(stage, project, steps_per_second=10)
    migration = Migration(project)
    migration.must("validate", *project.way)
    before = project.controls()
    holder = project.start(sys.executable, str(HOLDER), str(project.config), "held")
    wait_until(lambda: _is_stopped(holder.pid), "the holder is stopped in its transaction")
    refused = migration.run("phase", "set", "live", "--yes")
    os.kill(holder.pid, signal.SIGCONT)
    seconds = (refused.ended - refused.began) / 1e9
    after = project.controls()
    stage.require(refused.code == 6, f"exit 6 expected: {refused}")
    stage.require(seconds < PATIENCE_SECONDS + 5, f"it gave up after {seconds:.1f} s")
    stage.require(str(holder.pid) in refused.errors, f"pid {holder.pid} is not named: {refused}")
    stage.require(before == after, f"{before} became {after}")
    stage.require(holder.wait(60) == 0, "the holder did not end well")
    migration.walk("live", _never)
    migration.walk("shadow", _never)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


SLEEPERS: dict[str, dict[str, object]] = {"late": {}, "late reader": {"mixture": {"read": 1}}}
SLEEPERS_LIVES = {f"{name}.1" for name in SLEEPERS}


def asleep(stage: Stage) -> None:
    """Let a writer and a reader sleep through a cutover, and one hold an old phase in its TOML.

    The sleepers work seldom, so that they hold nothing when they are stopped: F13 is about those.
    """
    project = stage.project()
    crew = begun(stage, project, steps_per_second=20)
    old = project.folder / "old.toml"
    old.write_text(project.config.read_text())
    crew.start("old", ("k0", "k1"), config=str(old), steps_per_second=20)
    for name, job in SLEEPERS.items():
        crew.start(name, ("k0", "k1"), steps_per_second=1, **job)
    crew.ready()
    migration = Migration(project)
    migration.must("validate", *project.way)
    for there in ("live", "shadow"):
        for name in SLEEPERS:
            crew.signal(name, signal.SIGSTOP)
        migration.walk(there, _never, seconds=60)
        for name in SLEEPERS:
            crew.signal(name, signal.SIGCONT)
        get_on(crew)
    crew.finish()
    stage.judge(project, [*crew.before, *map(_asleep, crew.history())])


def _asleep(call: Call) -> Call:
    """Forgive a sleeper the timeouts of its connection: it was stopped in the middle of a call."""
    timeout = call.worker in SLEEPERS_LIVES and call.error.startswith("BackendUnavailableError")
    return attrs.evolve(call, error="") if timeout else call


def two_at_once(stage: Stage) -> None:
    """Give the same command twice at once, one of them killed at random: one run completes it."""
    project = stage.project()
    crew = begun(stage, project, steps_per_second=20)
    migration = Migration(project)
    for wanted in ("live", "shadow") * stage.short_or_full(1, 20):
        if wanted == "live":
            migration.until_done("validate", *project.way)
        done = at_once(stage, project, wanted)
        odd = [one for one in done if one.code not in {0, 6, -9, 137}]
        stage.require(not odd, *map(str, odd))
        migration.walk(wanted, _never)
    crew.finish()
    stage.judge(project, [*crew.before, *crew.history()])


def at_once(stage: Stage, project: Project, wanted: str) -> list[Done]:
    """Return how two such commands ended that began together."""
    done: list[Done] = []
    kill = 0.5 + 2 * stage.random.random()

    def run(kill_after: float | None) -> None:
        done.append(Migration(project).run("phase", "set", wanted, "--yes", kill_after=kill_after))

    both = [threading.Thread(target=run, args=(after,)) for after in (None, kill)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    return done


def far_behind(stage: Stage) -> None:
    """Hand over when the follower has missed 10,000 writes: caught up before the seal."""
    project = stage.project()
    crew = begun(stage, project, steps_per_second=10)
    migration = Migration(project)
    migration.must("validate", *project.way)
    missed = stage.short_or_full(2000, 10_000)
    with stage.server.down():
        write_many(project, missed)
    done = migration.walk("live", _never)
    migration.walk("shadow", _never)
    crew.finish()
    calls = crew.history()
    found = pause(calls, done.began, done.ended)
    stage.facts |= {"missed": missed, "switch": str(found)}
    wanted = found.p99 <= SHORT_PAUSE_MILLISECONDS
    stage.judge(project, [*crew.before, *calls])
    stage.require(wanted, f"writes waited {found} (p99/longest/writes)")


def write_many(project: Project, count: int) -> None:
    """Write so many records in this process, with the follower away."""
    with fluxstore.open(project.loaded()) as store:
        for start in range(0, count, 500):
            _write_together(store, range(start, min(start + 500, count)))


def _write_together(store: fluxstore.Store, numbers: range) -> None:
    records = store["logbooks"]
    with store.transaction():
        for number in numbers:
            records.create(records.entity.cls(id=f"many{number}", entries=[], count=0))


def _never() -> None:
    """Kill no command."""


ROWS = (
    Row(
        "F07",
        "the command killed at each step of the cutover",
        "T1",
        "writers go on within 30 s by themselves; one authority; nothing lost",
        lambda stage: switches(stage, "live", "shadow"),
        tuple(attrs.evolve(case, phase="shadow") for case in SHADOW),
        needs=("strace",),
    ),
    Row(
        "F09",
        "the command killed at each step of the way back",
        "T1",
        "nothing that was written after the cutover is lost",
        lambda stage: switches(stage, "shadow", "live"),
        SHADOW,
        needs=("strace",),
    ),
    Row(
        "F13",
        "a writer stopped inside the fence",
        "T9",
        "the cutover gives up within 5 s, exit 6, names it; nothing changed; works afterwards",
        holder_in_the_way,
        SHADOW,
    ),
    Row(
        "F46",
        "processes that slept through the switch, and one with an old TOML",
        "T9",
        "refused, bound anew, written to the right side",
        asleep,
        SHADOW,
    ),
    Row(
        "F49",
        "two commands at once, one killed",
        "kill",
        "the second exits 6, one run completes",
        two_at_once,
        SHADOW[:2],
    ),
    Row(
        "F50",
        "10,000 marks behind at the cutover",
        "T8",
        "caught up before the seal; a pause of at most 1 s",
        far_behind,
        SHADOW[:1],
    ),
)
