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
from fluxstore.migration.live import Live, live_of, live_parts
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
_ROUND_MARKS = 5000
"""After so many it lets go of the lease and tells how it stands, however many come meanwhile."""
NOTHING_LEFT = Backlog(0)


@attrs.frozen
class Relayed:
    """What a relay has done since it began, and how things stand."""

    authority: str
    follower: str
    applied: int = 0
    newer: int = 0
    cleared: int = 0
    left: Backlog = NOTHING_LEFT
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
    told = _round(Relayed(one.name, other.name), one, other, entities=entities, stopped=stopped)
    return attrs.evolve(told, seconds=time.monotonic() - begun)


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
            told = _round(told, one, other, entities=entities, stopped=stopped, limit=_ROUND_MARKS)
        except PATIENTLY_BORNE as error:
            told, pause = attrs.evolve(told, problem=str(error)), min(pause * 2, _LONGEST_SECONDS)
        else:
            pause = _IDLE_SECONDS
        told = attrs.evolve(told, seconds=time.monotonic() - begun)
        tell(told)
        _wait(pause, stopped)
    return told


def _round(
    told: Relayed,
    one: End,
    other: End,
    *,
    entities: Sequence[Entity],
    stopped: Stopped,
    limit: int | None = None,
) -> Relayed:
    """Drain once in each direction that there is: entities may be in phases of their own."""
    parts = live_parts(one, other, entities)
    if not parts:
        raise _nothing_live(one, other, entities)
    told = attrs.evolve(told, left=NOTHING_LEFT, waiting=(), quarantined=(), problem="")
    for live in parts:
        sides, chosen = live.adapters, live.entities
        done = drain(*sides, chosen, limit=limit, stopped=stopped, patience_seconds=_LEASE_SECONDS)
        told = _with(told, live, done)
    return told


def _nothing_live(one: End, other: End, entities: Sequence[Entity]) -> GateError:
    """Return why there is nothing to relay."""
    try:
        live_of(one, other, entities)
    except GateError as error:
        return error
    return GateError(
        f"{one.name} and {other.name} are in phase off: there is nothing to relay",
        gate="control",
        next_step="fluxstore phase set dual_write",
    )


def _with(told: Relayed, live: Live, done: Drained) -> Relayed:
    marks = told.left.marks + done.left.marks
    return attrs.evolve(
        told,
        authority=live.authority.name,
        follower=live.follower.name,
        applied=told.applied + done.applied,
        newer=told.newer + done.newer,
        cleared=told.cleared + done.cleared,
        left=Backlog(marks, max(told.left.seconds, done.left.seconds)),
        waiting=(*told.waiting, *done.waiting),
        quarantined=(*told.quarantined, *done.quarantined),
    )


def _wait(seconds: float, stopped: Stopped) -> None:
    waiting = threading.Event()
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stopped():
        waiting.wait(min(left, _IDLE_SECONDS))
