"""Asking real backends for the steps that the protocol does not take."""

from __future__ import annotations

from collections.abc import Callable

from conducted import ENTITY, Conductor, key_of, record_of, versioned
from protocol_model.explorer import Event
from protocol_model.state import NOBODY, NOTHING, SIDES, SOURCE, State

from fluxstore.adapter import Batch
from fluxstore.errors import FluxstoreError


def ask(conductor: Conductor, event: Event) -> str:
    """Ask for a step that the protocol does not take: nothing may change; return the refusal.

    An operation that is recognised is no refusal, and has no second effect either.
    """
    actor = str(event.actor).rstrip("0123456789 ")
    refused = ""
    try:
        ASKED[actor](conductor, event, conductor.state)
    except FluxstoreError as error:
        refused = type(error).__name__
    conductor.compare(event)
    return refused


def _writer(conductor: Conductor, event: Event, before: State) -> None:
    """Ask a backend for a commit, or for a leg, that it must not take."""
    who = int(str(event.actor).removeprefix("writer "))
    leg = before.writers[who].leg
    if leg is not None and event.verb == "applies":
        change = versioned(leg.key, leg.record, [f"op{op}" for op in sorted(leg.ops)])
        items = conductor.sides[1 - leg.origin].collection(ENTITY)
        items.apply_if_newer([change], epoch=leg.epoch)
    elif event.verb in ("adds", "deletes"):
        op = conductor.model.world.scripts[who][before.writers[who].done]
        conductor.commit(event, f"op{op.number}", op.kind, op.bit)


def _foreign(conductor: Conductor, event: Event, before: State) -> None:
    """Ask a backend for a commit of somebody else that it must not take."""
    op = conductor.model.world.foreign[before.foreign]
    if before.stores[SIDES.index(event.side or "")].control.role != NOBODY:
        conductor.commit(event, None, op.kind, op.bit)


def _relay(conductor: Conductor, event: Event, before: State) -> None:
    """Ask the follower to apply what a relay read too long ago."""
    drain = before.relays[int(str(event.actor).removeprefix("relay "))]
    if drain is not None and event.verb == "applies":
        items = conductor.sides[1 - drain.origin].collection(ENTITY)
        items.apply_if_newer([versioned(drain.key, drain.record)], epoch=drain.epoch)


def _backfill(conductor: Conductor, event: Event, before: State) -> None:
    """Ask the target to merge what a backfill read too long ago."""
    batch = before.backfills[int(str(event.actor).removeprefix("backfill "))]
    if batch is not None and event.verb == "merges":
        untouched = [
            record_of(number, one)
            for number, one in enumerate(batch.records, batch.first)
            if one.row is None and one != NOTHING
        ]
        there = conductor.sides[1 - batch.origin].collection(ENTITY)
        there.merge(Batch(untouched, epoch=batch.epoch))


def _reader(conductor: Conductor, event: Event, before: State) -> None:
    """Ask a side to answer that must not."""
    if before.read is None:
        side = SIDES.index(event.side or "") if event.side else SOURCE
        conductor.sides[side].collection(ENTITY).governed.read([key_of(0)])


ASKED: dict[str, Callable[[Conductor, Event, State], None]] = {
    "writer": _writer,
    "foreign client": _foreign,
    "relay": _relay,
    "backfill": _backfill,
    "reader": _reader,
}
