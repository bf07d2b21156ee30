"""Writers and foreign clients: the commit at the authority, then the follower leg."""

from __future__ import annotations

from collections.abc import Iterator

from protocol_model.explorer import Event
from protocol_model.scenario import DELETE, Op
from protocol_model.state import (
    AUTHORITY,
    COMPLETE,
    DUAL,
    FOLLOWER,
    NOTHING,
    OFF,
    SIDES,
    SOURCE,
    TARGET,
    Control,
    Leg,
    Record,
    State,
    Writer,
    applied,
    replaced,
    version_of,
    with_store,
)
from protocol_model.world import World

Steps = Iterator[tuple[Event, State]]


def steps(world: World, state: State) -> Steps:
    """Yield what writers and the foreign client may do next."""
    for who, writer in enumerate(state.writers):
        if writer.leg is not None:
            yield from _leg(world, state, who, writer.leg)
        elif writer.done < len(world.scripts[who]):
            op = world.scripts[who][writer.done]
            yield from _commit(world, state, who, op)
    if state.foreign < len(world.foreign):
        yield from _foreign(world, state, world.foreign[state.foreign])


def _commit(world: World, state: State, who: int, op: Op) -> Steps:
    """One transaction: fence, look for the op, record, version, mark, op."""
    mechanisms = world.mechanisms
    if not (mechanisms.fence and mechanisms.atomic_change):
        yield from _commit_in_two_steps(world, state, who, op)
        return
    for side in (SOURCE, TARGET):
        store = state.stores[side]
        falls_over = side == SOURCE and not mechanisms.no_fallback
        if store.control.role == AUTHORITY or falls_over:
            yield from _outcomes(world, state, who, op, side=side)


def _commit_in_two_steps(world: World, state: State, who: int, op: Op) -> Steps:
    """Look at control and record, then write what follows from them: what an ablation does."""
    looked = state.writers[who].looked
    if looked is None:
        for side in (SOURCE, TARGET):
            store = state.stores[side]
            if store.control.role == AUTHORITY:
                seen = (side, store.control, store.records[op.key])
                writer = state.writers[who]._replace(looked=seen)
                event = Event(f"writer {who}", "looks", SIDES[side], op.key)
                yield event, _with_writer(state, who, writer)
        return
    side, control, base = looked
    store = state.stores[side]
    if world.mechanisms.fence and store.control != control:
        writer = state.writers[who]._replace(looked=None)
        yield (
            Event(f"writer {who}", "is refused", SIDES[side], op.key),
            _with_writer(state, who, writer),
        )
        return
    current = store.records[op.key] if world.mechanisms.atomic_change else base
    yield from _outcomes(world, state, who, op, side=side, control=control, base=current)


def _outcomes(
    world: World,
    state: State,
    who: int,
    op: Op,
    *,
    side: int,
    control: Control | None = None,
    base: Record | None = None,
) -> Steps:
    """The commit succeeds; or it does and its reply is lost, so that it will be retried."""
    store, actor = state.stores[side], f"writer {who}"
    control, base = control or store.control, base or store.records[op.key]
    done = Writer(state.writers[who].done + 1, None, None)
    if op.number in store.ops:
        yield Event(actor, "is recognised", SIDES[side], op.key), _with_writer(state, who, done)
        return
    if op.kind == DELETE and base.value is None:
        yield (
            Event(actor, "finds nothing", SIDES[side], op.key),
            _with_writer(_twice(state, op), who, done),
        )
        return
    record = changed(world, base, op, control)
    after = written(world, state, side, op, record=record, control=control)
    if control.phase == DUAL:
        stage = "apply" if world.mechanisms.marks_with_commit else "mark"
        leg = Leg(stage, side, control.epoch, op.key, record, frozenset({op.number}))
        done = done._replace(leg=leg)
    event = Event(actor, f"{op.kind}s", SIDES[side], op.key, record.row)
    yield event, _with_writer(after, who, done)
    if state.lost_replies:
        lost = event._replace(verb=f"{op.kind}s without a reply")
        unsure = Writer(state.writers[who].done, None, None)
        yield (
            lost,
            _with_writer(after, who, unsure)._replace(lost_replies=state.lost_replies - 1),
        )


def _foreign(world: World, state: State, op: Op) -> Steps:
    """A statement of somebody who knows nothing of phases; triggers do what the library would."""
    mechanisms = world.mechanisms
    for side in (SOURCE, TARGET):
        store = state.stores[side]
        if store.control.role != AUTHORITY and mechanisms.refuses_foreign:
            continue
        base = store.records[op.key]
        after = state._replace(foreign=state.foreign + 1)
        if op.kind == DELETE and base.value is None:
            yield Event("foreign client", "finds nothing", SIDES[side], op.key), after
            continue
        known = store.control if mechanisms.captures_foreign else store.control._replace(phase=OFF)
        record = changed(world, base, op, known)
        after = written(world, after, side, op, record=record, control=known)
        yield Event("foreign client", f"{op.kind}s", SIDES[side], op.key, record.row), after


def changed(world: World, base: Record, op: Op, control: Control) -> Record:
    """Return what *op* makes of *base*: in phase 0 nobody keeps versions."""
    value = None if op.kind == DELETE else (base.value or 0) | op.bit
    if control.phase == OFF:
        return Record(base.row, value)
    if value is None and not world.mechanisms.tombstones:
        return NOTHING
    return Record((control.epoch, version_of(base)[1] + 1), value)


def written(
    world: World, state: State, side: int, op: Op, *, record: Record, control: Control
) -> State:
    """Return *state* after a transaction that wrote *record*; its commit is when it took effect."""
    mechanisms = world.mechanisms
    store = state.stores[side]
    marks = store.marks
    if _marks(world, control) and mechanisms.marks_with_commit:
        marks = replaced(marks, op.key, record.row or version_of(record))
    ops = store.ops
    if mechanisms.ops and op.number < world.first_foreign:
        ops = ops | {op.number}
    records = replaced(store.records, op.key, record)
    after = with_store(state, side, store._replace(records=records, marks=marks, ops=ops))
    return _took_effect(after, op)


def _marks(world: World, control: Control) -> bool:
    mechanisms = world.mechanisms
    kept = control.phase == COMPLETE and mechanisms.marks_when_complete
    return mechanisms.marks and (control.phase == DUAL or kept)


def _took_effect(state: State, op: Op) -> State:
    """Keep the judge's account: what is true now, who may have read it, what had its effect."""
    value = None if op.kind == DELETE else (state.truth[op.key] or 0) | op.bit
    read = state.read
    if read is not None and op.key == 0:
        read = read._replace(allowed=read.allowed | {value})
    return _twice(state, op)._replace(
        truth=replaced(state.truth, op.key, value), effects=state.effects | {op.number}, read=read
    )


def _twice(state: State, op: Op) -> State:
    """Break I7 where *op* had its effect before: it should have been recognised."""
    return state._replace(broken="I7") if op.number in state.effects else state


def _leg(world: World, state: State, who: int, leg: Leg) -> Steps:
    """Apply at the follower and clear the mark; dying or failing anywhere leaves the mark."""
    actor, there = f"writer {who}", 1 - leg.origin
    done = state.writers[who]._replace(leg=None)
    if world.scenario.fails:
        given_up = _with_writer(state, who, done)
        yield Event(actor, "gives up its leg", SIDES[there], leg.key), given_up
    if leg.stage == "mark":
        store = state.stores[leg.origin]
        marks = replaced(store.marks, leg.key, leg.record.row)
        after = with_store(state, leg.origin, store._replace(marks=marks))
        marked = done._replace(leg=leg._replace(stage="apply"))
        event = Event(actor, "marks", SIDES[leg.origin], leg.key, leg.record.row)
        yield event, _with_writer(after, who, marked)
    elif leg.stage == "apply":
        yield from _apply(world, state, who, leg)
    else:
        after = crossed(world, state, leg.origin, leg.ops, epoch=leg.epoch)
        after = cleared(world, after, leg.origin, leg.key, leg.record.row)
        event = Event(actor, "clears its mark", SIDES[leg.origin], leg.key, leg.record.row)
        yield event, _with_writer(after, who, done)


def _apply(world: World, state: State, who: int, leg: Leg) -> Steps:
    mechanisms = world.mechanisms
    there, store = 1 - leg.origin, state.stores[1 - leg.origin]
    done = state.writers[who]._replace(leg=None)
    if mechanisms.leg_fence and (store.control.epoch, store.control.role) != (leg.epoch, FOLLOWER):
        event = Event(f"writer {who}", "has its leg refused", SIDES[there], leg.key)
        if not mechanisms.refused_leg_leaves_mark:
            state = cleared(world, state, leg.origin, leg.key, leg.record.row)
        yield event, _with_writer(state, who, done)
        return
    after = applied(store, leg.key, leg.record, guarded=mechanisms.guard)
    carried = leg.ops
    if mechanisms.legs_carry_what_is_owed:
        carried |= owed(world, state, leg.origin, leg.key)
    if mechanisms.ops and mechanisms.carries_ops:
        new = carried - after.ops
        after = after._replace(ops=after.ops | new, crossed=after.crossed | new)
    clearing = done._replace(leg=leg._replace(stage="clear", ops=carried))
    event = Event(f"writer {who}", "applies", SIDES[there], leg.key, leg.record.row)
    yield event, _with_writer(with_store(state, there, after), who, clearing)


def owed(world: World, state: State, side: int, key: int) -> frozenset[int]:
    """Return the operations on *key* of which *side* does not know that they have crossed."""
    store = state.stores[side]
    return frozenset(op for op in store.ops - store.crossed if world.key_of_op[op] == key)


def crossed(world: World, state: State, side: int, ops: frozenset[int], *, epoch: int) -> State:
    """Return *state* with *ops* known to have crossed in *epoch*, where that is this migration's.

    Between two migrations lies an epoch of phase 0, and a seal is one ahead of its follower.
    """
    store = state.stores[side]
    if not world.mechanisms.carries_ops or store.control.epoch - epoch not in (0, 1):
        return state
    known = store.crossed | (ops & store.ops)
    return with_store(state, side, store._replace(crossed=known))


def cleared(world: World, state: State, side: int, key: int, mark: object) -> State:
    """Return *state* without the mark of *key*, if it still is the one given."""
    store = state.stores[side]
    if world.mechanisms.clears_only_the_mark_it_read and store.marks[key] != mark:
        return state
    return with_store(state, side, store._replace(marks=replaced(store.marks, key, None)))


def _with_writer(state: State, who: int, writer: Writer) -> State:
    return state._replace(writers=replaced(state.writers, who, writer))
