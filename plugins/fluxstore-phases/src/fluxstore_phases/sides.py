"""Both backends of a migration: what their ledgers say, and one way to change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import attrs

from fluxstore.adapter import Adapter, Capability, Control
from fluxstore.entity import Entities, Entity
from fluxstore.errors import GateError, UnsupportedError
from fluxstore_phases.phases import OFF, Side
from fluxstore_phases.standing import ALL, Standing, scopes, told

LEASE = "phase"
"""Held at both sides by whoever changes a phase; a free one says that nobody does."""
PATIENCE_SECONDS = 5.0
CHANGED = "control"
"""The gate of a change that somebody else was faster with."""
BOTH = (Side.SOURCE, Side.TARGET)


@attrs.frozen
class Sides:
    """Source and target of a migration; each is opened when it is first asked for."""

    names: dict[Side, str]
    entities: Entities
    opener: Callable[[str], Adapter]

    def adapter(self, side: Side) -> Adapter:
        """Return the open backend of one side; ``BackendUnavailableError`` where it is away."""
        return self.opener(self.names[side])

    def controls(self, side: Side) -> dict[str, Control]:
        """Return every control record of one side."""
        return dict(self.adapter(side).ledger.controls())

    def scopes(self) -> Sequence[str]:
        """Return ``*`` and every entity that has a control record of its own at either side."""
        return scopes(*(self.controls(side) for side in BOTH))

    def scope_of(self, entity: str) -> str:
        """Return the scope that governs *entity*."""
        return entity if entity in self.scopes() else ALL

    def standing(self, scope: str) -> Standing:
        """Return where *scope* stands.

        An entity that has begun to get records of its own has them at the target first; until the
        source's is there too, that of ``*`` counts.
        """
        source, target = self.controls(Side.SOURCE), self.controls(Side.TARGET)
        if scope not in source and scope not in target:
            return Standing(scope, source.get(ALL), target.get(ALL))
        fallback = source.get(ALL) if scope in target else None
        return Standing(scope, source.get(scope, fallback), target.get(scope))

    def governed(self, scope: str) -> tuple[Entity, ...]:
        """Return the entities of *scope*, parents first."""
        own = set(self.scopes()) - {ALL}
        return tuple(
            one
            for one in self.entities.parents_first()
            if one.name == scope or (scope == ALL and one.name not in own)
        )

    def turn(
        self,
        side: Side,
        scope: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Compare and set one side's control; ``GateError`` where somebody was faster.

        ``LeaseError`` names who holds the fence when patience is over; then nothing was changed.
        """
        ledger = self.adapter(side).ledger
        done = ledger.set_control(
            scope, expected, control, purge=purge, patience_seconds=patience_seconds
        )
        if not done:
            found = told(ledger.controls().get(scope))
            raise GateError(
                f"{self.names[side]} was to be changed from {told(expected)} to {told(control)}, "
                f"and it says {found}",
                gate=CHANGED,
                missing=(told(expected),),
                next_step="somebody else changed the phase: see `fluxstore status`, then run again",
            )

    @contextmanager
    def leased(self, *sides: Side) -> Iterator[None]:
        """Hold the lease at *sides* (default: both); ``LeaseError`` names who has it."""
        with ExitStack() as held:
            for side in sides or BOTH:
                held.enter_context(self.adapter(side).ledger.lease(LEASE))
            yield

    def require_fencing(self) -> None:
        """Raise ``UnsupportedError`` for a side that cannot be an end of a live migration."""
        for side in BOTH:
            adapter = self.adapter(side)
            for capability in (Capability.FENCING, Capability.ATOMIC_LEDGER):
                if capability not in adapter.capabilities:
                    raise UnsupportedError(
                        f"the adapter {adapter.name} does not offer {capability.value}: control "
                        "would not be checked with each write",
                        backend=self.names[side],
                        capability=capability.value,
                        next_step="move it offline: stop the writers, then `fluxstore migrate`",
                    )

    def give_own(self, entity: str) -> None:
        """Give *entity* control records of its own that say what those of ``*`` say.

        The target's comes first: with the source's the entity stands for itself.
        """
        target, source = self.controls(Side.TARGET), self.controls(Side.SOURCE)
        if entity in source:
            return
        if ALL in target and entity not in target:
            self.turn(Side.TARGET, entity, None, target[ALL])
        self.turn(Side.SOURCE, entity, None, source.get(ALL, begun()))

    def finish_own(self) -> None:
        """Finish what ``give_own`` has begun, before the records of ``*`` change again."""
        target, source = self.controls(Side.TARGET), self.controls(Side.SOURCE)
        for name in target.keys() - source.keys() - {ALL}:
            if ALL in source:
                self.turn(Side.SOURCE, name, None, source[ALL])

    def pin(self) -> None:
        """Give entities that stay in phase ``off`` a target record that says so.

        Else the record of ``*`` at the target, about to be made, would govern them there.
        """
        source, target = self.controls(Side.SOURCE), self.controls(Side.TARGET)
        for name in source.keys() - target.keys() - {ALL}:
            stays = attrs.evolve(source[name], role="follower", phase=OFF.name)
            self.turn(Side.TARGET, name, None, stays)


def begun() -> Control:
    """Return the control of a source that nothing happened to yet."""
    return Control(1, "authority", OFF.name, "")


def new_migration() -> str:
    """Return an id for a migration that leaves phase ``off``."""
    return uuid4().hex[:12]
