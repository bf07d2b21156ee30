"""The migrating side: commands as an operator gives them, killed and given again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import attrs

from harness.project import Project

PHASES = ("off", "dual_write", "backfill", "shadow", "live", "complete")
_COMMAND_SECONDS = 120.0
_WALK_SECONDS = 300.0
_REFUSED = 6
_AGAIN = {_REFUSED, 7}
"""Somebody else has the lease, a gate is shut, a backend is away: for the moment."""
KillAfter = Callable[[], float | None]
"""Tells after how many seconds the next command is killed, if at all."""
_KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}


class CommandError(AssertionError):
    """A command did not come to its end as it must."""


@attrs.frozen
class Done:
    """How a command ended, and when (CLOCK_MONOTONIC, nanoseconds)."""

    arguments: tuple[str, ...]
    code: int
    out: str
    errors: str
    began: int
    ended: int

    def __str__(self) -> str:
        """Return it as one line."""
        said = (self.errors.strip() or self.out.strip())[-600:]
        return f"fluxstore {' '.join(self.arguments)}: exit {self.code}: {said}"


class Migration:
    """The commands of one project's migration."""

    def __init__(self, project: Project, *, prefix: Sequence[str] = ()) -> None:
        """Give commands in *project*; *prefix* is what they run under."""
        self.project, self.prefix = project, tuple(prefix)
        self.done: list[Done] = []

    def run(self, *arguments: str, kill_after: float | None = None) -> Done:
        """Run a command to its end, or kill it (kill -9) after so many seconds."""
        began = time.monotonic_ns()
        process = self.project.begin(*arguments, prefix=self.prefix)
        try:
            out, errors = process.communicate(timeout=kill_after or _COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, errors = process.communicate()
            if kill_after is None:
                text = f"fluxstore {' '.join(arguments)} did not end: {errors[-600:]}"
                raise CommandError(text) from None
        done = Done(arguments, process.returncode, out, errors, began, time.monotonic_ns())
        self.done.append(done)
        if "Traceback" in errors or done.code == 1:
            raise CommandError(str(done))
        return done

    def must(self, *arguments: str, codes: Sequence[int] = (0,)) -> Done:
        """Run a command that must end with one of *codes*."""
        done = self.run(*arguments)
        if done.code not in codes:
            raise CommandError(str(done))
        return done

    def until_done(
        self,
        *arguments: str,
        kill_after: KillAfter = lambda: None,
        seconds: float = _WALK_SECONDS,
    ) -> Done:
        """Run a command until it ends with 0, killed or refused for the moment in between."""
        until = time.monotonic() + seconds
        while True:
            done = self.run(*arguments, kill_after=kill_after())
            if done.code == 0:
                return done
            if done.code not in {*_KILLED, *_AGAIN} or time.monotonic() > until:
                raise CommandError(str(done))

    def reach(self, phase: str) -> None:
        """Bring a project that is in phase ``off`` to *phase*, with nothing in the way."""
        for wanted in PHASES[1 : PHASES.index(phase) + 1]:
            if wanted == "shadow":
                self.must("migrate", *self.project.way)
            if wanted == "live":
                self.must("validate", *self.project.way)
            self.set(wanted)

    def set(self, phase: str) -> Done:
        """Walk to *phase*."""
        return self.must("phase", "set", phase, "--yes")

    def walk(self, phase: str, kill_after: KillAfter, seconds: float = _WALK_SECONDS) -> Done:
        """Walk to *phase* under fire: killed, given again, validated again where a gate asks."""
        until = time.monotonic() + seconds
        while True:
            done = self.run("phase", "set", phase, "--yes", kill_after=kill_after())
            if done.code == 0:
                return done
            if done.code == _REFUSED and "validat" in done.errors:
                self.until_done("validate", *self.project.way, kill_after=kill_after)
            elif done.code not in {*_KILLED, *_AGAIN} or time.monotonic() > until:
                raise CommandError(str(done))

    def drained(self, *, backfilled: bool = True) -> list[str]:
        """Drain every mark; return how the sides still differ, which they must not.

        What was there before and nobody touched may be missing until it is *backfilled*.
        """
        self.until_done("relay", "--once")
        source, target = (self.project.records(name) for name in self.project.ends)
        keys = sorted(set(source) | set(target))
        if not backfilled:
            keys = [key for key in keys if key in target or source[key][1] != (f"pre:{key}",)]
        return [
            f"the sides differ: {key}: {_shown(source.get(key))}, {_shown(target.get(key))}"
            for key in keys
            if source.get(key) != target.get(key)
        ]


def _shown(record: tuple[bytes, tuple[str, ...]] | None) -> str:
    return "absent" if record is None else f"{list(record[1][-3:])} ({len(record[1])} entries)"
