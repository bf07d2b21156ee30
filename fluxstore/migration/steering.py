"""How fast a backfill goes: as it was asked, as it is told from another terminal, as is bearable.

What is told goes through the authority's ledger, so it reaches the backfill wherever it runs.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Any, Literal

import attrs

from fluxstore.adapter import Ledger
from fluxstore.errors import GateError, LeaseError
from fluxstore.migration import facts
from fluxstore.migration.plan import LEASE
from fluxstore.migration.progress import Stopped, Throttle

_POLL_SECONDS = 0.25
_TOLD_SECONDS = 1.0
_REST_SHARE = 0.25
"""Of the time that a batch keeps others out, how long they are let through before the next."""
_SLOW_TIMES, _LONGEST_REST_SECONDS = 3.0, 1.0
"""A follower that takes so many times as long as at its best is given that time to recover."""

State = Literal["running", "paused"]


@attrs.frozen
class Told:
    """What a backfill is told: to pause or to go on, and how fast."""

    state: State = "running"
    rate: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fact."""
        return attrs.asdict(self) | {"when": datetime.now(UTC).isoformat()}


def read_told(ledger: Ledger) -> Told:
    """Return what the backfill of this authority is told now."""
    found = ledger.fact(facts.CTL)
    return Told(found["state"], found["rate"]) if isinstance(found, dict) else Told()


def tell(ledger: Ledger, *, state: State | None = None, rate: float | None = None) -> Told:
    """Tell the running backfill; return what it is told now. ``GateError`` where none runs.

    A *rate* of 0 takes the limit away.
    """
    if not is_running(ledger):
        raise GateError(
            "no backfill is running",
            gate="backfill",
            next_step="start one with `fluxstore migrate`",
        )
    known = read_told(ledger)
    wanted = known.rate if rate is None else rate or None
    new = attrs.evolve(known, state=state or known.state, rate=wanted)
    ledger.set_fact(facts.CTL, new.to_json())
    return new


def is_running(ledger: Ledger) -> bool:
    """Tell whether somebody holds the lease of a migration."""
    try:
        with ledger.lease(LEASE):
            return False
    except LeaseError:
        return True


class Steering:
    """Holds a backfill back, and tells how far it is; threads may share it."""

    def __init__(self, ledger: Ledger, rate: float | None, stopped: Stopped) -> None:
        """Begin at *rate* records a second, or as fast as is bearable."""
        self._ledger, self._stopped, self._asked = ledger, stopped, rate
        self._rate = rate
        self._throttle = Throttle(rate, stopped)
        self._records = 0
        self._best: float | None = None
        self._told_at = 0.0
        self._lock = threading.Lock()
        ledger.set_fact(facts.CTL, Told("running", rate).to_json())

    def close(self) -> None:
        """Forget what was told: the next backfill begins as it is asked."""
        self._ledger.set_fact(facts.CTL, None)
        self._ledger.set_fact(facts.RUNNING, None)

    def felt(self, records: int, seconds: float) -> None:
        """Rest after a batch of *records* that took *seconds* at the follower."""
        if not records:
            return
        each = seconds / records
        with self._lock:
            self._best = each if self._best is None else min(self._best, each)
            excess = max(each - _SLOW_TIMES * self._best, 0.0) * records
        rest = min(_REST_SHARE * seconds + excess, _LONGEST_REST_SECONDS)
        self.rest(rest)

    def passed(self, records: int) -> None:
        """Wait until *records* more were due, and for as long as it is told to pause."""
        self._records += records
        told = self._obey()
        while told.state == "paused" and not self._stopped():
            self.rest(_POLL_SECONDS)
            told = self._obey()
        self._throttle.passed(records)

    def _obey(self) -> Told:
        told = read_told(self._ledger)
        with self._lock:
            if told.rate != self._rate:
                self._rate, self._throttle = told.rate, Throttle(told.rate, self._stopped)
            now = time.monotonic()
            is_due = now - self._told_at >= _TOLD_SECONDS
            self._told_at = now if is_due else self._told_at
        if is_due:
            said = {"process": os.getpid(), "records": self._records, "state": told.state}
            when = datetime.now(UTC).isoformat()
            self._ledger.set_fact(facts.RUNNING, said | {"rate": told.rate, "when": when})
        return told

    def rest(self, seconds: float) -> None:
        """Wait; a stop ends the wait."""
        waiting = threading.Event()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopped():
            waiting.wait(min(left, _POLL_SECONDS))
