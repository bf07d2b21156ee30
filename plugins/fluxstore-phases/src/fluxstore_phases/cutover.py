"""The cutover: one side hands over to the other, in steps that each are one compare-and-set.

From a holder at (e, authority) with the other side at (e, follower); a rollback is the same table
with the sides exchanged::

    C1   relay until little is left, and less each time;
         compare what was written since the validation          nothing changed
    C2   holder (e, authority)    → (e+1, sealed)               writes wait from here
    C3   drain to zero: only now the last mark is known
    C4   compare what was written since C1
    C4½  holder (e+1, sealed)     → (e+1, committing)           until here it undoes itself
    C5   other  (e, follower)     → (e+1, authority)            the commit point
    C6   holder (e+1, committing) → (e+1, follower)

Whatever fails before C4½ gives the holder back to its writers. After it, what the other side's
control says decides, and ``recovery`` reads it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import cast

import attrs

from fluxstore.adapter import Adapter, Control
from fluxstore.entity import Entity
from fluxstore.errors import BackendError, FluxstoreError, GateError
from fluxstore.migration import facts, relay
from fluxstore.migration.progress import check as check_stopped
from fluxstore.records import Rejected
from fluxstore_phases import accepting, checking, recovery
from fluxstore_phases.checking import Checking
from fluxstore_phases.phases import Phase, Side
from fluxstore_phases.sides import PATIENCE_SECONDS, Sides

FEW_MARKS = 1000
"""So many are drained well within the time that writes may wait."""
BUDGET_SECONDS = 30.0
CATCH_UP_SECONDS = 600.0
_ROUNDS = 50

Tell = Callable[[str], None]


@attrs.frozen
class Handed:
    """What a cutover did."""

    epoch: int
    pause_seconds: float
    """How long writes waited: from the seal to the other side's answer."""
    drained: int
    """Marks that were carried while writes waited."""
    checked: int
    """Keys that were compared while writes waited."""
    notices: tuple[str, ...] = ()


@attrs.define
class Cutover:
    """One run; ``here`` hands over, and ``phase`` is what both sides say afterwards."""

    sides: Sides
    scope: str
    here: Side
    phase: Phase
    budget_seconds: float = BUDGET_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    tell: Tell = lambda _: None
    stopped: Callable[[], bool] = lambda: False
    entities: tuple[Entity, ...] = ()
    ours: Control | None = None
    theirs: Control | None = None
    sealed_at: float = 0.0
    pause_seconds: float = 0.0
    drained: int = 0
    checked: int = 0
    checks: dict[str, Checking] = attrs.field(factory=dict)

    def run(self) -> Handed:
        """Take every step; the caller holds the lease of both sides and has asked the gates.

        ``LeaseError`` where a writer holds the fence, ``GateError`` where the drain does not end or
        records differ: then everything is as it was, in a new epoch.
        """
        standing = self.sides.standing(self.scope)
        if standing.state.name != "settled" or standing.holder is not self.here:
            raise GateError(
                f"both sides at one epoch expected: {standing.state.means}",
                gate="control",
                next_step="run again: what was begun is finished first",
            )
        self.entities = self.sides.governed(self.scope)
        self.ours, self.theirs = standing.held(self.here), standing.held(self.there)
        self.checks = {one.name: self._checking(one) for one in self.entities}
        for step in STEPS:
            self.tell(f"{step.point} {step.name}")
            self._take(step)
        notices = self._follow()
        epoch = self._ours.epoch
        return Handed(epoch, self.pause_seconds, self.drained, self.checked, notices)

    @property
    def there(self) -> Side:
        """The side that takes over."""
        return self.here.other

    @property
    def _ours(self) -> Control:
        return cast(Control, self.ours)  # run() begins with it

    @property
    def _theirs(self) -> Control:
        return cast(Control, self.theirs)

    def _take(self, step: Step) -> None:
        try:
            step.take(self)
        except BaseException as error:
            was_taken = step.undo(self)
            if not (was_taken and isinstance(error, FluxstoreError)):
                raise
            self.tell(f"{step.point} was done, though its answer was lost: {error}")
            self._taken()

    def adapters(self) -> tuple[Adapter, Adapter]:
        """Return the two backends, the one that hands over first."""
        return self.sides.adapter(self.here), self.sides.adapter(self.there)

    # the steps

    def catch_up(self) -> None:
        """Relay until few marks are left and their number falls."""
        here, there = self.adapters()
        until = time.monotonic() + CATCH_UP_SECONDS
        before = relay.backlog(here, self.entities).marks
        for _ in range(_ROUNDS):
            drained = relay.drain(
                here,
                there,
                self.entities,
                limit=max(before, FEW_MARKS),
                stopped=lambda: self.stopped() or time.monotonic() > until,
                patience_seconds=PATIENCE_SECONDS,
            )
            check_stopped(self.stopped)
            left = self._left(drained)
            if left < FEW_MARKS and left <= before:
                self._check_before()
                return
            before = left
            if time.monotonic() > until:
                break
        raise GateError(
            f"{before:,} marks are left, and they do not become fewer",
            gate="catch-up",
            missing=(f"{before:,} marks",),
            next_step="see why with `fluxstore status`; nothing was changed",
        )

    def seal(self) -> None:
        """Let writers wait: nothing is written from here on."""
        sealed = attrs.evolve(self._ours, epoch=self._ours.epoch + 1, role="sealed")
        self._turn(self.here, self._ours, sealed)
        self.sealed_at = time.monotonic()
        self.ours = sealed

    def drain(self) -> None:
        """Carry the last marks."""
        here, there = self.adapters()
        drained = relay.drain(
            here,
            there,
            self.entities,
            epoch=self._theirs.epoch,
            stopped=self._is_over,
            patience_seconds=self._left_seconds(),
        )
        self.drained = drained.cleared
        check_stopped(self.stopped)
        if left := self._left(drained):
            raise self._too_slow(f"{left:,} marks were not carried in time")

    def check(self) -> None:
        """Compare what is left of what was written since the validation, at both sides."""
        for one in self.checks.values():
            self.checked += one.under_seal(self._check_in_time)
        self._check_in_time()
        touched = checking.places(self.checks)
        ledger, epoch = self.sides.adapter(self.there).ledger, self._ours.epoch
        facts.save_equal(ledger, touched, migration=self._ours.migration, epoch=epoch)

    def commit(self) -> None:
        """From here on the other side's control decides."""
        committing = attrs.evolve(self._ours, role="committing")
        self._turn(self.here, self._ours, committing)
        self.ours = committing

    def take_over(self) -> None:
        """The commit point: the other side is the authority."""
        authority = Control(self._ours.epoch, "authority", self.phase.name, self._ours.migration)
        self._turn(self.there, self._theirs, authority)
        self._taken()
        self.theirs = authority

    # what happens where a step fails

    def leave(self) -> bool:
        """Nothing was changed."""
        return False

    def give_back(self) -> bool:
        """Let writers go on; the other side catches up as soon as it can be reached."""
        if not recovery.unseal(self.sides, self.scope, self.here):
            return False
        self.tell(f"writes go on; they waited {time.monotonic() - self.sealed_at:.2f} s")
        try:
            recovery.recover(self.sides, self.scope)
        except BackendError as error:
            self.tell(f"the other side catches up later: {error}")
        return False

    def decide(self) -> bool:
        """Ask the other side whether it took over, and tell; until it answers writes wait."""
        try:
            recovery.recover(self.sides, self.scope)
            return self.sides.standing(self.scope).holder is self.there
        except FluxstoreError as error:
            name = self.sides.names[self.there]
            self.tell(f"writes wait until {name} says whether it took over: {error}")
            return False

    # details

    def _follow(self) -> tuple[str, ...]:
        try:
            recovery.recover(self.sides, self.scope)
        except FluxstoreError as error:
            return (f"{self.sides.names[self.here]} follows as soon as it can: {error}",)
        return ()

    def _taken(self) -> None:
        self.pause_seconds = time.monotonic() - self.sealed_at

    def _turn(self, side: Side, expected: Control, control: Control) -> None:
        self.sides.turn(side, self.scope, expected, control, patience_seconds=self.patience_seconds)

    def _checking(self, entity: Entity) -> Checking:
        here, there = self.adapters()
        place = facts.known_equal(
            here.ledger, entity.name, migration=self._ours.migration, epoch=self._ours.epoch
        )
        known = accepting.accepted(self.sides, self.sides.standing(self.scope), entity)
        return Checking(entity, here, there, place, frozenset(known))

    def _check_before(self) -> None:
        """Compare while others write, so that little is left for when they wait."""
        for one in self.checks.values():
            one.before(lambda: check_stopped(self.stopped))
        compared = sum(one.compared for one in self.checks.values())
        self.tell(f"{compared:,} records written since the validation were compared")

    def _check_in_time(self) -> None:
        check_stopped(self.stopped)
        if self._is_over():
            raise self._too_slow("comparing what was written lately took too long")

    def _left(self, drained: relay.Drained) -> int:
        """Return how many marks are left beside those of records that may stay behind by name.

        ``GateError`` where a record cannot cross that nobody accepted.
        """
        if not drained.quarantined and not drained.waiting:
            return drained.left.marks
        standing = self.sides.standing(self.scope)
        refused = [
            one
            for one in drained.quarantined
            if not accepting.is_accepted(self.sides, standing, one)
        ]
        _refuse(refused, drained.waiting)
        return drained.left.marks - len(drained.quarantined)

    def _left_seconds(self) -> float:
        return max(self.sealed_at + self.budget_seconds - time.monotonic(), 0.0)

    def _is_over(self) -> bool:
        return self.stopped() or not self._left_seconds()

    def _too_slow(self, problem: str) -> GateError:
        return GateError(
            f"{problem}; writes were let go on after {time.monotonic() - self.sealed_at:.1f} s",
            gate="drain",
            next_step="the phase is as it was; run again when there are fewer writes",
        )


def _refuse(refused: Sequence[Rejected], waiting: Sequence[relay.Waiting]) -> None:
    if refused:
        first = refused[0].problem
        raise GateError(
            f"{first.entity} {first.key} cannot cross: {first.expected}",
            gate="quarantine",
            missing=tuple(f"{one.problem.entity} {one.problem.key}" for one in refused[:10]),
            next_step="mend the record, or accept that it stays behind: `fluxstore phase accept`",
        )
    if waiting:
        one = waiting[0]
        raise GateError(
            f"{one.entity} {one.key!r} is held back at the follower: {one.problem}",
            gate="constraints",
            missing=tuple(f"{each.entity} {each.key!r}" for each in waiting[:10]),
            next_step="see `fluxstore explain`; the phase is as it was",
        )


@attrs.frozen
class Step:
    """One row: a point of the table, what it does, and what happens where it fails."""

    point: str
    name: str
    take: Callable[[Cutover], None]
    undo: Callable[[Cutover], bool]
    """Tells whether the step was taken after all."""


STEPS: tuple[Step, ...] = (
    Step("C1", "catch up", Cutover.catch_up, Cutover.leave),
    Step("C2", "seal", Cutover.seal, Cutover.give_back),
    Step("C3", "drain", Cutover.drain, Cutover.give_back),
    Step("C4", "check", Cutover.check, Cutover.give_back),
    Step("C4½", "commit", Cutover.commit, Cutover.decide),
    Step("C5", "take over", Cutover.take_over, Cutover.decide),
)
"""C0, the gates, are asked before; C6 is what recovery does as well."""
