"""What there is between two steps: two stores, the processes at work, and what is true.

A step is one transaction of one store, or a message on its way. That a transaction checks control,
writes and commits as if in one instant is what the fence is for; ``fence`` and ``sidecar`` look
inside it, everything here builds upon it. A process may die between any two of its steps; what it
knew is then gone, what it committed stays.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

Item = TypeVar("Item")

SOURCE, TARGET = 0, 1
SIDES = ("source", "target")

AUTHORITY, FOLLOWER, SEALED = "authority", "follower", "sealed"
COMMITTING, ARCHIVED, NOBODY = "committing", "archived", "nobody"

OFF, DUAL, COMPLETE, EXPIRED, FINAL = "off", "dual", "complete", "expired", "final"
"""Phases, as far as a write asks: no ledger, marks and a leg, marks only, nothing (twice).

``EXPIRED`` is phase 5 after the retention of its marks, ``FINAL`` phase 5 after finalize.
"""

AWAY, BACK, REFILLING, FORTH = range(4)
"""Where the operator is heading: to the target, back, back by a reverse backfill, there again."""

Version = tuple[int, int]
ABSENT, UNTOUCHED = (0, 0), (0, 1)


class Control(NamedTuple):
    """The only truth about the phase that a store knows."""

    epoch: int
    role: str
    phase: str


class Record(NamedTuple):
    """A key in a store: ``row`` is its version row, ``None`` where it has none (sparse).

    The value is the set of operations in it, as bits; ``None`` is no record. A row without a value
    is a tombstone.
    """

    row: Version | None
    value: int | None


NOTHING = Record(None, None)


def version_of(record: Record) -> Version:
    """Return the version; a record without a row has (0, 1)."""
    if record.row is not None:
        return record.row
    return ABSENT if record.value is None else UNTOUCHED


class Store(NamedTuple):
    """A backend: everything in it changes in one transaction, or not at all."""

    control: Control
    records: tuple[Record, ...]
    marks: tuple[Version | None, ...]
    ops: frozenset[int]
    crossed: frozenset[int]
    """Operations of which this side knows that the other one has them."""


class Leg(NamedTuple):
    """A committed write on its way to the follower; ``stage`` is the step that comes next."""

    stage: str
    origin: int
    epoch: int
    key: int
    record: Record
    ops: frozenset[int]


class Writer(NamedTuple):
    """An application process: how many of its operations are done, its leg, what it looked up."""

    done: int
    leg: Leg | None
    looked: tuple[int, Control, Record] | None


class Drain(NamedTuple):
    """A mark that a relay works on: what it read of it, and the epoch the follower then had."""

    stage: str
    origin: int
    epoch: int
    key: int
    mark: Version | None
    record: Record
    ops: frozenset[int]


class Batch(NamedTuple):
    """What a backfill has read of the next records; ``writes`` is set where it decided early."""

    origin: int
    epoch: int
    first: int
    records: tuple[Record, ...]
    ops: frozenset[int]
    writes: tuple[Record | None, ...] | None


class Read(NamedTuple):
    """A read on its way; ``allowed`` holds every value that was true since it began."""

    stage: str
    side: int
    control: Control
    value: int | None
    allowed: frozenset[int | None]


class Message(NamedTuple):
    """A compare-and-set of control on its way, from (epoch, role); it may arrive at any time."""

    side: int
    epoch: int
    role: str
    control: Control
    purges: str


class State(NamedTuple):
    """Everything; ``truth`` and ``effects`` are known to the judge only.

    ``truth`` holds each record as the committed writes made it, in the order of their commits;
    ``effects`` which operations had theirs. ``home`` is where the operator is heading.
    """

    stores: tuple[Store, Store]
    writers: tuple[Writer, ...]
    foreign: int
    relays: tuple[Drain | None, ...]
    backfills: tuple[Batch | None, ...]
    cursor: int
    reads: int
    read: Read | None
    messages: tuple[Message, ...]
    home: int
    recoveries: int
    lost_replies: int
    truth: tuple[int | None, ...]
    effects: frozenset[int]
    broken: str | None


def replaced(items: tuple[Item, ...], index: int, item: Item) -> tuple[Item, ...]:
    """Return *items* with another item at *index*."""
    return (*items[:index], item, *items[index + 1 :])


def with_store(state: State, side: int, store: Store) -> State:
    """Return *state* with another store at *side*."""
    stores = (store, state.stores[1]) if side == SOURCE else (state.stores[0], store)
    return state._replace(stores=stores)


def applied(store: Store, key: int, record: Record, *, guarded: bool = True) -> Store:
    """Return *store* after ``apply_if_newer`` of one record (or of any, unguarded)."""
    if guarded and version_of(record) <= version_of(store.records[key]):
        return store
    return store._replace(records=replaced(store.records, key, record))
