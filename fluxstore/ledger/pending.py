"""Rows of changes that are durable in the ledger and not yet in the files, and of checkpoints."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
import xxhash

from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger.database import SQL


@attrs.frozen
class Pending:
    """A change of one key: ``payload`` is the record as the adapter writes it, ``None`` a delete.

    ``fresh``: the file does not hold the key. ``born``: the change that made the record, which
    orders new ones (0: this one). ``parent`` and ``root``: keys (as text) of the documents that
    hold the record directly, and outermost. ``change`` is given by the ledger.
    """

    entity: str
    key: str
    payload: bytes | None
    fresh: bool
    born: int = 0
    parent: str | None = None
    root: str | None = None
    change: int = 0


@attrs.frozen
class Checkpoint:
    """A file as it was when the changes up to ``change`` were in it.

    ``identity`` and ``digest`` are the adapter's; ``noticed`` says when another program's edit was.
    """

    file: str
    generation: int
    identity: str
    digest: str
    change: int
    noticed: str | None = None


@attrs.frozen
class Intent:
    """A file that is about to take its place, under its temporary name."""

    file: str
    temporary: str
    inode: int
    size: int
    digest: str
    change: int


def since(connection: sqlite3.Connection, change: int) -> Iterator[Pending]:
    """Yield the changes newer than *change*, oldest first."""
    return map(_pending, connection.execute(SQL["pending_since"], (change,)))


def of_keys(connection: sqlite3.Connection, entity: str, keys: Sequence[str]) -> list[Pending]:
    """Return the changes of *keys*."""
    values = (entity, json.dumps(keys))
    return [_pending(row) for row in connection.execute(SQL["pending_of"], values)]


def new(connection: sqlite3.Connection, entity: str, born: int, limit: int) -> list[Pending]:
    """Return up to *limit* records that no file holds, born after *born*, in order of birth."""
    rows = connection.execute(SQL["pending_new"], (entity, born, limit))
    return [_pending(row) for row in rows]


def inside(connection: sqlite3.Connection, entity: str, root: str) -> list[Pending]:
    """Return the changes of *entity* inside the outermost document *root*, in order of birth."""
    return [_pending(row) for row in connection.execute(SQL["pending_inside"], (entity, root))]


def count(connection: sqlite3.Connection, entity: str) -> tuple[int, int]:
    """Return how many changes of *entity* wait, and the newest (0 where none does)."""
    waiting, newest = connection.execute(SQL["pending_count"], (entity,)).fetchone()
    return waiting, newest


def keys(connection: sqlite3.Connection, entity: str, among: Sequence[str]) -> dict[str, bool]:
    """Return which of the keys *among* have a change, and whether the record is there after it."""
    rows = connection.execute(SQL["pending_keys"], (entity, json.dumps(among)))
    return {key: not deleted for key, deleted in rows}


def difference(connection: sqlite3.Connection, entity: str, change: int) -> int:
    """Return how many records more than the file holds there are, by changes after *change*."""
    fresh, gone = connection.execute(SQL["pending_fresh_count"], (entity, change)).fetchone()
    return int(fresh) - int(gone)


def places(
    connection: sqlite3.Connection, entity: str, change: int
) -> Iterator[tuple[str, int, str | None]]:
    """Yield key, birth and outermost document of each change after *change*, as they were born."""
    return iter(connection.execute(SQL["pending_keys_after"], (entity, change)))


def set_fresh(
    connection: sqlite3.Connection, entity: str, keys: Iterable[tuple[str, bool]]
) -> None:
    """Say of changes that wait whether the file lacks their keys: it is another file now."""
    connection.executemany(SQL["set_fresh"], ((fresh, entity, key) for key, fresh in keys))


def last_change(connection: sqlite3.Connection) -> int:
    """Return the number of the newest change there ever was."""
    (number,) = connection.execute(SQL["last_change"]).fetchone()
    return int(number)


def put(connection: sqlite3.Connection, rows: Iterable[Pending]) -> None:
    """Write changes; each replaces an older one of its key."""
    connection.executemany(
        SQL["put_pending"],
        (
            (
                row.entity,
                row.key,
                row.born or None,
                row.fresh,
                row.parent,
                row.root,
                row.payload,
                _digest(row.payload),
            )
            for row in rows
        ),
    )


def drop(connection: sqlite3.Connection, entities: Iterable[str], change: int) -> None:
    """Forget the changes of *entities* up to *change*: they are in the file now."""
    connection.executemany(SQL["drop_pending"], ((entity, change) for entity in entities))


def checkpoints(connection: sqlite3.Connection) -> dict[str, Checkpoint]:
    """Return the checkpoint of each file."""
    rows = connection.execute(SQL["checkpoints"])
    return {row[0]: Checkpoint(*row) for row in rows}


def set_checkpoint(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Say which file the changes are in."""
    connection.execute(SQL["set_checkpoint"], attrs.astuple(checkpoint))


def intents(connection: sqlite3.Connection) -> dict[str, Intent]:
    """Return the intents that nobody has finished."""
    rows = connection.execute(SQL["intents"])
    return {row[0]: Intent(*row) for row in rows}


def set_intent(connection: sqlite3.Connection, intent: Intent) -> None:
    """Say that a file is about to take its place."""
    connection.execute(SQL["set_intent"], attrs.astuple(intent))


def drop_intent(connection: sqlite3.Connection, file: str) -> None:
    """Say that it has, or never will."""
    connection.execute(SQL["drop_intent"], (file,))


def _pending(row: tuple[Any, ...]) -> Pending:
    change, entity, key, born, fresh, parent, root, payload, digest = row
    if digest != _digest(payload):
        raise UnreadableRecordError(
            "a change in the ledger is damaged, so it cannot be trusted",
            entity=entity,
            key=key,
            next_step="put the ledger back from a backup; the files are untouched",
        )
    return Pending(entity, key, payload, bool(fresh), born or change, parent, root, change)


def _digest(payload: bytes | None) -> int:
    if payload is None:
        return 0
    return xxhash.xxh3_64_intdigest(payload) - (1 << 63)  # SQLite's integers are signed
