"""The backfill: read records in order, then merge them with the cursor in one transaction.

Each record of a batch is read by itself, because a file or a paged scan is not one snapshot. The
merge is one step: the batch fence keeps every leg out while it looks at version rows and writes.
Forward it meets records only; on the way back from an expired phase 5 also tombstones.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol_model.explorer import Event
from protocol_model.state import (
    AUTHORITY,
    DUAL,
    FOLLOWER,
    NOTHING,
    REFILLING,
    SIDES,
    SOURCE,
    TARGET,
    Batch,
    Record,
    State,
    replaced,
    version_of,
    with_store,
)
from protocol_model.world import World
from protocol_model.writes import owed

Steps = Iterator[tuple[Event, State]]


def steps(world: World, state: State) -> Steps:
    """Yield what the backfills may do next; two of them are a killed one that was not dead."""
    for who, batch in enumerate(state.backfills):
        if batch is None:
            yield from _begin(world, state, who)
            continue
        if world.scenario.fails:
            yield Event(f"backfill {who}", "dies"), _with(state, who, None)
        if batch.writes is not None:
            yield from _write_blindly(world, state, who, batch)
        elif _is_full(world, batch):
            yield from _merge(world, state, who, batch)
        else:
            yield from _read(world, state, who, batch)


def is_complete(world: World, state: State) -> bool:
    """Return whether every record has been passed."""
    return state.cursor >= world.scenario.keys


def _is_full(world: World, batch: Batch) -> bool:
    scenario = world.scenario
    read = len(batch.records)
    return read == scenario.batch or batch.first + read == scenario.keys


def _begin(world: World, state: State, who: int) -> Steps:
    if is_complete(world, state):
        return
    origin = TARGET if state.home == REFILLING else SOURCE
    there, here = state.stores[origin].control, state.stores[1 - origin].control
    ready = there[1:] == (AUTHORITY, DUAL) and there.epoch == here.epoch
    if here.role == FOLLOWER and (ready or not world.mechanisms.starts_fenced):
        batch = Batch(origin, here.epoch, state.cursor, (), frozenset(), None)
        yield from _read(world, state, who, batch)


def _read(world: World, state: State, who: int, batch: Batch) -> Steps:
    key = batch.first + len(batch.records)
    store = state.stores[batch.origin]
    record = store.records[key]
    if record.value is None and batch.origin == SOURCE:
        record = NOTHING
    ops = batch.ops
    if world.mechanisms.backfill_carries_ops:
        ops |= owed(world, state, batch.origin, key)
    after = _with(state, who, batch._replace(records=(*batch.records, record), ops=ops))
    if not world.mechanisms.cursor_with_batch:
        after = after._replace(cursor=max(state.cursor, key + 1))
    yield Event(f"backfill {who}", "reads", SIDES[batch.origin], key, record.row), after


def _merge(world: World, state: State, who: int, batch: Batch) -> Steps:
    mechanisms = world.mechanisms
    actor, there = f"backfill {who}", 1 - batch.origin
    store = state.stores[there]
    expected = (batch.epoch, FOLLOWER)
    if mechanisms.batch_role_fence and (store.control.epoch, store.control.role) != expected:
        yield Event(actor, "is refused", SIDES[there]), _with(state, who, None)
        return
    writes = tuple(
        _merged(world, store.records[batch.first + place], record)
        for place, record in enumerate(batch.records)
    )
    if not mechanisms.batch_fence:
        decided = batch._replace(writes=writes)
        yield Event(actor, "decides", SIDES[there]), _with(state, who, decided)
        return
    yield Event(actor, "merges", SIDES[there]), _after(state, who, batch, writes)


def _write_blindly(world: World, state: State, who: int, batch: Batch) -> Steps:
    """Write what was decided, whatever has come since: what a batch without its fence does."""
    actor, there = f"backfill {who}", 1 - batch.origin
    control = state.stores[there].control
    if (control.epoch, control.role) != (batch.epoch, FOLLOWER):
        yield Event(actor, "is refused", SIDES[there]), _with(state, who, None)
        return
    yield Event(actor, "merges", SIDES[there]), _after(state, who, batch, batch.writes or ())


def _after(state: State, who: int, batch: Batch, writes: tuple[Record | None, ...]) -> State:
    there = 1 - batch.origin
    store = state.stores[there]
    records = list(store.records)
    for place, record in enumerate(writes):
        if record is not None:
            records[batch.first + place] = record
    ops, crossed = store.ops | batch.ops, store.crossed | (batch.ops - store.ops)
    after = with_store(
        state, there, store._replace(records=tuple(records), ops=ops, crossed=crossed)
    )
    cursor = max(state.cursor, batch.first + len(batch.records))
    return _with(after, who, None)._replace(cursor=cursor)


def _merged(world: World, there: Record, record: Record) -> Record | None:
    """Return what the target gets for a record that was read, or None where it keeps its own."""
    mechanisms = world.mechanisms
    if record == NOTHING:
        return NOTHING if _is_extra(world, there) else None
    if not mechanisms.repairs_drift and there.value is not None:
        return None
    if record.row is not None:
        newer = version_of(record) > version_of(there) or not mechanisms.guard
        return record if newer else None
    touched = there.row is not None
    return None if touched and mechanisms.merge_asks_versions else record


def _is_extra(world: World, there: Record) -> bool:
    """Return whether a record that the source has not is to be deleted (``--delete-extra``)."""
    touched = there.row is not None and world.mechanisms.extras_ask_versions
    return world.scenario.deletes_extra and there.value is not None and not touched


def _with(state: State, who: int, batch: Batch | None) -> State:
    return state._replace(backfills=replaced(state.backfills, who, batch))
