"""The relay: for each mark, copy the current record to the follower, then clear the mark.

The mark and the record are one step here. Reading the mark earlier only adds runs in which the
record is newer than the mark; then clearing is refused, which is a relay that died before it.
(Tried with two steps as well: the same workloads hold.)
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol_model.explorer import Event
from protocol_model.state import (
    FOLLOWER,
    SIDES,
    SOURCE,
    TARGET,
    Drain,
    State,
    applied,
    replaced,
    with_store,
)
from protocol_model.world import World
from protocol_model.writes import cleared, crossed, owed

Steps = Iterator[tuple[Event, State]]


def steps(world: World, state: State) -> Steps:
    """Yield what the relays may do next; two of them are what a lost lease comes to."""
    for who, drain in enumerate(state.relays):
        if drain is None:
            yield from _begin(world, state, who)
        else:
            if world.scenario.fails:
                yield Event(f"relay {who}", "dies"), _with(state, who, None)
            yield from STAGES[drain.stage](world, state, who, drain)


def _begin(world: World, state: State, who: int) -> Steps:
    for side in (SOURCE, TARGET):
        follower = state.stores[1 - side].control
        if follower.role != FOLLOWER:
            continue
        for key in range(world.scenario.keys):
            if state.stores[side].marks[key] is not None:
                yield from _read(world, state, who, side=side, key=key)


def _read(world: World, state: State, who: int, *, side: int, key: int) -> Steps:
    store, epoch = state.stores[side], state.stores[1 - side].control.epoch
    if not world.mechanisms.relay_takes_followers_epoch:
        epoch = store.control.epoch
    ops = owed(world, state, side, key)
    drain = Drain("apply", side, epoch, key, store.marks[key], store.records[key], ops)
    if not world.mechanisms.record_with_version:
        drain = drain._replace(stage="version")
    if not world.mechanisms.mark_before_record:
        drain = drain._replace(stage="mark")
    if not world.mechanisms.clears_after_apply:
        drain = drain._replace(stage="clear early")
    event = Event(f"relay {who}", "reads", SIDES[side], key, drain.record.row)
    yield event, _with(state, who, drain)


def _read_version(world: World, state: State, who: int, drain: Drain) -> Steps:
    """Give the record that was read the version that is there by now: what an ablation does."""
    row = state.stores[drain.origin].records[drain.key].row
    late = drain._replace(stage="apply", record=drain.record._replace(row=row))
    event = Event(f"relay {who}", "reads the version", SIDES[drain.origin], drain.key, row)
    yield event, _with(state, who, late)


def _read_mark(world: World, state: State, who: int, drain: Drain) -> Steps:
    """Take the mark that is there by now for the one that was read: what an ablation does."""
    mark = state.stores[drain.origin].marks[drain.key]
    event = Event(f"relay {who}", "reads the mark", SIDES[drain.origin], drain.key, mark)
    yield event, _with(state, who, drain._replace(stage="apply", mark=mark))


def _apply(world: World, state: State, who: int, drain: Drain) -> Steps:
    mechanisms = world.mechanisms
    actor, there, store = f"relay {who}", 1 - drain.origin, state.stores[1 - drain.origin]
    expected = (drain.epoch, FOLLOWER)
    if mechanisms.relay_fence and (store.control.epoch, store.control.role) != expected:
        yield Event(actor, "is refused", SIDES[there], drain.key), _with(state, who, None)
        return
    after = applied(store, drain.key, drain.record, guarded=mechanisms.guard)
    if mechanisms.carries_ops:
        new = drain.ops - after.ops
        after = after._replace(ops=after.ops | new, crossed=after.crossed | new)
    event = Event(actor, "applies", SIDES[there], drain.key, drain.record.row)
    yield event, _with(with_store(state, there, after), who, drain._replace(stage="clear"))


def _clear(world: World, state: State, who: int, drain: Drain) -> Steps:
    after = _known_to_have_crossed(world, state, drain)
    event = Event(f"relay {who}", "clears", SIDES[drain.origin], drain.key, drain.mark)
    yield event, _with(after, who, None)


def _clear_early(world: World, state: State, who: int, drain: Drain) -> Steps:
    """Clear the mark before the follower has what it stands for: what an ablation does."""
    after = _known_to_have_crossed(world, state, drain)
    event = Event(f"relay {who}", "clears", SIDES[drain.origin], drain.key, drain.mark)
    yield event, _with(after, who, drain._replace(stage="apply"))


def _known_to_have_crossed(world: World, state: State, drain: Drain) -> State:
    """Clear the mark, and know of the operations that they have crossed, in one transaction."""
    after = crossed(world, state, drain.origin, drain.ops, epoch=drain.epoch)
    return cleared(world, after, drain.origin, drain.key, drain.mark)


STAGES = {
    "apply": _apply,
    "clear": _clear,
    "clear early": _clear_early,
    "mark": _read_mark,
    "version": _read_version,
}


def _with(state: State, who: int, drain: Drain | None) -> State:
    return state._replace(relays=replaced(state.relays, who, drain))
