"""What the kill sweep runs: every kind of change that a live migration makes, step after step.

``python killed_steps.py FILE FIRST`` runs the steps from FIRST on, and says before and after each
what it does; with a third argument it waits for a line of input after each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import attrs

from fluxstore.adapter import Batch, Control, Cursor, Opening
from fluxstore.entity import Entities, entity_of
from fluxstore.errors import FluxstoreError
from fluxstore.records import Delete, Version, Versioned
from fluxstore.testing.conformance.support import change, collection, put, record
from fluxstore.testing.entities import Album, Area, Person, Track
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings

ENTITIES = Entities(map(entity_of, (Album, Track, Area, Person)))
DUAL = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "shadow", "m1")
FOLLOWER = Control(2, "follower", "live", "m1")
AGAIN = Control(3, "authority", "shadow", "m1")


def _control(expected: Control | None, control: Control | None, *, purge: bool = False) -> object:
    return lambda adapter: adapter.ledger.set_control("*", expected, control, purge=purge) or 1 / 0


def _write(adapter: SqliteAdapter) -> None:
    made = [put(Album(id="a", name="one")), put(Album(id="b"))]
    collection(adapter, Album).commit(made, op_id="op-1")


def _write_several(adapter: SqliteAdapter) -> None:
    with adapter.transaction([entity_of(Album), entity_of(Track)]):
        collection(adapter, Album).commit([change(Album, "a", name="two")], op_id="op-2")
        collection(adapter, Track).commit([put(Track(id="t", album_id="a"))], op_id="op-2")
        collection(adapter, Person).commit([put(Person(id=key, email=f"{key}@x")) for key in "pq"])


def _delete(adapter: SqliteAdapter) -> None:
    collection(adapter, Album).commit([Delete("a")], op_id="op-3")


def _clear(adapter: SqliteAdapter) -> None:
    ledger = adapter.ledger
    ledger.clear([*ledger.marks("albums", 100), *ledger.marks("tracks", 100)])


def _apply(adapter: SqliteAdapter) -> None:
    swapped = [
        attrs.evolve(record(Person(id=key, email=email)), version=Version(2, 5))
        for key, email in (("p", "q@x"), ("q", "p@x"))
    ]
    changes = [Versioned(one.key, one.version, one, ["op-4"]) for one in swapped]
    collection(adapter, Person).apply_if_newer(changes, epoch=2)


def _apply_a_tombstone(adapter: SqliteAdapter) -> None:
    collection(adapter, Album).apply_if_newer([Versioned("b", Version(2, 9), None)], epoch=2)


def _merge(adapter: SqliteAdapter) -> None:
    records = [record(Album(id=f"{number:03}", name="x" * 300)) for number in range(50)]
    batch = Batch([*records, record(Album(id="b"))], cursor=Cursor("m1", "albums", "50", "f"))
    collection(adapter, Album).merge(attrs.evolve(batch, epoch=2))


STEPS: tuple[Callable[[SqliteAdapter], object], ...] = (
    _control(None, DUAL),
    _write,
    _write_several,
    _delete,
    _clear,
    _control(DUAL, SEALED),
    _control(SEALED, FOLLOWER),
    _apply,
    _apply_a_tombstone,
    _merge,
    _control(FOLLOWER, AGAIN),
    lambda adapter: adapter.ledger.set_fact("seen", {"at": 1}),
    _control(AGAIN, None, purge=True),
)


def main(file: str, first: str, *waits: str) -> None:
    """Run steps, and tell of each."""
    path = Path(file)
    settings = Settings(path=path.name, timeout=timedelta(seconds=30))
    adapter = SqliteAdapter(Opening("app", settings, ENTITIES, {}, path.parent))
    for number in range(int(first), len(STEPS)):
        print("begin", number, flush=True)
        try:
            STEPS[number](adapter)
        except FluxstoreError as error:
            op_id = getattr(error, "op_id", "")
            print("refused", number, type(error).__name__, op_id, error, flush=True)
            os._exit(3)  # as if it were killed now: nothing may come of what was refused
        print("done", number, flush=True)
        if waits:
            sys.stdin.readline()
    adapter.close()
    print("closed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
