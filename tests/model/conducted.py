"""The model's steps, taken by real adapters: after each of them both must be in the same state.

A path of the model is a script: who commits, whose leg applies, which batch merges, which control
record is compared and set, in which order. The conductor does each step with two real backends by
the contract's verbs, and compares records, versions, marks, what is owed and control with what the
model says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from protocol_model.explorer import Event
from protocol_model.migration import Migration
from protocol_model.state import (
    ARCHIVED,
    COMPLETE,
    DUAL,
    EXPIRED,
    FINAL,
    NOBODY,
    NOTHING,
    OFF,
    SIDES,
    Message,
    State,
    Store,
)
from protocol_model.state import Batch as Batched
from protocol_model.state import Control as Said
from protocol_model.state import Record as Modelled

from fluxstore.adapter import Adapter, Batch, Collection, Control, Crossed, Cursor, Mark
from fluxstore.codec import Codec
from fluxstore.entity import Entities, entity, entity_of
from fluxstore.errors import RecordNotFoundError, SealedError, StalePhaseError
from fluxstore.records import UNTOUCHED, Delete, Intent, Put, Record, Version, Versioned

REFUSALS = (SealedError, StalePhaseError)
PHASES = {
    OFF: "off",
    DUAL: "dual_write",
    COMPLETE: "complete",
    EXPIRED: "complete",
    FINAL: "complete",
}


@entity("items")
class Item:
    """A record whose value is a set of bits: which operations are in it."""

    id: str
    bits: int = 0


ENTITY = entity_of(Item)
ENTITIES = Entities([ENTITY])
CODEC = Codec.of(ENTITY)


def key_of(number: int) -> str:
    """Return the key that the model calls *number*."""
    return f"k{number}"


def record_of(number: int, modelled: Modelled) -> Record:
    """Return a record with the model's value."""
    key = key_of(number)
    return Record(key, CODEC.row(Item(id=key, bits=modelled.value or 0)))


def versioned(number: int, modelled: Modelled, op_ids: Sequence[str] = ()) -> Versioned:
    """Return what a leg or a relay carries for a record of the model."""
    epoch, seq = modelled.row or (0, 1)
    is_gone = modelled.value is None
    record = None if is_gone else record_of(number, modelled)
    return Versioned(key_of(number), Version(epoch, seq, is_gone), record, op_ids)


def control_of(said: Said) -> Control | None:
    """Return the control record that the model says."""
    if said.role == NOBODY:
        return None
    role: Any = said.role
    phase = COMPLETE if said.role == ARCHIVED else said.phase
    return Control(said.epoch, role, PHASES[phase], "m1")


def keeps_books(said: Said) -> bool:
    """Tell whether the model says which versions a backend keeps: not before, not at the end."""
    return said.role == ARCHIVED or said.phase not in (OFF, FINAL)


@attrs.frozen
class Seen:
    """What a backend holds of one key, as the model would say it."""

    value: int | None
    row: tuple[int, int] | None
    mark: tuple[int, int] | None


class Conductor:
    """Two real backends on a path of a model."""

    def __init__(self, model: Migration, sides: tuple[Adapter, Adapter]) -> None:
        """Bring the backends to the model's beginning."""
        self.model, self.sides = model, sides
        self.state = model.initial()
        self._sent: dict[Message, Control | None] = {}
        for adapter, store in zip(sides, self.state.stores, strict=True):
            self._begin(adapter, store)
        self.compare()

    def _begin(self, adapter: Adapter, store: Store) -> None:
        items = adapter.collection(ENTITY)
        for number, record in enumerate(store.records):
            if record.row is not None:
                items.apply_if_newer([versioned(number, record)])
            elif record.value is not None:
                items.merge(Batch([record_of(number, record)]))
        control = control_of(store.control)
        if control is not None:
            assert adapter.ledger.set_control("*", None, control)

    def take(self, event: Event, after: State) -> None:
        """Take one step of the model with the real backends, and compare."""
        actor = str(event.actor).rstrip("0123456789 ")
        STEPS[actor](self, event, self.state, after)
        self.state = after
        self.compare(event)

    # what is there

    def compare(self, event: Event | None = None) -> None:
        """Compare both backends with the model's state."""
        for side, (adapter, store) in enumerate(zip(self.sides, self.state.stores, strict=True)):
            where = f"{SIDES[side]} after {event}"
            assert control_of(store.control) == adapter.ledger.control("items"), where
            keeps = keeps_books(store.control)
            marks = keeps and store.control.phase != EXPIRED
            wanted = [
                Seen(record.value, record.row if keeps else None, mark if marks else None)
                for record, mark in zip(store.records, store.marks, strict=True)
            ]
            found = [
                attrs.evolve(one, row=one.row if keeps else None, mark=one.mark if marks else None)
                for one in self._seen(adapter, len(wanted))
            ]
            assert wanted == found, where
            assert self._owed(store) == _op_ids(adapter, len(wanted)), where

    def _owed(self, store: Store) -> set[tuple[str, str]]:
        key_of_op = self.model.world.key_of_op
        return {(key_of(key_of_op[op]), f"op{op}") for op in store.ops - store.crossed}

    def _seen(self, adapter: Adapter, count: int) -> list[Seen]:
        keys = [key_of(number) for number in range(count)]
        records = adapter.collection(ENTITY).read(keys)
        versions = adapter.ledger.versions("items", keys)
        marks = {mark.key: mark.version for mark in adapter.ledger.marks("items", 100)}
        return [
            Seen(
                None if key not in records else records[key].values["bits"],
                _row(versions.get(key)),
                _pair(marks.get(key)),
            )
            for key in keys
        ]

    # writers and other clients

    def write(self, event: Event, before: State, after: State) -> None:
        """Commit, or go on with a leg."""
        who = int(str(event.actor).removeprefix("writer "))
        leg = before.writers[who].leg
        if leg is None:
            op = self.model.world.scripts[who][before.writers[who].done]
            self.commit(event, f"op{op.number}", op.kind, op.bit)
        elif event.verb == "clears its mark":
            assert leg.record.row is not None
            self._clear(leg.origin, leg.key, leg.record.row, leg.ops, epoch=leg.epoch)
        elif event.verb in ("applies", "has its leg refused"):
            carried = after.writers[who].leg or leg
            self._apply(
                1 - leg.origin,
                versioned(leg.key, leg.record, _told(carried.ops)),
                epoch=leg.epoch,
                is_refused=event.verb == "has its leg refused",
            )

    def write_foreign(self, event: Event, before: State, _: State) -> None:
        """Commit without an operation's id, as one who knows nothing of phases."""
        op = self.model.world.foreign[before.foreign]
        self.commit(event, None, op.kind, op.bit)

    def commit(self, event: Event, op_id: str | None, kind: str, bit: int) -> None:
        side, key = SIDES.index(event.side or ""), key_of(event.key or 0)
        items = self.sides[side].collection(ENTITY)
        try:
            if kind == "delete":
                items.commit([Delete(key)], op_id=op_id)
            else:
                there = items.read([key]).get(key)
                bits = (there.values["bits"] if there else 0) | bit
                intent = Intent.CHANGE if there else Intent.CREATE
                values = {"bits": bits} if there else CODEC.row(Item(id=key, bits=bits))
                items.commit([Put(key, values, intent)], op_id=op_id)
        except RecordNotFoundError:
            assert event.verb == "finds nothing"

    def _apply(self, side: int, change: Versioned, *, epoch: int, is_refused: bool = False) -> None:
        items = self.sides[side].collection(ENTITY)
        try:
            items.apply_if_newer([change], epoch=epoch)
        except StalePhaseError:
            assert is_refused, "the leg was refused"
        else:
            assert not is_refused, "the leg was let through"

    def _clear(
        self, side: int, number: int, row: tuple[int, int], ops: frozenset[int], *, epoch: int
    ) -> None:
        mark = Mark("items", key_of(number), Version(*row))
        crossed = Crossed("items", key_of(number), _told(ops), epoch)
        self.sides[side].ledger.clear([mark], [crossed])

    # relay and backfill

    def relay(self, event: Event, before: State, after: State) -> None:
        """Read what a mark names, apply it, clear the mark."""
        who = int(str(event.actor).removeprefix("relay "))
        if event.verb == "reads":
            drain = after.relays[who]
            assert drain is not None
            self._read(drain.origin, drain.key, drain.record)
            return
        drain = before.relays[who]
        assert drain is not None
        if event.verb == "clears":
            assert drain.mark is not None
            self._clear(drain.origin, drain.key, drain.mark, drain.ops, epoch=drain.epoch)
        elif event.verb in ("applies", "is refused"):
            self._apply(
                1 - drain.origin,
                versioned(drain.key, drain.record, _told(drain.ops)),
                epoch=drain.epoch,
                is_refused=event.verb == "is refused",
            )

    def _read(self, side: int, number: int, expected: Modelled) -> None:
        key, adapter = key_of(number), self.sides[side]
        found = adapter.collection(ENTITY).read([key]).get(key)
        version = adapter.ledger.versions("items", [key]).get(key)
        assert expected.value == (None if found is None else found.values["bits"])
        assert expected.row == _row(version)
        assert found is None or found.version == (version or Version(0, 1))

    def backfill(self, event: Event, before: State, after: State) -> None:
        """Read records one by one, merge them as a batch."""
        who = int(str(event.actor).removeprefix("backfill "))
        if event.verb not in ("merges", "is refused"):
            return
        batch = before.backfills[who]
        assert batch is not None
        there = self.sides[1 - batch.origin]
        numbered = list(enumerate(batch.records, batch.first))
        touched = [versioned(n, one) for n, one in numbered if one.row is not None]
        untouched = [record_of(n, one) for n, one in numbered if one.row is None and one != NOTHING]
        is_to_go = self.model.world.scenario.deletes_extra
        gone = [key_of(n) for n, one in numbered if is_to_go and one == NOTHING]
        position = str(max(before.cursor, batch.first + len(batch.records)))
        cursor = Cursor("m1", "items", position, "items")
        items = there.collection(ENTITY)
        try:
            items.apply_if_newer(touched, epoch=batch.epoch)
            items.merge(Batch(untouched, gone, cursor, batch.epoch))
            items.apply_if_newer(self._of_phase_0(items, batch), epoch=batch.epoch)
        except StalePhaseError:
            assert event.verb == "is refused", "the batch was refused"
        else:
            assert event.verb == "merges", "the batch was let through"
            assert cursor == there.ledger.cursor("m1", "items")

    def _of_phase_0(self, items: Collection, batch: Batched) -> list[Versioned]:
        """Return operations that no mark tells of, with what is there already."""
        done: dict[int, set[int]] = {}
        for op in batch.ops:
            done.setdefault(self.model.world.key_of_op[op], set()).add(op)
        there = items.read([key_of(number) for number in done])
        return [
            Versioned(
                key_of(number),
                attrs.evolve(UNTOUCHED, deleted=key_of(number) not in there),
                there.get(key_of(number)),
                _told(frozenset(ops)),
            )
            for number, ops in done.items()
        ]

    # phases

    def migrate(self, event: Event, before: State, after: State) -> None:
        """Compare and set control at once, or remember what was sent."""
        sent = [message for message in after.messages if message not in before.messages]
        for message in sent:
            self._sent[message] = self.sides[message.side].ledger.control("*")
        if not sent:
            side = SIDES.index(event.side or "")
            known = self.sides[side].ledger.control("*")
            assert self._set(side, known, before, after)

    def arrive(self, event: Event, before: State, after: State) -> None:
        """Let a message arrive, in time or too late."""
        gone = [message for message in before.messages if message not in after.messages]
        expected = self._sent[gone[0]]
        in_time = self._set(gone[0].side, expected, before, after, said=gone[0].control)
        assert (event.verb == "arrives") == in_time

    def _set(
        self,
        side: int,
        expected: Control | None,
        before: State,
        after: State,
        *,
        said: Said | None = None,
    ) -> bool:
        control = control_of(said or after.stores[side].control)
        old, new = before.stores[side], after.stores[side]
        rows_go = any(one.row for one in old.records) and not any(r.row for r in new.records)
        is_new = old.control.role == NOBODY or not keeps_books(new.control)
        ledger = self.sides[side].ledger
        is_set = ledger.set_control("*", expected, control, purge=rows_go or is_new)
        if is_set and new.control.phase == EXPIRED:
            ledger.clear(ledger.marks("items", 100))
        return is_set

    # a reader

    def read(self, event: Event, before: State, after: State) -> None:
        """Read under control, and ask the other side where that is not enough."""
        side = SIDES.index(event.side or "")
        adapter, key = self.sides[side], key_of(0)
        if event.verb == "looks":
            assert "SealedError" == self._governed(adapter, key)
        elif event.verb == "returns" and before.read is None:
            assert event.detail == self._governed(adapter, key)
        else:
            control = adapter.ledger.control("items")
            assert control == control_of(after.stores[side].control)

    def _governed(self, adapter: Adapter, key: str) -> Any:
        try:
            found = adapter.collection(ENTITY).governed.read([key]).get(key)
        except REFUSALS as error:
            return type(error).__name__
        return None if found is None else found.values["bits"]


def _told(ops: frozenset[int]) -> list[str]:
    return [f"op{op}" for op in sorted(ops)]


def _op_ids(adapter: Adapter, count: int) -> set[tuple[str, str]]:
    """Return what a backend owes the other side: keys with operations."""
    owed = adapter.ledger.owed("items", [key_of(number) for number in range(count)])
    return {(str(key), op_id) for key, op_ids in owed.items() for op_id in op_ids}


def _row(version: Version | None) -> tuple[int, int] | None:
    """Return a version as the model has it: what nobody touched has none, deleted or not."""
    return None if version is None or version <= UNTOUCHED else _pair(version)


def _pair(version: Version | None) -> tuple[int, int] | None:
    return None if version is None else (version.epoch, version.seq)


STEPS: dict[str, Callable[[Conductor, Event, State, State], None]] = {
    "writer": Conductor.write,
    "foreign client": Conductor.write_foreign,
    "relay": Conductor.relay,
    "backfill": Conductor.backfill,
    "migrator": Conductor.migrate,
    "message": Conductor.arrive,
    "reader": Conductor.read,
}
