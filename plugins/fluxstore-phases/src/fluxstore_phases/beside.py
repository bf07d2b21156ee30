"""What stands beside one store under the policy: legs, watcher, relay, shadow reads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from fluxstore import forks
from fluxstore.adapter import Capability, Control
from fluxstore.calls import Backends, Routing
from fluxstore.entity import Entity
from fluxstore.errors import FluxstoreError
from fluxstore_phases.attendant import close_all
from fluxstore_phases.breaker import Breaker
from fluxstore_phases.leg import Ends, Leg
from fluxstore_phases.phases import PHASES, Phase, Side
from fluxstore_phases.place import Place, begin, locate
from fluxstore_phases.relaying import Relaying
from fluxstore_phases.retaining import Retaining
from fluxstore_phases.settings import Settings
from fluxstore_phases.shadow import Shadow
from fluxstore_phases.sides import Sides
from fluxstore_phases.stale import StaleReads
from fluxstore_phases.watch import Watcher
from fluxstore_phases.writing import Followed, Noted

log = logging.getLogger("fluxstore.phases")

T = TypeVar("T")
_AWAY_SECONDS = 2.0


class Beside:
    """Everything that runs beside the calls of one store; closed with it."""

    def __init__(self, collections: Backends, routing: Routing, settings: Settings) -> None:
        """Begin with nothing running; a side is opened when it is first needed."""
        self.settings = settings
        names = {Side.SOURCE: settings.source, Side.TARGET: settings.target or settings.source}
        self.sides = Sides(names, routing.entities, collections.adapter)
        self.watcher = Watcher(self.sides, rebind=collections.rebind, reports=routing.reports)
        self.relaying = Relaying(self.watcher, carried=self._carried)
        self.retaining = Retaining(self.sides, settings.retention)
        self.shadow = Shadow(self.sides.adapter, reports=routing.reports)
        self.stale = StaleReads(self.sides.adapter)
        self.legs = {side: self._leg_to(side) for side in Side}
        self.followed = {side: self._followed(side) for side in Side}
        self._told: set[tuple[str, str]] = set()
        self._away: dict[Side, tuple[float, FluxstoreError]] = {}
        self.forget()
        forks.in_child(self.forget)

    def forget(self) -> None:
        """Begin with nothing running, as a forked child must."""
        self._attends = False

    def _leg_to(self, follower: Side) -> Leg:
        return Leg(
            Ends(
                origin=lambda: self.sides.adapter(follower.other),
                follower=lambda: self.sides.adapter(follower),
                follower_name=self.sides.names[follower],
                entities=self.sides.entities,
            ),
            budget_seconds=self.settings.follower_budget.total_seconds(),
            left=self._left,
            breaker=Breaker(),
        )

    def _followed(self, follower: Side) -> Followed:
        return Followed(
            self.legs[follower],
            authority=self.sides.names[follower.other],
            follower=self.sides.names[follower],
            raises=self.settings.on_follower_error == "raise",
            cascaded=self.relaying.left,
        )

    def _left(self) -> None:
        """Hear that marks stay: the relay carries them, unless the phase has changed."""
        self.relaying.left()
        self.watcher.doubt()

    def _carried(self, follower: Side) -> None:
        """Hear that the relay got through: the leg may try again."""
        self.legs[follower].breaker.succeeded()
        self.legs[follower].wake()

    def is_governed(self) -> bool:
        """Tell whether the source can be an end of a migration; one that cannot is used alone.

        A source that is away is asked nothing: the target may say that it answers.
        """
        try:
            capabilities = self._asked(Side.SOURCE, self.sides.adapter).capabilities
        except FluxstoreError:
            if self.settings.target is None:
                raise
            return True
        return {Capability.FENCING, Capability.ATOMIC_LEDGER} <= capabilities

    def place_of(self, entity: Entity) -> Place:
        """Return where *entity* is; the first open under the policy writes phase ``off`` down."""
        ask = self._asking(entity.name)
        while (place := locate(entity.name, ask)) is None:
            source = self.sides.adapter(Side.SOURCE)
            place = begin(entity.name, source.ledger)
            if place is not None:
                break
        self.watcher.bound(entity, place)
        self._tell_desired(entity.name, place.phase)
        if place.phase is PHASES[-1]:
            self.retaining.start()
        self.attend()
        return place

    def _asking(self, entity: str) -> Callable[[Side], Control | None]:
        def ask(side: Side) -> Control | None:
            if side is Side.TARGET and self.settings.target is None:
                return None
            return self._asked(side, lambda one: self.sides.adapter(one).ledger.control(entity))

        return ask

    def _asked(self, side: Side, ask: Callable[[Side], T]) -> T:
        """Ask a side; one that was away a moment ago is not waited for again."""
        until, error = self._away.get(side, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error
        try:
            return ask(side)
        except FluxstoreError as error:
            self._away[side] = time.monotonic() + _AWAY_SECONDS, error
            raise

    def noting(self, epoch: int) -> Noted:
        """Return who hears in which epoch a write that was bound in *epoch* was committed."""

        def noted(committed: int) -> None:
            if committed > epoch:
                self.watcher.doubt()
            if not self._attends:
                self.attend()

        return noted

    def _tell_desired(self, entity: str, actual: Phase) -> None:
        """Say once that the phase in force is not the one that is asked for."""
        desired = self.settings.wanted(entity)
        if desired is actual or (desired.name, actual.name) in self._told:
            return
        self._told.add((desired.name, actual.name))
        log.warning(
            "phase %s is in force (%s first), %s is asked for: see `fluxstore phase show`",
            actual.name,
            entity,
            desired.name,
        )

    def attend(self) -> None:
        """Have the watcher and the relay running, in this process too where it was forked."""
        if self._attends:
            return
        self._attends = True
        if self.settings.target is not None:
            self.watcher.start()
            self.relaying.start()

    def close(self) -> None:
        """End every thread; what they had not done is written in the ledgers."""
        theirs = (self.watcher, self.relaying, self.retaining, self.shadow, self.stale)
        close_all([*theirs, *self.legs.values()])
