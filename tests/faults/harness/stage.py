"""What a scenario plays on: a folder, a seed, a wall limit, and what makes and judges projects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import attrs
from psycopg.conninfo import make_conninfo

from fluxstore.testing.proxy import Proxy
from harness.crew import Crew
from harness.disks import Disk, disk
from harness.history import Call, Entries
from harness.judge import judge
from harness.migration import Migration
from harness.project import Project, Setup
from harness.servers import Server, own_server
from harness.workload import REFUSALS

T = TypeVar("T")
SHORT_LAST = 60
"""In the short form a fault is at one of so many first calls."""
FOLLOWED = ("dual_write", "backfill", "shadow", "live")
"""Phases in which one side follows the other."""


class BrokenPromiseError(AssertionError):
    """A promise was not kept; the message tells each, one a line."""


@attrs.frozen
class Case:
    """One form of a row: the backends, the phase, and what else distinguishes it."""

    source: str = "json"
    target: str = "sqlite"
    phase: str = "off"
    variant: str = ""

    @property
    def name(self) -> str:
        """What reports and tests call it."""
        parts = (self.source, self.target if self.phase != "off" else "", self.phase, self.variant)
        return "-".join(part for part in parts if part)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that take part."""
        return (self.source,) if self.phase == "off" else (self.source, self.target)

    @property
    def authority(self) -> str:
        """The backend that answers in this phase."""
        return self.target if self.phase in {"live", "complete"} else self.source


class Stage:
    """One run of one case."""

    def __init__(
        self, folder: Path, case: Case, *, seed: int = 0, full: bool = False, limit_seconds: float
    ) -> None:
        """Take a folder to play in, a seed that decides every choice, and a wall limit."""
        self.folder, self.case, self.seed, self.full = folder, case, seed, full
        self.random = Random(f"{seed} {case.name}")
        self.until = time.monotonic() + limit_seconds
        self.facts: dict[str, Any] = {}
        """What the run has to tell beside its verdict: counts, pauses."""
        self._stack = ExitStack()
        self._server: Server | None = None
        self._numbers: dict[str, int] = {}

    def close(self) -> None:
        """Kill, unmount and remove everything that the run made."""
        self._stack.close()

    @property
    def out_of_time(self) -> bool:
        """Whether the wall limit has passed: what can end early does."""
        return time.monotonic() > self.until

    def short_or_full(self, short: T, full: T) -> T:
        """Return one of two values, by the size of the run."""
        return full if self.full else short

    def sweep(self, short_runs: int, last: int, *, stride: int = 1) -> Iterator[int]:
        """Yield N for the N-th call to fail: each up to *last*, or some at random in short form.

        Ends where the wall limit has passed; who sweeps ends where nothing was hit any more.
        """
        chosen: Iterable[int] = range(1, last, stride)
        if not self.full:
            chosen = sorted(self.random.sample(range(1, SHORT_LAST), short_runs))
        for when in chosen:
            if self.out_of_time:
                return
            yield when

    def place(self, name: str) -> Path:
        """Return a new folder."""
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        made = self.folder / f"{name}{number}"
        made.mkdir(parents=True)
        return made

    @property
    def server(self) -> Server:
        """The run's own PostgreSQL server, started at first asking."""
        if self._server is None:
            self._server = self._stack.enter_context(own_server())
        return self._server

    def proxy(self) -> Proxy:
        """Return a proxy in front of the run's server."""
        return self._stack.enter_context(Proxy(self.server.socket))

    def disk(self, kind: str = "ext4") -> Disk:
        """Return a disk of the run's own."""
        return self._stack.enter_context(disk(self.place("disk"), kind))

    def power_goes(self, disk: Disk, seconds: float) -> int:
        """Cut the power of a disk after so many seconds; return the moment before it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.005)
        moment = time.monotonic_ns()
        disk.cut_power()
        return moment

    def project(
        self,
        *,
        data: Path | None = None,
        database: Path | None = None,
        proxy: Proxy | None = None,
        dsn: str = "",
        **setup: Any,
    ) -> Project:
        """Return a new project with the case's backends, in phase ``off``.

        PostgreSQL is reached through *proxy*, where there is one; without a *dsn*, it is the
        run's own.
        """
        chosen = Setup(source=self.case.source, target=self.case.target, **setup)
        if not dsn and "postgres" in {chosen.source, chosen.target}:
            dsn = self.server.new_database()
        if proxy is not None:
            dsn = make_conninfo(dsn, host="127.0.0.1", port=proxy.port)
        return Project(self.place("project"), chosen, data=data, database=database, dsn=dsn)

    def crew(self, project: Project, prefix: Sequence[str] = ()) -> Crew:
        """Return a crew without workers; whoever lives at the end of the run is killed."""
        made = Crew(project, seed=self.seed, prefix=prefix)
        self._stack.callback(made.kill_all)
        return made

    @contextmanager
    def every(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Call *act* every so many seconds, from a thread, while the context lasts."""
        from harness.rhythm import Rhythm

        with Rhythm(act, seconds):
            yield

    def judge(self, project: Project, calls: Sequence[Call], *, named: Sequence[str] = ()) -> None:
        """Judge what was done and seen, the end included; raise ``BrokenPromiseError``.

        *named* are the verbs that may have failed with a named error. The marks are drained first,
        and both sides compared.
        """
        wrong = [*failures(calls, named)]
        backfilled = self.case.phase in FOLLOWED[1:]
        if self.case.phase in FOLLOWED:
            wrong += Migration(project).drained(backfilled=backfilled)
        found = project.found()
        calls = [*calls, *last_looks(found, {call.key for call in calls})]
        if backfilled or self.case.authority == "json":
            wrong += project.misplaced(found)
        wrong += [str(violation) for violation in judge(calls)]
        self.note(calls=len(calls))
        self.require(not wrong, *wrong)

    def judge_alone(self, project: Project, calls: Sequence[Call]) -> None:
        """Judge what callers did and saw where the other side is out of order: it is not looked at.

        No call may have failed.
        """
        found = {key: entries for key, (_, entries) in project.records(self.case.source).items()}
        calls = [*calls, *last_looks(found, {call.key for call in calls})]
        wrong = [*failures(calls), *map(str, judge(calls))]
        self.note(calls=len(calls))
        self.require(not wrong, *wrong)

    def require(self, holds: bool, *told: str) -> None:
        """Raise ``BrokenPromiseError`` with *told* unless it holds."""
        if not holds:
            raise BrokenPromiseError("\n".join(told))

    def note(self, **counts: int) -> None:
        """Add to the facts of the run."""
        for name, count in counts.items():
            self.facts[name] = self.facts.get(name, 0) + count


def failures(calls: Sequence[Call], named: Sequence[str] = ()) -> Iterator[str]:
    """Yield the calls that failed although they must not have, and every bug met."""
    for call in calls:
        kind = call.error.partition(":")[0]
        if call.error and kind not in REFUSALS and (kind == "bug" or call.verb not in named):
            yield f"failed: {call.verb} {call.op}: {call.error}"


def last_looks(records: Mapping[str, Entries], keys: set[str]) -> list[Call]:
    """Return what is there at the end as looks that begin after everything else."""
    at = time.monotonic_ns()
    looks = []
    for key in sorted(keys):
        entries = records.get(key)
        looks.append(
            Call(f"end:{key}", "end", "read", key, at, at + 1, "ok", saw=True, entries=entries)
        )
    return looks
