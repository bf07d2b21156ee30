"""Phase changes: every step follows from durable control records, whoever takes it.

A step is a compare-and-set of one store's control: it names the epoch and the role that it
expects, and does nothing where they are others. The dangerous ones travel as messages, which may
arrive at any time; so do all of them in a scenario that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from protocol_model.explorer import Event
from protocol_model.state import (
    AUTHORITY,
    FOLLOWER,
    NOTHING,
    OFF,
    SIDES,
    Control,
    Message,
    Record,
    State,
    with_store,
)
from protocol_model.world import World

Steps = Iterator[tuple[Event, State]]
NOTHING_GOES, MARKS, TOMBSTONES, ROWS = "", "marks", "tombstones", "rows"
AT_ONCE, MAY_BE_LATE, LATE = range(3)


@attrs.frozen
class Change:
    """A proposed step: whose control becomes what; ``name`` is its point in the table of phases."""

    name: str
    side: int
    control: Control
    travels: int = MAY_BE_LATE
    recovery: bool = False
    """Taken by whoever finds the migrator dead, or thinks so; a scenario has so many of them."""
    purges: str = NOTHING_GOES
    """What goes in the same transaction: marks; marks and tombstones; marks and all rows."""
    home: int | None = None
    restarts_cursor: bool = False
    breaks: str | None = None
    """The promise that this step breaks, where only the step itself can tell."""


def taken(world: World, state: State, change: Change) -> Steps:
    """Yield the step itself, or its message being sent."""
    if change.recovery:
        if not state.recoveries:
            return
        state = state._replace(recoveries=state.recoveries - 1)
    control = state.stores[change.side].control
    message = Message(change.side, control.epoch, control.role, change.control, change.purges)
    event = Event("migrator", change.name, SIDES[change.side], None, change.control.epoch)
    if change.travels < (MAY_BE_LATE if world.scenario.all_late else LATE):
        yield event, _turned(_set(state, change.side, change.control, change.purges), change)
    elif message not in state.messages and len(state.messages) < world.scenario.in_flight:
        sent = state._replace(messages=tuple(sorted((*state.messages, message))))
        yield event._replace(verb=f"sends {change.name}"), _turned(sent, change)


def _turned(state: State, change: Change) -> State:
    if change.home is not None:
        state = state._replace(home=change.home)
    if change.breaks is not None:
        state = state._replace(broken=change.breaks)
    return state._replace(cursor=0) if change.restarts_cursor else state


def arrivals(world: World, state: State) -> Steps:
    """Yield each message on its way arriving now, with or without effect."""
    for message in state.messages:
        rest = tuple(other for other in state.messages if other != message)
        after = state._replace(messages=rest)
        control = state.stores[message.side].control
        event = Event("message", "arrives", SIDES[message.side], None, message.control)
        expected = (message.epoch, message.role) == (control.epoch, control.role)
        if expected or _takes_over_unasked(world, message):
            yield event, _set(after, message.side, message.control, message.purges)
        else:
            yield event._replace(verb="arrives too late"), after


def _takes_over_unasked(world: World, message: Message) -> bool:
    """Return whether the target takes over at any epoch: what an ablation does."""
    takes_over = (message.role, message.control.role) == (FOLLOWER, AUTHORITY)
    return takes_over and not world.mechanisms.compare_and_set


def _set(state: State, side: int, control: Control, purges: str) -> State:
    store = state.stores[side]
    if store.control.phase == OFF:  # another migration: the follower is another, or an empty one
        store = store._replace(crossed=frozenset())
    store = store._replace(control=control)
    if purges != NOTHING_GOES:
        records = tuple(PURGED[purges](record) for record in store.records)
        store = store._replace(records=records, marks=(None,) * len(store.marks))
    return with_store(state, side, store)


PURGED: dict[str, Callable[[Record], Record]] = {
    MARKS: lambda record: record,
    TOMBSTONES: lambda record: NOTHING if record.value is None else record,
    ROWS: lambda record: Record(None, record.value),
}
