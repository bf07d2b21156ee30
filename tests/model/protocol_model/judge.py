"""What must hold in every state, and what must hold when nothing is under way."""

from __future__ import annotations

from protocol_model import backfill
from protocol_model.scenario import TO_DUAL, TO_FINAL, TO_LIVE, TO_LIVE_TWICE
from protocol_model.state import (
    AUTHORITY,
    AWAY,
    COMMITTING,
    DUAL,
    FINAL,
    FOLLOWER,
    FORTH,
    OFF,
    SEALED,
    SOURCE,
    TARGET,
    State,
    Store,
)
from protocol_model.world import World


def violation(world: World, state: State) -> str | None:
    """Return the promise that *state* breaks, or None."""
    if state.broken:
        return state.broken
    holders = [side for side in (SOURCE, TARGET) if _is(state, side, AUTHORITY)]
    holders = holders or [s for s in (SOURCE, TARGET) if _is(state, s, SEALED, COMMITTING)]
    if len(holders) != 1:
        return "I5"
    holder = holders[0]
    apart = _apart(state, holder) if _at_rest(world, state, holder) else None
    return _lost(state, holder) or apart or _ahead(state, holder)


def _is(state: State, side: int, *roles: str) -> bool:
    return state.stores[side].control.role in roles


def _lost(state: State, holder: int) -> str | None:
    """Compare the authority with what the committed writes made of each record."""
    for record, truth in zip(state.stores[holder].records, state.truth, strict=True):
        if record.value != truth:
            returned = (record.value or 0) & ~(truth or 0)
            return "I2" if returned else "I1"
    return None


def _ahead(state: State, holder: int) -> str | None:
    """Compare versions: a follower has none that its authority has not."""
    here, there = state.stores[holder], state.stores[1 - holder]
    if there.control.role != FOLLOWER or OFF in (here.control.phase, there.control.phase):
        return None
    for mine, its in zip(here.records, there.records, strict=True):
        if its.row is not None and its.row > (mine.row or (0, 1)):
            return "I6"
    return None


def _apart(state: State, holder: int) -> str | None:
    """Compare records and tombstones with their versions: nothing will make them equal now."""
    equal = state.stores[holder].records == state.stores[1 - holder].records
    return None if equal else "I3"


def _at_rest(world: World, state: State, holder: int) -> bool:
    """Return whether nothing is on its way from an authority to a follower of its epoch."""
    here, there = state.stores[holder], state.stores[1 - holder]
    return (
        there.control.role == FOLLOWER
        and here.control.epoch == there.control.epoch
        and here.control.phase != OFF
        and backfill.is_complete(world, state)
        and not _under_way(world, state, here, holder)
    )


def _under_way(world: World, state: State, here: Store, holder: int) -> bool:
    return (
        any(here.marks)
        or any(state.relays)
        or any(state.backfills)
        or any(writer.leg is not None for writer in state.writers)
    )


def is_end(world: World, state: State) -> bool:
    """Return whether every operation is done, nothing is under way, and the goal is reached."""
    scripts = zip(state.writers, world.scripts, strict=True)
    done = (
        all(writer.done == len(script) for writer, script in scripts)
        and state.foreign == len(world.foreign)
        and not state.reads
        and not state.messages
    )
    return done and _goal(world, state)


def _goal(world: World, state: State) -> bool:
    goal = world.scenario.goal
    if state.stores[TARGET].control.phase == FINAL:
        return goal == TO_FINAL or world.scenario.finalizes
    holder = TARGET if goal in (TO_LIVE, TO_LIVE_TWICE) else SOURCE
    turned = state.home == FORTH if goal == TO_LIVE_TWICE else state.home != AWAY
    turned = turned or goal in (TO_DUAL, TO_LIVE)
    control = state.stores[holder].control
    there = control.role == AUTHORITY and control.phase == DUAL
    return turned and there and _at_rest(world, state, holder)
