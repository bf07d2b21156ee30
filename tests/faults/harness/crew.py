"""The processes of a workload: started, killed, paused, and started again into another life."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from harness.history import Call, read_histories
from harness.project import Project
from harness.workload import Job

PROGRAM = Path(__file__).resolve().parent.parent / "worker.py"
_END_SECONDS = 90.0
_ENDS = {0, -signal.SIGKILL, 128 + signal.SIGKILL}


class CrewError(AssertionError):
    """A process of the workload ended otherwise than it was told to."""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = _END_SECONDS) -> None:
    """Return once *condition* holds; ``AssertionError`` saying *what* was waited for."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


@attrs.define(eq=False)
class Worker:
    """One worker: its job, and the process that does it now."""

    job: Job
    environment: Mapping[str, str] = attrs.field(factory=dict)
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0


class Crew:
    """Workers of one project, with a folder for their histories and what they say."""

    def __init__(self, project: Project, *, seed: int = 0, prefix: Sequence[str] = ()) -> None:
        """Take the project; nothing runs yet. *prefix* is what workers run under (strace)."""
        self.project, self.seed, self.prefix = project, seed, tuple(prefix)
        self.folder = project.folder / "crew"
        self.folder.mkdir(exist_ok=True)
        self.workers: dict[str, Worker] = {}
        self.before: list[Call] = []
        """What had happened before the crew began."""

    def start(
        self,
        name: str,
        keys: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        **job: object,
    ) -> None:
        """Start a worker of that name; *environment* is what it finds beside what all do."""
        made = Job(
            config=str(self.project.config),
            worker=name,
            history="",
            keys=tuple(keys),
            seed=self.seed,
            stop=str(self.folder / "stop"),
        )
        own = attrs.evolve(made, **job)  # type: ignore[arg-type]
        self.workers[name] = Worker(own, environment or {})
        self.again(name)

    def again(self, name: str) -> None:
        """Begin the next life of a worker: other operation ids, the same work."""
        worker = self.workers[name]
        worker.lives += 1
        life = f"{name}.{worker.lives}"
        job = attrs.evolve(
            worker.job,
            worker=life,
            history=str(self.folder / f"{life}.history"),
            ready=str(self.folder / f"{life}.ready"),
        )
        file = self.folder / f"{life}.job"
        file.write_bytes(pickle.dumps(job))
        with (self.folder / f"{life}.log").open("wb") as log:
            worker.process = subprocess.Popen(
                [*self.prefix, sys.executable, str(PROGRAM), str(file)],
                cwd=self.project.folder,
                env=self._environment() | dict(worker.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")])
        return {**self.project.environment, "PYTHONPATH": path}

    def ready(self, *names: str, seconds: float = _END_SECONDS) -> None:
        """Wait until the named workers, or all, have their stores open."""
        for name in names or tuple(self.workers):
            file = self.folder / f"{name}.{self.workers[name].lives}.ready"
            wait_until(
                lambda file=file, name=name: file.exists() or self._dead(name),  # type: ignore[misc]
                f"{name} opens its store",
                seconds,
            )
            if not file.exists():
                raise CrewError(f"{name} ended before it was ready: {self.said(name)}")

    def _dead(self, name: str) -> bool:
        process = self.workers[name].process
        return process is None or process.poll() is not None

    def kill(self, name: str) -> None:
        """Kill a worker as ``kill -9`` does, and what it runs under."""
        process = self.workers[name].process
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def kill_all(self) -> None:
        """Kill every worker."""
        for name in self.workers:
            self.kill(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker: SIGSTOP pauses it, SIGCONT lets it go on."""
        process = self.workers[name].process
        assert process is not None
        os.killpg(process.pid, number)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have every worker stopped, between two system calls, while the context lasts."""
        for name in self.workers:
            self.signal(name, signal.SIGSTOP)
        try:
            wait_until(lambda: all(map(self._is_still, self.workers)), "the crew stands still")
            yield
        finally:
            for name in self.workers:
                self.signal(name, signal.SIGCONT)

    def _is_still(self, name: str) -> bool:
        process = self.workers[name].process
        assert process is not None
        states = Path(f"/proc/{process.pid}/task").glob("*/stat")
        return all(state.read_text().rpartition(")")[2].split()[0] in "TZ" for state in states)

    def finish(self, seconds: float = _END_SECONDS, *, well: bool = True) -> None:
        """Let every worker that runs end by itself, as ``wait`` says."""
        (self.folder / "stop").touch()
        self.wait(seconds, well=well)

    def wait(self, seconds: float = _END_SECONDS, *, well: bool = True) -> None:
        """Wait until every worker that runs has ended: well, killed, or with a named error.

        Such an error is no failure where not all must end *well*.
        """
        until = time.monotonic() + seconds
        for name, worker in self.workers.items():
            if worker.process is None:
                continue
            try:
                code = worker.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.kill(name)
                raise CrewError(f"{name} did not end within {seconds:g} s") from None
            named = not well and code > 1 and "Traceback" not in self.said(name)
            if code not in _ENDS and not named:
                raise CrewError(f"{name} ended with {code}: {self.said(name)}")

    def said(self, name: str) -> str:
        """Return what the worker's present life wrote to its output."""
        log = self.folder / f"{name}.{self.workers[name].lives}.log"
        return log.read_text(errors="replace")[-2000:]

    def history(self) -> list[Call]:
        """Return all calls of all lives."""
        return read_histories(sorted(self.folder.glob("*.history")))

    def bytes_so_far(self) -> int:
        """Return how long the histories are together, for waiting on progress."""
        return sum(path.stat().st_size for path in self.folder.glob("*.history"))
