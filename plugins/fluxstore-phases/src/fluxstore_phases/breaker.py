"""A circuit breaker: after some failures in a row nobody waits, and one call in a while tries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum

import attrs

FAILURES = 3
PROBE_SECONDS = 2.0


class Advice(Enum):
    """What a call is to do."""

    WAIT = "wait"
    """Make the call and wait for it."""
    PROBE = "probe"
    """Make the call for everybody else, and do not wait."""
    SKIP = "skip"
    """Make no call."""


@attrs.frozen
class Health:
    """What is known of the other end."""

    is_open: bool = False
    """Whether the breaker keeps calls from it."""
    failures: int = 0
    """In a row."""
    problem: str = ""
    """The last failure, in words."""


class Breaker:
    """Closed while calls succeed; open after several failures in a row, until one succeeds."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        probe_seconds: float = PROBE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open after *failures* in a row; then try every *probe_seconds*."""
        self._most, self._probe_seconds, self._clock = failures, probe_seconds, clock
        self._lock = threading.Lock()
        self._probe_at = 0.0
        self.health = Health()

    def advice(self) -> Advice:
        """Return what a call is to do now; of many at once only one is to probe."""
        if not self.health.is_open:
            return Advice.WAIT
        with self._lock:
            if self._clock() < self._probe_at:
                return Advice.SKIP
            self._probe_at = self._clock() + self._probe_seconds
            return Advice.PROBE

    def succeeded(self) -> None:
        """Close: the other end answers."""
        if self.health.failures:
            with self._lock:
                self.health = Health()

    def failed(self, problem: str) -> None:
        """Count a failure."""
        with self._lock:
            failures = self.health.failures + 1
            is_open = self.health.is_open or failures >= self._most
            self.health = Health(is_open, failures, problem)
            if is_open:
                self._probe_at = self._clock() + self._probe_seconds
