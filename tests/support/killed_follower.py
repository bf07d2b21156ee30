"""A program that takes part in a live migration, to be killed: ``killed_follower.py DIR``.

Each step is announced before it begins and acknowledged after it returned, one line each, in one
``write`` call that cannot be torn. ``snapshot`` is everything that the migration must find again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from killed_writer import User, row

from fluxstore import Entities, entity_of
from fluxstore.adapter import Batch, Control, Cursor, Opening, Use
from fluxstore.records import Delete, Intent, Put, Record, Version, Versioned
from fluxstore_json.adapter import JsonAdapter

USERS = entity_of(User)
AUTHORITY = Control(1, "authority", "dual_write", "m1")
FOLLOWER = Control(2, "follower", "live", "m1")
NEXT = Control(3, "follower", "live", "m2")


def open_adapter(folder: Path, use: Use = Use.SERVE) -> JsonAdapter:
    """Open the folder's users; nothing is folded before the end."""
    settings = JsonAdapter.Settings(path=str(folder), checkpoint="1h")
    places = {"users": JsonAdapter.EntitySettings(file="users.json", records="users")}
    return JsonAdapter(Opening("json", settings, Entities([USERS]), places, folder, use))


def _set(adapter: JsonAdapter, before: Control | None, after: Control, **options: bool) -> None:
    assert adapter.ledger.set_control("*", before, after, **options)


def _commit(adapter: JsonAdapter) -> None:
    changes = [
        Put("new", row("new"), Intent.CREATE),
        Put("old1", {"visits": 7}, Intent.CHANGE),
        Delete("old2"),
    ]
    adapter.collection(USERS).commit(changes, op_id="op")


def _clear(adapter: JsonAdapter) -> None:
    adapter.ledger.clear(adapter.ledger.marks("users", 2))


def _apply(adapter: JsonAdapter) -> None:
    version = Version(2, 9)
    changes = [
        Versioned("old1", version, Record("old1", row("old1", 9), version=version), ["op", "two"]),
        Versioned("old0", version, None, ["three"]),
        Versioned("new", Version(1, 1), Record("new", row("new", 99))),
    ]
    assert [True, True, False] == list(adapter.collection(USERS).apply_if_newer(changes, epoch=2))


def _merge(adapter: JsonAdapter) -> None:
    records = [Record(key, row(key, 5)) for key in ("old0", "old3", "fresh")]
    cursor = Cursor("m1", "users", "there", "f")
    merged = adapter.collection(USERS).merge(Batch(records, cursor=cursor, epoch=2))
    assert (2, 1) == (merged.written, merged.unchanged)


STEPS: tuple[Callable[[JsonAdapter], None], ...] = (
    lambda adapter: _set(adapter, None, AUTHORITY),
    _commit,
    _clear,
    lambda adapter: _set(adapter, AUTHORITY, FOLLOWER),
    _apply,
    _merge,
    lambda adapter: _set(adapter, FOLLOWER, NEXT, purge=True),
)


def snapshot(adapter: JsonAdapter) -> Any:
    """Return control, records with their versions, tombstones, marks, operations and cursor."""
    ledger, keys = adapter.ledger, ["old0", "old1", "old2", "old3", "new", "fresh"]
    page = adapter.collection(USERS).scan(None, 100)
    assert not page.rejected
    return (
        dict(ledger.controls()),
        {one.key: (one.values["visits"], one.version) for one in page.records},
        dict(ledger.versions("users", keys)),
        list(ledger.marks("users", 100)),
        {key: sorted(ops) for key, ops in ledger.operations("users", keys).items()},
        ledger.cursor("m1", "users"),
    )


def main() -> None:
    """Take every step, one after the other."""
    adapter = open_adapter(Path(sys.argv[1]))
    for number, step in enumerate(STEPS):
        os.write(1, b"begin %d\n" % number)
        step(adapter)
        os.write(1, b"done %d\n" % number)
    adapter.close()
    os.write(1, b"closed\n")


if __name__ == "__main__":
    main()
