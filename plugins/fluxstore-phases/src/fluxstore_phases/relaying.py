"""The relay beside an application: what the legs have left is carried without another process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import groupby

from fluxstore.entity import Entity
from fluxstore.errors import FluxstoreError, LeaseError, SealedError, StalePhaseError
from fluxstore.migration import relay
from fluxstore_phases.attendant import Attendant
from fluxstore_phases.phases import Side
from fluxstore_phases.watch import Watcher

log = logging.getLogger("fluxstore.phases")

SOON_SECONDS = 0.5
"""How long a mark may be a leg's before the relay carries it."""
_IDLE_SECONDS = 2.0
_AWAY_SECONDS = 5.0
_HOLDING_SECONDS = 0.5
"""How long the lease is held at a time: under load there are always marks, and a cutover waits."""


class Relaying(Attendant):
    """Drains the outbox of whichever side answers, where nobody else does."""

    def __init__(self, watcher: Watcher, *, carried: Callable[[Side], None]) -> None:
        """Ask *watcher* what follows what; tell *carried* of a follower that took something."""
        self._watcher, self._carried = watcher, carried
        super().__init__("fluxstore-relay")

    def forget(self) -> None:
        """Begin with nothing seen."""
        super().forget()
        self._pause_seconds = SOON_SECONDS
        self._seen: set[Side] = set()
        self._trouble = ""

    def turn(self) -> float:
        """Drain once; come back sooner while there is something to do."""
        try:
            left = sum(self._drained(*each) for each in self._directions())
        except (StalePhaseError, SealedError) as error:
            log.debug("the relay waits for a phase change: %s", error)
            self._watcher.doubt()
            self._pause_seconds = SOON_SECONDS
        except LeaseError as error:
            log.debug("another relay is at it: %s", error)
            self._pause_seconds = _IDLE_SECONDS
        except FluxstoreError as error:
            self._complain(str(error))
        else:
            self._trouble = ""
            longer = min(self._pause_seconds * 2, _IDLE_SECONDS)
            self._pause_seconds = SOON_SECONDS if left else longer
        return self._pause_seconds

    def left(self) -> None:
        """Hear that there are marks which no leg carries."""
        self._seen.update(Side)
        self._pause_seconds = SOON_SECONDS
        self.wake()

    def _complain(self, problem: str) -> None:
        if problem != self._trouble:
            log.warning("marks wait: %s", problem)
            self._trouble = problem
        self._pause_seconds = min(self._pause_seconds * 2, _AWAY_SECONDS)

    def _directions(self) -> Sequence[tuple[Side, tuple[Entity, ...]]]:
        """Return each side that has followers of its own, with their entities."""
        bound = [one for one in self._watcher.everything() if one.place.follower is not None]
        bound.sort(key=lambda one: one.place.side.value)
        return [
            (side, tuple(one.entity for one in each))
            for side, each in groupby(bound, key=lambda one: one.place.side)
        ]

    def _drained(self, origin: Side, chosen: Sequence[Entity]) -> int:
        """Drain from *origin*; return how many marks it is worth coming back for soon."""
        sides = self._watcher.sides
        source = sides.adapter(origin)
        marks = relay.backlog(source, chosen).marks
        was_seen = origin in self._seen
        (self._seen.add if marks else self._seen.discard)(origin)
        if not marks or not was_seen:  # what was just written is a leg's
            return marks
        names = {one.name for one in chosen}
        entities = [one for one in sides.entities.parents_first() if one.name in names]
        follower = sides.adapter(origin.other)
        until = time.monotonic() + _HOLDING_SECONDS
        drained = relay.drain(
            source,
            follower,
            entities,
            stopped=lambda: self.is_closing() or time.monotonic() > until,
        )
        if drained.cleared:
            self._carried(origin.other)
        return drained.left.marks if drained.cleared else 0
