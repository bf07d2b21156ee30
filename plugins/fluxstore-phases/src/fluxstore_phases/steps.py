"""Changing the phase: a walk between neighbours, each step with its gates.

Every step is taken from what the ledgers say at that moment, so a walk that was killed anywhere is
gone on with by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from fluxstore.adapter import Control
from fluxstore.errors import BackendUnavailableError, GateError
from fluxstore_phases import archiving, completing, gates, recovery
from fluxstore_phases.cutover import BUDGET_SECONDS, Cutover, Tell
from fluxstore_phases.gates import Asked
from fluxstore_phases.phases import OFF, PHASES, Phase, Side
from fluxstore_phases.sides import PATIENCE_SECONDS, Sides, begun, new_migration
from fluxstore_phases.standing import ALL, Standing

MAX_AGE_SECONDS = 3600.0


@attrs.frozen
class Taken:
    """One step that was taken."""

    scope: str
    before: str
    after: str
    epoch: int
    seconds: float
    pause_seconds: float | None = None
    """How long writes waited, in a cutover."""
    notices: tuple[str, ...] = ()


def _nobody(_: Taken) -> None:
    """Tell nobody."""


@attrs.frozen
class Walk:
    """Changes of one scope's phase."""

    sides: Sides
    scope: str = ALL
    max_age_seconds: float = MAX_AGE_SECONDS
    budget_seconds: float = BUDGET_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    tell: Tell = lambda _: None
    stopped: Callable[[], bool] = lambda: False
    taken: Callable[[Taken], None] = _nobody
    """Hears of each step once it is durable."""

    def to(self, wanted: Phase) -> tuple[Taken, ...]:
        """Walk to *wanted*, and return the steps: none where it is there already.

        ``GateError`` at the first gate that is shut, ``LeaseError`` where somebody else changes a
        phase or a writer holds a fence; the steps before stay taken.
        """
        if wanted is OFF and self._is_without_target():
            return self._leave_alone()
        done: list[Taken] = []
        self._ask_for_fence(wanted)
        with self.sides.leased():
            recovery.recover_all(self.sides)
            self.sides.finish_own()
            if self.scope != ALL:
                self.sides.give_own(self.scope)
            while (step := self._next(wanted)) is not None:
                done.append(self._take(step, wanted))
                self.taken(done[-1])
                if self.stopped():
                    break
        return tuple(done)

    def _ask_for_fence(self, wanted: Phase) -> None:
        """Close the authority's fence for an instant: ``LeaseError`` names who holds on to it.

        Everything after this writes there, the lease first, and would wait much longer.
        """
        control = self._authority(wanted)
        if control is None:
            return
        side, known = control
        self.sides.adapter(side).ledger.set_control(
            self.scope, known, known, patience_seconds=self.patience_seconds
        )

    def _authority(self, wanted: Phase) -> tuple[Side, Control] | None:
        """Return the side that answers and its own record, where there is a step to take."""
        standing = self.sides.standing(self.scope)
        if standing.phase is wanted and standing.state.done:
            return None
        known = self.sides.controls(standing.holder).get(self.scope)
        if known is None or known.role != "authority":
            return None
        return standing.holder, known

    def _is_without_target(self) -> bool:
        try:
            self.sides.controls(Side.TARGET)
        except BackendUnavailableError:
            return True
        return False

    def _leave_alone(self) -> tuple[Taken, ...]:
        """Go to ``off`` while the target is away: its control goes when it is there again."""
        began = time.monotonic()
        with self.sides.leased(Side.SOURCE):
            controls = self.sides.controls(Side.SOURCE)
            source = controls.get(self.scope)
            if not controls or (source is not None and source.phase == OFF.name):
                return ()
            if source is None or source.role != "authority":
                raise self._missed()
            off = Control(source.epoch + 1, "authority", OFF.name, "")
            self._turn(Side.SOURCE, source, off, purge=True)
        name = self.sides.names[Side.TARGET]
        notice = f"{name} is away; it stops following when the next command finds it"
        taken = Taken(
            self.scope,
            source.phase,
            OFF.name,
            off.epoch,
            time.monotonic() - began,
            notices=(notice,),
        )
        self.taken(taken)
        return (taken,)

    def _missed(self) -> BackendUnavailableError:
        return BackendUnavailableError(
            "cannot be asked, and without it this cannot be decided",
            backend=self.sides.names[Side.TARGET],
            next_step="bring it back, or see `fluxstore rollback --lossy`",
        )

    def asked(self) -> Asked:
        """Return what gates are asked about now."""
        return Asked(
            self.sides,
            self.sides.standing(self.scope),
            self.sides.governed(self.scope),
            self.max_age_seconds,
        )

    def _next(self, wanted: Phase) -> Phase | None:
        standing = self.sides.standing(self.scope)
        if standing.state.name == "final" and wanted is not PHASES[-1]:
            raise GateError(
                "the migration was finalized, and there is no way back",
                gate="finalized",
                missing=(wanted.name,),
                next_step=f"to return, migrate afresh: write source = "
                f'"{self.sides.names[Side.TARGET]}" in [policy]',
            )
        if standing.phase is not wanted:
            return gates.neighbour(standing.phase, wanted)
        if wanted is OFF and standing.state.name == "entering":
            recovery.stay_off(self.sides, standing)
        if standing.state.name == "complete" and not archiving.is_kept(self.sides, standing):
            archiving.keep_manifest(self.sides, self.scope)
        return None

    def _take(self, after: Phase, wanted: Phase) -> Taken:
        asked, began = self.asked(), time.monotonic()
        before = asked.standing.phase
        self.tell(f"{before.name} → {after.name}")
        gates.require(asked, after, wanted)
        pause, notices = TRANSITIONS[before.number, after.number](self, after)
        standing = self.sides.standing(self.scope)
        return Taken(
            self.scope,
            before.name,
            after.name,
            standing.epoch,
            time.monotonic() - began,
            pause,
            notices,
        )

    # what a step does

    def enter(self, after: Phase) -> Outcome:
        """0 → 1: the target follows first, then the source is written twice."""
        standing = self._prepared()
        source, target = standing.held(Side.SOURCE), standing.target
        if standing.state.name == "entering":
            follower = standing.held(Side.TARGET)
        else:
            epoch = max(source.epoch, target.epoch if target else 0) + 1
            follower = Control(epoch, "follower", after.name, new_migration())
            self._turn(Side.TARGET, target, follower, purge=True)
        authority = attrs.evolve(follower, role="authority")
        self._turn(Side.SOURCE, source, authority, purge=True)
        return _NOTHING

    def _prepared(self) -> Standing:
        self.sides.require_fencing()
        if self.scope == ALL:
            self.sides.pin()
        if self.sides.standing(self.scope).source is None:
            self._turn(Side.SOURCE, None, begun())
        self.sides.adapter(Side.TARGET).prepare(self.sides.governed(self.scope))
        return self.sides.standing(self.scope)

    def say(self, after: Phase) -> Outcome:
        """1 ⇄ 2 ⇄ 3: roles and epoch stay; the authority says it first."""
        source = self.sides.standing(self.scope).held(Side.SOURCE)
        self._turn(Side.SOURCE, source, attrs.evolve(source, phase=after.name))
        recovery.recover(self.sides, self.scope)
        return _NOTHING

    def leave(self, _: Phase) -> Outcome:
        """1 → 0: the source is alone first, then the target's control goes."""
        source = self.sides.standing(self.scope).held(Side.SOURCE)
        off = Control(source.epoch + 1, "authority", OFF.name, "")
        self._turn(Side.SOURCE, source, off, purge=True)
        recovery.recover(self.sides, self.scope)
        return _NOTHING

    def hand_over(self, after: Phase) -> Outcome:
        """3 → 4, or 4 → 3: the cutover."""
        here = self.sides.standing(self.scope).holder
        handed = Cutover(
            self.sides,
            self.scope,
            here,
            after,
            budget_seconds=self.budget_seconds,
            patience_seconds=self.patience_seconds,
            tell=self.tell,
            stopped=self.stopped,
        ).run()
        return handed.pause_seconds, handed.notices

    def complete(self, _: Phase) -> Outcome:
        """4 → 5."""
        completing.complete(self.sides, self.scope)
        return _NOTHING

    def reopen(self, _: Phase) -> Outcome:
        """5 → 4."""
        expired = completing.expired_epoch(self.sides, self.sides.standing(self.scope))
        completing.reopen(self.sides, self.scope)
        if expired is None:
            return _NOTHING
        name = self.sides.names[Side.SOURCE]
        return None, (f"{name} lacks what was written since its marks were dropped: backfill it",)

    def _turn(
        self, side: Side, expected: Control | None, control: Control | None, *, purge: bool = False
    ) -> None:
        self.sides.turn(
            side,
            self.scope,
            expected,
            control,
            purge=purge,
            patience_seconds=self.patience_seconds,
        )


Outcome = tuple[float | None, tuple[str, ...]]
"""How long writes waited, and what the operator should know."""
_NOTHING: Outcome = (None, ())

TRANSITIONS: dict[tuple[int, int], Callable[[Walk, Phase], Outcome]] = {
    (0, 1): Walk.enter,
    (1, 2): Walk.say,
    (2, 3): Walk.say,
    (3, 4): Walk.hand_over,
    (4, 5): Walk.complete,
    (5, 4): Walk.reopen,
    (4, 3): Walk.hand_over,
    (3, 2): Walk.say,
    (2, 1): Walk.say,
    (1, 0): Walk.leave,
}
