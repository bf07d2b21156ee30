"""The watcher: one thread a store that hears of a phase change, whoever made it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

import attrs

from fluxstore.adapter import Control
from fluxstore.calls import Reports
from fluxstore.entity import Entity
from fluxstore.errors import FluxstoreError
from fluxstore_phases.attendant import Attendant
from fluxstore_phases.mending import Mender
from fluxstore_phases.place import Place
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import ALL

log = logging.getLogger("fluxstore.phases")

IDLE_SECONDS = 0.5
"""How often the ledger is asked while nothing happens."""
_BUSY_SECONDS = 0.1
_UNDER_WAY = ("sealed", "committing")


@attrs.frozen
class Bound:
    """What an entity's binding was made from."""

    entity: Entity
    place: Place


class Watcher(Attendant):
    """Compares what the bindings were made from with what the ledgers say now.

    Only the side that answers is asked: whatever changes the phase changes that side's control.
    """

    def __init__(
        self,
        sides: Sides,
        *,
        rebind: Callable[[], None],
        reports: Reports | None,
    ) -> None:
        """Call *rebind* where a binding is out of date, and tell *reports* of the new phase."""
        self.sides, self._rebind, self._reports = sides, rebind, reports
        self._bound: dict[str, Bound] = {}
        self._told: dict[str, str] = {}
        super().__init__("fluxstore-watcher")

    def forget(self) -> None:
        """Begin with nothing under way."""
        super().forget()
        self._lock = threading.Lock()
        self._mender = Mender()
        self._is_doubtful = False
        self._trouble = ""

    def bound(self, entity: Entity, place: Place) -> None:
        """Know what the binding of *entity* was made from."""
        with self._lock:
            self._bound[entity.name] = Bound(entity, place)
            self._told.setdefault(entity.name, place.phase.name)

    def doubt(self) -> None:
        """Hear that a call was refused, or that marks stay: the phase may have changed."""
        self._is_doubtful = True
        self.wake()

    def everything(self) -> Sequence[Bound]:
        """Return what every entity's binding was made from."""
        with self._lock:
            return tuple(self._bound.values())

    def turn(self) -> float:
        """Look at the ledgers once."""
        doubtful, self._is_doubtful = self._is_doubtful, False
        try:
            under_way = self._look(doubtful=doubtful)
        except FluxstoreError as error:
            self._complain(str(error))
            return IDLE_SECONDS
        self._trouble = ""
        return _BUSY_SECONDS if under_way else IDLE_SECONDS

    def _complain(self, problem: str) -> None:
        """Say what is wrong once, not twice a second."""
        if problem != self._trouble:
            log.warning("the phase cannot be looked at: %s", problem)
            self._trouble = problem

    def _look(self, *, doubtful: bool) -> bool:
        """Bind anew what is out of date; tell whether a change is under way."""
        now = self._controls()
        roles = {control.role for _, control in now if control is not None}
        is_stale = any(control != one.place.control for one, control in now)
        if is_stale or "committing" in roles:  # committing: the other side may have taken over
            self._rebind()
        self._tell()
        sealed = not roles.isdisjoint(_UNDER_WAY)
        is_under_way = self._mender.look(self.sides, sealed=sealed, doubtful=doubtful)
        self._is_doubtful |= is_under_way and doubtful
        return is_under_way

    def _controls(self) -> Sequence[tuple[Bound, Control | None]]:
        bound = self.everything()
        found = {side: self.sides.controls(side) for side in {one.place.side for one in bound}}
        return [(one, governing(found[one.place.side], one.entity.name)[1]) for one in bound]

    def _tell(self) -> None:
        """Report each scope whose phase is another than when it was told last."""
        bound = self.everything()
        changed = [one for one in bound if self._told[one.entity.name] != one.place.phase.name]
        told: set[tuple[str, str]] = set()
        for one in changed:
            place = one.place
            scope, control = governing(self.sides.controls(place.side), one.entity.name)
            if control != place.control or control.role != "authority":
                continue  # not over yet, or changed again
            self._told[one.entity.name] = place.phase.name
            if (scope, place.phase.name) not in told:
                told.add((scope, place.phase.name))
                self._report(scope, place)

    def _report(self, scope: str, place: Place) -> None:
        log.info("phase %s since epoch %d (%s)", place.phase.name, place.control.epoch, scope)
        if self._reports is None:
            return
        try:
            self._reports.phase_changed(scope, place.phase.name, place.control.epoch)
        except Exception:
            log.exception("a plugin failed to hear of phase %s", place.phase.name)


def governing(controls: Mapping[str, Control], entity: str) -> tuple[str, Control | None]:
    """Return the scope that governs *entity*, and what its control record says."""
    return (entity, controls[entity]) if entity in controls else (ALL, controls.get(ALL))
