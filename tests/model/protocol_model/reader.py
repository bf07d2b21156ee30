"""A reader: control and record in one transaction, and the target asked where that is not enough.

It may look at either side first. What it returns must have been true at an instant since it began;
then its reads never go backwards and miss no acknowledged write.
"""

from __future__ import annotations

from collections.abc import Iterator

from protocol_model.explorer import Event
from protocol_model.state import AUTHORITY, COMMITTING, SEALED, SIDES, SOURCE, TARGET, Read, State
from protocol_model.world import World

Steps = Iterator[tuple[Event, State]]


def steps(world: World, state: State) -> Steps:
    """Yield what the reader may do next."""
    read = state.read
    if read is not None:
        yield from STAGES[read.stage](world, state, read)
    elif state.reads:
        for side in (SOURCE, TARGET):
            yield from _look(world, state, side)


def _look(world: World, state: State, side: int) -> Steps:
    store = state.stores[side]
    read = Read("ask", side, store.control, store.records[0].value, frozenset({state.truth[0]}))
    bound = not world.mechanisms.control_with_read and store.control.role == AUTHORITY
    if bound:
        waiting = read._replace(stage="trust", value=None, allowed=frozenset())
        yield Event("reader", "binds", SIDES[side], 0), state._replace(read=waiting)
    elif store.control.role in (AUTHORITY, SEALED):
        yield _answer(state, read)
    elif store.control.role == COMMITTING:
        if world.mechanisms.asks_when_committing:
            yield Event("reader", "looks", SIDES[side], 0), state._replace(read=read)
        else:
            yield _answer(state, read)


def _ask(world: World, state: State, read: Read) -> Steps:
    """The source is committing: has the target taken over?"""
    there = 1 - read.side
    if state.stores[there].control.role == AUTHORITY:
        yield Event("reader", "is sent on", SIDES[there], 0), state._replace(read=None)
    elif world.mechanisms.rereads_control:
        asked = state._replace(read=read._replace(stage="reread"))
        yield Event("reader", "asks", SIDES[there], 0), asked
    else:
        yield _answer(state, read)


def _reread(world: World, state: State, read: Read) -> Steps:
    if state.stores[read.side].control[:2] == read.control[:2]:
        yield _answer(state, read)
    else:
        yield Event("reader", "begins again", SIDES[read.side], 0), state._replace(read=None)


def _trust(world: World, state: State, read: Read) -> Steps:
    """Read where control once was seen, without looking at it again: what an ablation does."""
    value = state.stores[read.side].records[0].value
    yield _answer(state, read._replace(value=value, allowed=frozenset({state.truth[0]})))


def _answer(state: State, read: Read) -> tuple[Event, State]:
    broken = state.broken if read.value in read.allowed else "I4"
    event = Event("reader", "returns", SIDES[read.side], 0, read.value)
    return event, state._replace(read=None, reads=state.reads - 1, broken=broken)


STAGES = {"ask": _ask, "reread": _reread, "trust": _trust}
