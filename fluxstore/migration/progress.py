"""What a migration tells while it runs, how it is stopped, and how it is slowed down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import attrs

SILENCE_SECONDS = 0.2
_SLICE_SECONDS = 0.1


@attrs.frozen
class Progress:
    """How far a command is."""

    stage: str
    """``survey``, ``copy``, ``compare``, ``locate``, ``back up``, ``complete``, …"""
    entity: str
    records: int
    """Records that this stage has passed, of all entities."""
    seconds: float
    """Since the command began."""
    records_per_second: float
    fraction: float | None = None
    """How much of the whole command is done, 0 to 1, where that is known."""
    remaining_seconds: float | None = None
    """When it will end, judged by what this run has measured so far."""


Report: TypeAlias = Callable[[Progress], None]
Stopped: TypeAlias = Callable[[], bool]


def silent(_: Progress) -> None:
    """Tell nobody."""


def never() -> bool:
    """Go on."""
    return False


class StoppedError(Exception):
    """The caller asked to stop; what was done so far can be gone on with."""


def check(stopped: Stopped) -> None:
    """Raise ``StoppedError`` where the caller asked to stop."""
    if stopped():
        raise StoppedError


@attrs.frozen
class Stage:
    """A part of a command; ``weight`` is its share of the work for each record."""

    name: str
    weight: float


class Meter:
    """Counts what is done, and tells it at most five times a second; threads may share it."""

    def __init__(self, report: Report, stages: tuple[Stage, ...]) -> None:
        """Begin now."""
        self._report = report
        self._stages = stages
        self._at = 0
        self._sizes: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._begun = self._stage_begun = time.monotonic()
        self._told = 0.0
        self._records = 0
        self._entity = ""
        self._lock = threading.Lock()

    def sizes(self, sizes: dict[str, float]) -> None:
        """Say how large each entity is, in any unit: bytes or records."""
        self._sizes = sizes

    def begin(self, stage: str) -> None:
        """Go on to *stage*."""
        with self._lock:
            self._at = [one.name for one in self._stages].index(stage)
            self._done, self._before, self._records, self._entity = {}, {}, 0, ""
            self._stage_begun = time.monotonic()
        self._tell(always=True)

    def resumed(self, entity: str, done: float | None) -> None:
        """Say that an earlier run did *done* of *entity*: it tells nothing of this run's pace."""
        with self._lock:
            self._before[entity] = self._done[entity] = done or 0.0

    def passed(self, entity: str, records: int, done: float | None) -> None:
        """Say that *records* more of *entity* are done, and how much of all of them (0 to 1)."""
        with self._lock:
            self._records += records
            self._entity = entity
            if done is not None:
                self._done[entity] = done
        self._tell()

    def end(self) -> None:
        """Tell the last state of the stage."""
        self._tell(always=True)

    def _tell(self, *, always: bool = False) -> None:
        now = time.monotonic()
        if not always and now - self._told < SILENCE_SECONDS:
            return
        with self._lock:
            self._told = now
            progress = self._progress(now)
        self._report(progress)

    def _progress(self, now: float) -> Progress:
        in_stage = max(now - self._stage_begun, 1e-9)
        return Progress(
            stage=self._stages[self._at].name,
            entity=self._entity,
            records=self._records,
            seconds=now - self._begun,
            records_per_second=self._records / in_stage,
            fraction=self._fraction(),
            remaining_seconds=self._remaining(in_stage),
        )

    def _share(self, done: Mapping[str, float]) -> float:
        total = sum(self._sizes.values())
        part = sum(size * done.get(name, 0.0) for name, size in self._sizes.items())
        return min(part / total, 1.0) if total else 0.0

    def _fraction(self) -> float | None:
        if not sum(self._sizes.values()):
            return None
        weights = [stage.weight for stage in self._stages]
        done = sum(weights[: self._at]) + weights[self._at] * self._share(self._done)
        return done / sum(weights)

    def _remaining(self, in_stage: float) -> float | None:
        """Judge by this stage's own pace: of the stages to come only the weight is known."""
        here = self._share(self._done)
        passed = here - self._share(self._before)
        if passed <= 0:
            return None
        later = sum(stage.weight for stage in self._stages[self._at + 1 :])
        left = 1 - here + later / self._stages[self._at].weight
        return in_stage / passed * left


class Brake(Protocol):
    """Holds a run back."""

    def passed(self, records: int) -> None:
        """Wait until *records* more were due."""
        ...


class Throttle:
    """Holds a run back to a number of records a second."""

    def __init__(self, records_per_second: float | None, stopped: Stopped = never) -> None:
        """Hold back to *records_per_second*; ``None`` does not hold back at all."""
        self._rate = records_per_second
        self._stopped = stopped
        self._begun = time.monotonic()
        self._records = 0
        self._lock = threading.Lock()

    def passed(self, records: int) -> None:
        """Wait until *records* more were due; a stop ends the wait."""
        if not self._rate:
            return
        with self._lock:
            self._records += records
            due = self._begun + self._records / self._rate
        waiting = threading.Event()
        while (left := due - time.monotonic()) > 0 and not self._stopped():
            waiting.wait(min(left, _SLICE_SECONDS))
