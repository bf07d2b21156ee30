"""What the processes of a workload do: append, create, delete and read, each with its history.

An append reads the record, and changes it only if it is still as it was read; refused, it reads
again. An outcome that is unknown is asked for again with the same ``op_id``, as a caller would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import attrs

from fluxstore.errors import (
    BackendUnavailableError,
    ConflictError,
    FluxstoreError,
    OutcomeUnknown,
    RecordExistsError,
    RecordNotFoundError,
)
from fluxstore.verbs import Records
from harness.history import History, Script, Verb

REFUSALS = ("RecordExistsError", "RecordNotFoundError", "ConflictError")
"""Errors that an application asks for: no failed call."""
MIXTURE: Mapping[str, int] = {"append": 14, "read": 3, "create": 1, "delete": 1}
_PAUSE_SECONDS = 0.05


@attrs.frozen
class Job:
    """What one process does; ``script`` says each step, otherwise they are chosen at random."""

    config: str
    worker: str
    history: str
    keys: tuple[str, ...]
    seed: int = 0
    entity: str = "logbooks"
    mixture: Mapping[str, int] = MIXTURE
    script: Script = ()
    steps: int | None = None
    threads: int = 1
    steps_per_second: float = 0.0
    """0: as fast as it goes."""
    patience_seconds: float = 30.0
    """How long an unknown outcome is asked for again."""
    is_interrupted: bool = False
    """Whether SIGINT ends the call that it meets, instead of the process."""
    ready: str = ""
    """A file that is made once the store is open."""
    stop: str = ""
    """A file that ends the work once it is there."""


class Actor:
    """Does the steps of one process and says so in its history."""

    def __init__(self, records: Records[Any], history: History, job: Job, thread: int = 0) -> None:
        """Act on *records*; operation ids begin with the worker's name."""
        self._records, self._history, self._job = records, history, job
        self._name = f"{job.worker}/{thread}" if thread else job.worker
        self._random = Random(f"{job.seed} {self._name}")
        self._number = 0
        self._absent: list[str] = []
        self._is_calling = False

    def run(self, stopped: Callable[[], bool]) -> None:
        """Do the job's script, or steps at random, at its pace, until told to stop."""
        pace = _pace(self._job.steps_per_second)
        for verb, key in self._job.script or self._steps():
            if stopped():
                return
            next(pace)
            self.act(verb, key)

    def _steps(self) -> Iterator[tuple[Verb, str]]:
        verbs, weights = list(self._job.mixture), list(self._job.mixture.values())
        left = self._job.steps
        while left is None or left > 0:
            left = None if left is None else left - 1
            if self._absent and "create" in verbs:
                yield "create", self._absent.pop()
                continue
            [verb] = self._random.choices(verbs, weights)
            yield verb, self._random.choice(self._job.keys)  # type: ignore[misc]

    def act(self, verb: Verb, key: str) -> None:
        """Do one operation."""
        self._number += 1
        op = f"{self._name}:{self._number}"
        self._history.begin(op, verb, key)
        told = _Told()
        with self._saying(op, told):
            try:
                self._is_calling = True
                getattr(self, f"_{verb}")(op, key, told)
            finally:
                self._is_calling = False

    def interrupt(self) -> None:
        """End the call that is under way in this thread, as Ctrl-C does; nothing else."""
        if self._is_calling:
            self._is_calling = False
            raise KeyboardInterrupt

    @contextmanager
    def _saying(self, op: str, told: _Told) -> Iterator[None]:
        try:
            yield
        except FluxstoreError as error:
            unknown = isinstance(error, OutcomeUnknown) or told.repeated
            told.outcome = "unknown" if unknown else "fail"
            told.error = f"{type(error).__name__}: {error}"
        except KeyboardInterrupt:
            told.outcome, told.interrupted, told.saw = "unknown", True, False
        except Exception as error:  # noqa: BLE001 - a bug, told as such
            told.outcome, told.error = "unknown", f"bug: {type(error).__name__}: {error}"
        self._history.end(op, **told.line())

    def _read(self, op: str, key: str, told: _Told) -> None:
        found = self._records.get(key, None)
        told.see(found)

    def _append(self, op: str, key: str, told: _Told) -> None:
        while True:
            found = self._records.get(key, None)
            if found is None:
                self._absent.append(key)
                told.refuse("RecordNotFoundError", exists=False)
                return
            with told.conflicts():
                self._append_to(found, op, told)
                return

    def _append_to(self, found: Any, op: str, told: _Told) -> None:
        changed = {"entries": [*found.entries, op], "count": len(found.entries) + 1}
        update = partial(self._records.update, found.id, changed, expect=found, op_id=op)
        self._sent(told, lambda: told.see(update()))

    def _create(self, op: str, key: str, told: _Told) -> None:
        made = self._records.entity.cls(id=key, entries=[op], count=1)
        try:
            self._sent(told, lambda: told.see(self._records.create(made, op_id=op)))
        except RecordExistsError:
            told.refuse("RecordExistsError", exists=True)

    def _delete(self, op: str, key: str, told: _Told) -> None:
        expect = self._records.get(key, None) if self._random.random() < 0.5 else None
        try:
            self._sent(told, lambda: self._records.delete(key, expect=expect, op_id=op))
        except RecordNotFoundError:
            told.refuse("RecordNotFoundError", exists=False)
        except ConflictError:
            told.refuse("ConflictError", exists=None)
        else:
            if expect is not None:
                told.see(expect)

    def _sent(self, told: _Told, send: Callable[[], None]) -> None:
        """Send a write; where its outcome is unknown, again with the same ``op_id``."""
        until = time.monotonic() + self._job.patience_seconds
        while True:
            try:
                send()
            except (OutcomeUnknown, BackendUnavailableError) as error:
                told.repeated |= isinstance(error, OutcomeUnknown)
                if not told.repeated or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return


class _Told:
    """What is to be said of a call when it ends."""

    def __init__(self) -> None:
        self.outcome = "ok"
        self.error = ""
        self.repeated = self.interrupted = False
        self.saw = False
        self.entries: Sequence[str] | None = None
        self.exists: bool | None = None
        self._conflicted = False

    def see(self, found: Any) -> None:
        self.saw, self.entries = True, None if found is None else list(found.entries)
        if found is not None and found.count != len(found.entries):
            self.error = f"bug: torn: count {found.count} of {len(found.entries)} entries"

    def refuse(self, error: str, *, exists: bool | None) -> None:
        self.outcome, self.error, self.exists = "fail", error, exists

    @contextmanager
    def conflicts(self) -> Iterator[None]:
        """Let a conflict pass: the record is read again."""
        try:
            yield
        except (ConflictError, RecordNotFoundError):
            self._conflicted = True

    def line(self) -> dict[str, Any]:
        said = ("outcome", "error", "repeated", "interrupted", "saw", "entries")
        refused = {} if self.exists is None else {"exists": self.exists}
        return {name: getattr(self, name) for name in said if getattr(self, name)} | refused


def _pace(steps_per_second: float) -> Iterator[None]:
    """Yield when the next step is due; what is late is not made up for at once."""
    due = time.monotonic()
    while True:
        while steps_per_second and (left := due - time.monotonic()) > 0:
            time.sleep(min(left, _PAUSE_SECONDS))
        yield
        due = max(due + 1 / steps_per_second, time.monotonic() - 1) if steps_per_second else due
