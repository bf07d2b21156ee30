"""What whoever comes next does where a phase change was left unfinished, wherever it was left.

Each step follows from the two controls alone and is a compare-and-set, so it does not matter who
takes it, how often, or whether the one who died comes back. The order within a step is what the
explored model proves: a sealed side is given back on its own and never to its old epoch; a
committing one only after the other side was moved out of reach of a late take-over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from fluxstore.adapter import Control
from fluxstore.errors import GateError, RoutingError
from fluxstore_phases.archiving import archive
from fluxstore_phases.phases import OFF, Side
from fluxstore_phases.sides import CHANGED, Sides
from fluxstore_phases.standing import ALL, Standing

Step = Callable[[Sides, Standing], None]
_MOST_STEPS = 12
"""More than any way through the table has."""


def recover(sides: Sides, scope: str) -> tuple[str, ...]:
    """Finish what was left unfinished in *scope*; return the names of the states found.

    The caller holds the lease of both sides. Nothing is changed where nothing was left.
    ``BackendUnavailableError`` where a side that is needed is away: what was done stays done.
    """
    found: list[str] = []
    for _ in range(_MOST_STEPS):
        standing = sides.standing(scope)
        step = _step(standing)
        if step is None:
            return tuple(found)
        found.append(standing.state.name)
        _taken(step, sides, standing)
    raise RoutingError(
        f"the phase changes again and again ({', '.join(found)})",
        entity="" if scope == ALL else scope,
        next_step="see who else changes it, then run again",
    )


def _taken(step: Step, sides: Sides, standing: Standing) -> None:
    """Take a step; where somebody was faster, what is there now decides the next one."""
    try:
        step(sides, standing)
    except GateError as error:
        if error.gate != CHANGED:
            raise


def recover_all(sides: Sides) -> tuple[str, ...]:
    """Finish what was left unfinished in any scope, as ``recover`` does."""
    return tuple(name for scope in sides.scopes() for name in recover(sides, scope))


def unseal(sides: Sides, scope: str, side: Side) -> bool:
    """Give a sealed side back to its writers, on its own; tell whether it was sealed.

    The other side is not asked, and may be away: before C4½ nobody has asked it to take over.
    """
    sealed = sides.controls(side).get(scope)
    if sealed is None or sealed.role != "sealed":
        return False
    sides.turn(side, scope, sealed, attrs.evolve(sealed, role="authority"))
    return True


def stay_off(sides: Sides, standing: Standing) -> None:
    """Take back a target that follows already, where the source has not entered dual write."""
    _remove_target(sides, standing)


def _step(standing: Standing) -> Step | None:
    if standing.state.name == "settled":
        return _agree if _texts_differ(standing) else None
    return _STEPS.get(standing.state.name)


def _texts_differ(standing: Standing) -> bool:
    holder = standing.holder
    ours, theirs = standing.held(holder), standing.held(holder.other)
    return (ours.phase, ours.migration) != (theirs.phase, theirs.migration)


def _agree(sides: Sides, standing: Standing) -> None:
    """Let the follower say the phase that the authority says; epochs and roles stay."""
    holder = standing.holder
    ours, theirs = standing.held(holder), standing.held(holder.other)
    said = attrs.evolve(theirs, phase=ours.phase, migration=ours.migration)
    sides.turn(holder.other, standing.scope, theirs, said)


def _remove_target(sides: Sides, standing: Standing) -> None:
    target = standing.held(Side.TARGET)
    after = None
    if standing.scope != ALL and ALL in sides.controls(Side.TARGET):
        after = attrs.evolve(target, phase=OFF.name, migration="")
    sides.turn(Side.TARGET, standing.scope, target, after, purge=True)


def _follow_holder(sides: Sides, standing: Standing) -> None:
    holder = standing.holder
    ours, theirs = standing.held(holder), standing.held(holder.other)
    follower = attrs.evolve(ours, role="follower")
    sides.turn(holder.other, standing.scope, theirs, follower)


def _unseal(sides: Sides, standing: Standing) -> None:
    unseal(sides, standing.scope, standing.holder)


def _move_out_of_reach(sides: Sides, standing: Standing) -> None:
    """From here the target's old epoch is gone: a take-over that is on its way finds nothing."""
    holder = standing.holder
    ours, theirs = standing.held(holder), standing.held(holder.other)
    away = attrs.evolve(theirs, epoch=ours.epoch + 1)
    sides.turn(holder.other, standing.scope, theirs, away)


def _give_back(sides: Sides, standing: Standing) -> None:
    holder = standing.holder
    ours = standing.held(holder)
    back = attrs.evolve(ours, epoch=ours.epoch + 1, role="authority")
    sides.turn(holder, standing.scope, ours, back)


def _fence_given_up(sides: Sides, standing: Standing) -> None:
    """Keep everybody from a target that was given up: it holds what was lost by name."""
    ours, theirs = standing.held(Side.SOURCE), standing.held(Side.TARGET)
    archived = Control(ours.epoch, "archived", OFF.name, theirs.migration)
    sides.turn(Side.TARGET, standing.scope, theirs, archived)


_STEPS: Mapping[str, Step] = {
    "leaving": _remove_target,
    "behind": _follow_holder,
    "sealed": _unseal,
    "committing": _move_out_of_reach,
    "giving back": _give_back,
    "taken over": _follow_holder,
    "completing": archive,
    "reopening": _follow_holder,
    "given up": _fence_given_up,
}
