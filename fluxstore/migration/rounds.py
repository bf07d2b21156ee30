"""The relay as a service: round after round from whichever side is the authority just now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs

from fluxstore.adapter import Backlog
from fluxstore.entity import Entity
from fluxstore.errors import BackendUnavailableError, GateError, LeaseError, RoutingError
from fluxstore.migration.carrying import Waiting
from fluxstore.migration.live import Live, live_of
from fluxstore.migration.plan import End
from fluxstore.migration.progress import Stopped
from fluxstore.migration.relay import Drained, drain
from fluxstore.migration.report import to_json
from fluxstore.migration.spool import problem_to_json
from fluxstore.records import Rejected

PATIENTLY_BORNE = (BackendUnavailableError, LeaseError, RoutingError, GateError)
"""What may be over in the next round: a backend restarts, a cutover ends, another relay does."""
_IDLE_SECONDS, _LONGEST_SECONDS = 0.2, 5.0
_LEASE_SECONDS = 2.0


@attrs.frozen
class Relayed:
    """What a relay has done since it began, and how things stand."""

    authority: str
    follower: str
    applied: int = 0
    newer: int = 0
    cleared: int = 0
    left: Backlog = attrs.field(default=Backlog(0))
    waiting: tuple[Waiting, ...] = ()
    quarantined: tuple[Rejected, ...] = ()
    seconds: float = 0.0
    problem: str = ""
    """Why the last round did nothing; the next one tries again."""

    @property
    def exit_code(self) -> int:
        """4 where a record waits or is in quarantine, else 0."""
        return 4 if self.waiting or self.quarantined else 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "authority": self.authority,
            "follower": self.follower,
            "applied": self.applied,
            "newer": self.newer,
            "cleared": self.cleared,
            "left": {"marks": self.left.marks, "seconds": self.left.seconds},
            "waiting": [to_json(attrs.evolve(one, key=one.text)) for one in self.waiting],
            "quarantined": [problem_to_json(one.problem) for one in self.quarantined],
            "seconds": self.seconds,
        }


Tell: TypeAlias = Callable[[Relayed], None]


def relay_once(one: End, other: End, entities: Sequence[Entity], *, stopped: Stopped) -> Relayed:
    """Drain what there is of *entities* (parents first), and end.

    ``GateError`` where neither side follows the other, ``LeaseError`` where another relay drains.
    """
    begun = time.monotonic()
    live = _live(one, other, entities)
    done = drain(*live.adapters, entities, stopped=stopped, patience_seconds=_LEASE_SECONDS)
    told = Relayed(live.authority.name, live.follower.name)
    return _with(told, done, time.monotonic() - begun)


def relay_on(
    one: End, other: End, entities: Sequence[Entity], *, stopped: Stopped, tell: Tell
) -> Relayed:
    """Drain *entities* (parents first) until *stopped*, whichever side is the authority.

    What may be over in a while is waited for, and told as ``problem``.
    """
    begun = time.monotonic()
    told, pause = Relayed(one.name, other.name), _IDLE_SECONDS
    while not stopped():
        try:
            live = _live(one, other, entities)
            done = drain(*live.adapters, entities, stopped=stopped)
        except PATIENTLY_BORNE as error:
            told, pause = attrs.evolve(told, problem=str(error)), min(pause * 2, _LONGEST_SECONDS)
        else:
            named = attrs.evolve(told, authority=live.authority.name, follower=live.follower.name)
            told, pause = _with(named, done, time.monotonic() - begun), _IDLE_SECONDS
        tell(told)
        _wait(pause, stopped)
    return told


def _live(one: End, other: End, entities: Sequence[Entity]) -> Live:
    live = live_of(one, other, entities)
    if live is None:
        raise GateError(
            f"{one.name} and {other.name} are in phase off: there is nothing to relay",
            gate="control",
            next_step="fluxstore phase set dual_write",
        )
    return live


def _with(told: Relayed, done: Drained, seconds: float) -> Relayed:
    return attrs.evolve(
        told,
        applied=told.applied + done.applied,
        newer=told.newer + done.newer,
        cleared=told.cleared + done.cleared,
        left=done.left,
        waiting=done.waiting,
        quarantined=done.quarantined,
        seconds=seconds,
        problem="",
    )


def _wait(seconds: float, stopped: Stopped) -> None:
    waiting = threading.Event()
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stopped():
        waiting.wait(min(left, _IDLE_SECONDS))
