"""After the cutover: complete (phase 5), its retention, reopening, and finalize."""

from __future__ import annotations

from collections.abc import Iterator

from protocol_model.changes import AT_ONCE, LATE, MARKS, TOMBSTONES, Change
from protocol_model.scenario import TO_COMPLETE_AND_BACK, TO_EXPIRED_AND_BACK, TO_FINAL
from protocol_model.state import (
    ARCHIVED,
    AUTHORITY,
    AWAY,
    BACK,
    COMPLETE,
    DUAL,
    EXPIRED,
    FINAL,
    FOLLOWER,
    OFF,
    REFILLING,
    SOURCE,
    TARGET,
    Control,
    State,
)
from protocol_model.world import World

Changes = Iterator[Change]
COMPLETES = (TO_FINAL, TO_COMPLETE_AND_BACK, TO_EXPIRED_AND_BACK)


def changes(world: World, state: State) -> Changes:
    """Yield the steps from live to complete, to final, or back to live."""
    if world.scenario.goal not in COMPLETES or state.stores[TARGET].control.role != AUTHORITY:
        return
    yield from _complete(world, state)
    if state.stores[SOURCE].control.role == ARCHIVED:
        yield from _finalize(world, state)
        yield from _expire(world, state)
    yield from _reopen(world, state)


def _complete(world: World, state: State) -> Changes:
    source, target = state.stores[SOURCE].control, state.stores[TARGET].control
    live = target[1:] == (AUTHORITY, DUAL) and source[:2] == (target.epoch, FOLLOWER)
    if live and state.home == AWAY:
        yield Change("complete", TARGET, Control(target.epoch + 1, AUTHORITY, COMPLETE), AT_ONCE)
    behind = source.role == FOLLOWER and source.epoch < target.epoch
    drained = not any(state.stores[TARGET].marks)
    may_archive = drained or not world.mechanisms.complete_drains
    if target.phase == COMPLETE and behind and may_archive:
        apart = state.stores[SOURCE].records != state.stores[TARGET].records
        archived = Control(target.epoch, ARCHIVED, OFF)
        yield Change("archive", SOURCE, archived, breaks="I3" if apart else None)


def _finalize(world: World, state: State) -> Changes:
    target = state.stores[TARGET].control
    wanted = world.scenario.goal == TO_FINAL or world.scenario.finalizes
    if wanted and target.phase in (COMPLETE, EXPIRED):
        epoch = target.epoch + 1 if world.mechanisms.finalize_starts_epoch else target.epoch
        final = Control(epoch, AUTHORITY, FINAL)
        yield Change("finalize", TARGET, final, LATE, purges=TOMBSTONES)


def _expire(world: World, state: State) -> Changes:
    """Retention is over: the marks go, the tombstones stay."""
    target = state.stores[TARGET].control
    if world.scenario.goal == TO_EXPIRED_AND_BACK and target.phase == COMPLETE:
        expired = Control(target.epoch + 1, AUTHORITY, EXPIRED)
        purges = MARKS if world.mechanisms.expiry_keeps_tombstones else TOMBSTONES
        yield Change("expire", TARGET, expired, AT_ONCE, purges=purges)


def _reopen(world: World, state: State) -> Changes:
    mechanisms = world.mechanisms
    source, target = state.stores[SOURCE].control, state.stores[TARGET].control
    refills = target.phase == EXPIRED and mechanisms.expired_is_refilled
    reopened = Control(target.epoch + 1, AUTHORITY, DUAL)
    may = _may_reopen(world, target) and source.role in (ARCHIVED, FOLLOWER)
    if mechanisms.reopens_authority_first and may:
        home = REFILLING if refills else BACK
        yield Change("reopen", TARGET, reopened, LATE, home=home, restarts_cursor=refills)
    elif may and source.role == ARCHIVED:
        follower = Control(target.epoch + 1, FOLLOWER, DUAL)
        yield Change("follow again", SOURCE, follower, AT_ONCE)
    if target.phase == DUAL and source.role == ARCHIVED:
        yield Change("follow again", SOURCE, Control(target.epoch, FOLLOWER, DUAL), AT_ONCE)
    ahead = source[:2] == (target.epoch + 1, FOLLOWER) and _may_reopen(world, target)
    if ahead and not mechanisms.reopens_authority_first:
        yield Change("reopen", TARGET, reopened, LATE, home=BACK)


def _may_reopen(world: World, target: Control) -> bool:
    if world.scenario.goal == TO_FINAL:
        return False
    open_phase = EXPIRED if world.scenario.goal == TO_EXPIRED_AND_BACK else COMPLETE
    purged = target.phase == FINAL and not world.mechanisms.finalize_is_final
    return target.role == AUTHORITY and (target.phase == open_phase or purged)
