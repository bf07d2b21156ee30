"""Entering dual write, cutover (C2 to C6) and its recoveries, in either direction.

From a source at (e, authority) with its target at (e, follower); a rollback is the same with the
sides exchanged::

    seal      source (e, authority)  → (e+1, sealed)
    drain     until no mark is left and every operation has crossed
    commit    source (e+1, sealed)   → (e+1, committing)
    take over target (e, follower)   → (e+1, authority)      the commit point
    follow    source (e+1, …)        → (e+1, follower)

A sealed source is given back on its own; a committing one after the target was moved to (e+2,
follower), where a late take-over cannot reach it.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol_model import backfill
from protocol_model.changes import AT_ONCE, LATE, NOTHING_GOES, ROWS, Change
from protocol_model.scenario import (
    TO_DUAL,
    TO_LIVE_AND_BACK,
    TO_LIVE_TWICE,
    TO_OFF_AND_AGAIN,
)
from protocol_model.state import (
    AUTHORITY,
    AWAY,
    BACK,
    COMMITTING,
    DUAL,
    FOLLOWER,
    FORTH,
    OFF,
    REFILLING,
    SEALED,
    SOURCE,
    TARGET,
    Control,
    State,
)
from protocol_model.world import World

Changes = Iterator[Change]


def entering(world: World, state: State) -> Changes:
    """Yield the steps from phase 0 to dual write: the target first, then the source."""
    mechanisms = world.mechanisms
    source, target = state.stores[SOURCE].control, state.stores[TARGET].control
    if source[1:] != (AUTHORITY, OFF):
        return
    epoch = source.epoch + 1
    if (target.epoch, target.role) == (epoch, FOLLOWER):
        yield Change("dual write", SOURCE, Control(epoch, AUTHORITY, DUAL), AT_ONCE)
        return
    yield Change(
        "target follows",
        TARGET,
        Control(epoch, FOLLOWER, DUAL),
        AT_ONCE,
        purges=ROWS if mechanisms.entering_drops_rows else NOTHING_GOES,
        restarts_cursor=mechanisms.entering_restarts_cursor,
    )


def leaving(world: World, state: State) -> Changes:
    """Yield the way back from dual write to phase 0, once."""
    source = state.stores[SOURCE].control
    again = world.scenario.goal == TO_OFF_AND_AGAIN
    if again and state.home == AWAY and source[1:] == (AUTHORITY, DUAL):
        purges = ROWS if world.mechanisms.leaving_drops_rows else NOTHING_GOES
        off = Control(source.epoch + 1, AUTHORITY, OFF)
        yield Change("phase 0", SOURCE, off, AT_ONCE, purges=purges, home=BACK)


def forward(world: World, state: State) -> Changes:
    """Yield the steps of a cutover from source to target, once everything is backfilled."""
    goal = world.scenario.goal
    twice = goal == TO_LIVE_TWICE and state.home in (BACK, FORTH)
    wanted = goal not in (TO_DUAL, TO_OFF_AND_AGAIN) and (state.home == AWAY or twice)
    may_begin = wanted and backfill.is_complete(world, state)
    yield from _steps(world, state, SOURCE, may_begin=may_begin)


def back(world: World, state: State) -> Changes:
    """Yield the steps of a rollback, once it is wanted and the source has everything."""
    turns = world.scenario.goal in (TO_LIVE_AND_BACK, TO_LIVE_TWICE) and state.home == AWAY
    wanted = turns or state.home in (BACK, REFILLING)
    may_begin = wanted and backfill.is_complete(world, state)
    yield from _steps(world, state, TARGET, may_begin=may_begin)


def _steps(world: World, state: State, side: int, *, may_begin: bool) -> Changes:
    here, there = state.stores[side].control, state.stores[1 - side].control
    if here.role == AUTHORITY:
        yield from _before(world, state, side, may_begin=may_begin)
    elif here.role in (SEALED, COMMITTING) and there[:2] == (here.epoch, AUTHORITY):
        yield Change("C6 follow", side, here._replace(role=FOLLOWER))
    elif here.role == SEALED:
        yield from _sealed(world, state, side)
    elif here.role == COMMITTING:
        yield from _committing(world, state, side)


def _before(world: World, state: State, side: int, *, may_begin: bool) -> Changes:
    mechanisms = world.mechanisms
    here, there = state.stores[side].control, state.stores[1 - side].control
    if here.phase != DUAL or there.role != FOLLOWER:
        return
    if there.epoch < here.epoch and mechanisms.target_catches_up:
        yield Change("catch up", 1 - side, Control(here.epoch, FOLLOWER, DUAL))
    level = there.epoch == here.epoch or not mechanisms.seals_level
    if level and may_begin:
        sealed = Control(here.epoch + 1, SEALED, DUAL)
        home = BACK if side == TARGET else FORTH if state.home else None
        yield Change("C2 seal", side, sealed, home=home)


def _sealed(world: World, state: State, side: int) -> Changes:
    mechanisms = world.mechanisms
    here = state.stores[side].control
    drained = all(mark is None for mark in state.stores[side].marks)
    if drained or not mechanisms.drain:
        if mechanisms.committing_first:
            yield Change("C4½ commit", side, here._replace(role=COMMITTING), LATE)
        else:
            yield Change("C5 take over", 1 - side, here._replace(role=AUTHORITY), LATE)
    epoch = here.epoch if mechanisms.unseal_keeps_epoch else here.epoch - 1
    yield Change("unseal", side, Control(epoch, AUTHORITY, DUAL), recovery=True)


def _committing(world: World, state: State, side: int) -> Changes:
    here, there = state.stores[side].control, state.stores[1 - side].control
    given_back = Control(here.epoch + 1, AUTHORITY, DUAL)
    if there[:2] == (here.epoch + 1, FOLLOWER):
        yield Change("give back", side, given_back)
        return
    yield Change("C5 take over", 1 - side, Control(here.epoch, AUTHORITY, DUAL), LATE)
    if world.mechanisms.asks_before_giving_back:
        out_of_reach = Control(here.epoch + 1, FOLLOWER, DUAL)
        yield Change("move out of reach", 1 - side, out_of_reach, recovery=True)
    else:
        yield Change("give back", side, given_back, recovery=True)
