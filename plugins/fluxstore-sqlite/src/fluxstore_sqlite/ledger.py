"""The ledger: what is kept beside the records, in the same file and the same transactions."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from fluxstore.adapter import Backlog, Control, Crossed, Cursor, Mark, Part, Touch
from fluxstore.codec import Codec
from fluxstore.records import Key, Problem, Reason, Rejected, Version
from fluxstore_sqlite import sql
from fluxstore_sqlite.capture import Controls, controls_of, governs, migration_of
from fluxstore_sqlite.columns import Stored, from_json_text, to_json_text
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.leases import held
from fluxstore_sqlite.tables import Tables

T = TypeVar("T")


def of_ledger(name: str) -> str:
    """Return a statement on the ledger's tables."""
    return sql.statement("ledger", name)


class SqliteLedger:
    """The ledger of one backend; without its tables, or its file, it is empty."""

    def __init__(
        self, connections: Connections, tables: Tables, *, op_retention_seconds: float
    ) -> None:
        """Keep everything in the file that *connections* lead to."""
        self._connections = connections
        self._tables = tables
        self._op_retention_seconds = op_retention_seconds

    def _asked(self, ask: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        if not self._connections.there():
            return nothing

        def work(driver: sqlite3.Connection) -> T:
            return ask(driver) if self._tables.has_ledger(driver) else nothing

        return self._connections.ask_at_one_moment(work)

    def _rows(self, statement: str, *values: Stored) -> list[tuple[Any, ...]]:
        nothing: list[tuple[Any, ...]] = []
        return self._asked(
            lambda driver: driver.execute(of_ledger(statement), values).fetchall(), nothing
        )

    def _codec(self, entity: str) -> Codec:
        return Codec.of(self._tables.entities[entity])

    # control

    def controls(self) -> Mapping[str, Control]:
        """Return every control record by entity (or ``*``)."""
        nothing: Mapping[str, Control] = {}
        return self._asked(controls_of, nothing)

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        return governs(self.controls(), entity)

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Compare and set while nobody else writes; triggers come and go in the same transaction.

        Raises ``LeaseError`` with who writes when *patience_seconds* are over.
        """
        if not self._connections.there() and expected is not None:
            return False
        with self._connections.write_patiently(patience_seconds) as driver:
            self._tables.make_ledger(driver)
            controls = controls_of(driver)
            if controls.get(entity) != expected:
                return False
            if purge:
                _purge(driver, entity, controls)
            _write_control(driver, entity, control)
            self._tables.settle_triggers(driver)
        return True

    # versions and marks

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        codec = self._codec(entity)

        def ask(driver: sqlite3.Connection) -> dict[Key, Version]:
            found = {key: version_of(driver, entity, codec.key_text(key)) for key in keys}
            return {key: version for key, version in found.items() if version is not None}

        return self._asked(ask, {})

    def touched(self, entity: str, after: int, limit: int) -> Sequence[Touch]:
        """Return up to *limit* touched keys beyond *after*, the last written last."""
        key_of = self._codec(entity).key_of_text
        rows = self._rows("touched", entity, after, limit)
        return [Touch(key_of(key), number) for key, number in rows]

    def last_touch(self, entity: str) -> int:
        """Return the place of the last key that was written; one writes at a time."""
        rows = self._rows("last_touch", entity)
        return int(rows[0][0]) if rows else 0

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks, the oldest first."""
        codec = self._codec(entity)
        rows = self._rows("marks", entity, limit)
        return [
            Mark(entity, codec.key_of_text(key), Version(epoch, seq, bool(deleted)))
            for key, epoch, seq, deleted in rows
        ]

    def backlog(self, entity: str) -> Backlog:
        """Return how many marks of *entity* there are, and how old the oldest is."""
        rows = self._rows("backlog", entity)
        marks, since = rows[0] if rows else (0, None)
        return Backlog(marks, 0.0 if since is None else max(0.0, time.time() - since))

    def operations(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return the ids of the operations that changed *keys* and may still be repeated."""
        return self._asked(lambda driver: self._op_ids(driver, "operations", entity, keys), {})

    def owed(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return those of them that are not known to have crossed."""

        def ask(driver: sqlite3.Connection) -> dict[Key, Sequence[str]]:
            return self._op_ids(driver, "owed", entity, keys, migration_of(driver, entity))

        return self._asked(ask, {})

    def _op_ids(
        self, driver: sqlite3.Connection, asked: str, entity: str, keys: Sequence[Key], *more: str
    ) -> dict[Key, Sequence[str]]:
        since, text_of = int(time.time() - self._op_retention_seconds), self._codec(entity).key_text
        found: dict[Key, Sequence[str]] = {}
        for key in keys:
            rows = driver.execute(of_ledger(asked), (entity, text_of(key), since, *more))
            found[key] = tuple(op_id for (op_id,) in rows)
        return {key: op_ids for key, op_ids in found.items() if op_ids}

    def operated(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys that operations have changed, in the order of their texts."""
        codec = self._codec(entity)
        text = "" if after is None else codec.key_text(after)
        since = int(time.time() - self._op_retention_seconds)
        rows = self._rows("operated", entity, text, since, limit)
        return [codec.key_of_text(key) for (key,) in rows]

    def clear(self, marks: Sequence[Mark], crossed: Sequence[Crossed] = ()) -> int:
        """Clear each mark that still is the one given; return how many."""
        with self._connections.write() as driver:
            self._tables.make_ledger(driver)
            self._cross(driver, crossed)
            return sum(
                driver.execute(
                    of_ledger("clear"),
                    (
                        mark.entity,
                        self._codec(mark.entity).key_text(mark.key),
                        mark.version.epoch,
                        mark.version.seq,
                    ),
                ).rowcount
                for mark in marks
            )

    def _cross(self, driver: sqlite3.Connection, crossed: Sequence[Crossed]) -> None:
        controls = controls_of(driver)
        for one in crossed:
            control = governs(controls, one.entity)
            if control is not None and one.is_of(control):
                text = self._codec(one.entity).key_text(one.key)
                rows = [(control.migration, op_id, one.entity, text) for op_id in one.op_ids]
                driver.executemany(of_ledger("cross"), rows)

    # facts

    def fact(self, name: str) -> Any:
        """Return the JSON value that is kept under *name*, or ``None``."""
        rows = self._rows("fact", name)
        return from_json_text(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: Any) -> None:
        """Keep a JSON value under *name*, durably; ``None`` forgets it."""
        with self._connections.write() as driver:
            self._tables.make_ledger(driver)
            if value is None:
                driver.execute(of_ledger("drop_fact"), (name,))
            else:
                driver.execute(of_ledger("set_fact"), (name, to_json_text(value)))

    # migrations

    def cursor(self, migration: str, entity: str) -> Cursor | None:
        """Return where a migration stands, saved by the last merged batch."""

        def ask(driver: sqlite3.Connection) -> Cursor | None:
            row = driver.execute(of_ledger("cursor"), (migration, entity)).fetchone()
            if row is None:
                return None
            position, fingerprint, counts, format_ = row
            return Cursor(migration, entity, position, fingerprint, from_json_text(counts), format_)

        return self._asked(ask, None)

    def drop_cursors(self, migration: str) -> None:
        """Forget where a migration stands."""
        with self._connections.write() as driver:
            self._tables.ensure(driver)
            driver.execute(of_ledger("drop_cursors"), (migration,))

    def quarantine(self, entity: str) -> Sequence[Rejected]:
        """Return what is in quarantine of *entity*."""
        rows = self._rows("quarantine", entity)
        return [
            Rejected(Problem(entity, Reason(reason), expected, key, field, file), raw)
            for key, field, file, reason, expected, raw in rows
        ]

    def set_quarantine(self, entity: str, rejected: Iterable[Rejected]) -> None:
        """Replace the quarantine of *entity*."""
        with self._connections.write() as driver:
            self._tables.ensure(driver)
            driver.execute(of_ledger("drop_quarantine"), (entity,))
            driver.executemany(
                of_ledger("add_quarantine"),
                (
                    (entity, number, p.key, p.field, p.file, p.reason.value, p.expected, one.raw)
                    for number, one in enumerate(rejected)
                    for p in (one.problem,)
                ),
            )

    def parts(self, entity: str) -> Iterator[Part]:
        """Yield the saved parts in the order of name and number, a few in memory at a time."""
        place: tuple[str, int] = ("", -1)
        while rows := self._rows("parts", entity, *place):
            for name, number, value in rows:
                yield Part(entity, name, number, from_json_text(value))
            place = (rows[-1][0], rows[-1][1])

    def save_parts(self, entity: str, parts: Iterable[Part]) -> int:
        """Replace the parts of *entity*; return how many are new or differ."""
        with self._connections.write() as driver:
            self._tables.ensure(driver)
            rest = set(driver.execute(of_ledger("part_names"), (entity,)).fetchall())
            written = 0
            for part in parts:
                written += _save_part(driver, part)
                rest.discard((part.name, part.number))
            driver.executemany(of_ledger("drop_part"), [(entity, *one) for one in rest])
        return written

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the lease *name* while the context lasts; ``LeaseError`` if another holds it."""
        return held(self._connections.path, name)


def _write_control(driver: sqlite3.Connection, entity: str, control: Control | None) -> None:
    if control is None:
        driver.execute(of_ledger("drop_control"), (entity,))
    else:
        row = (control.epoch, control.role, control.phase, control.migration, control.format)
        driver.execute(of_ledger("set_control"), (entity, *row))


def _purge(driver: sqlite3.Connection, entity: str, controls: Controls) -> None:
    """Forget what the ledger knows of the entities that the record of *entity* governs."""
    known = [name for (name,) in driver.execute(of_ledger("known_entities")).fetchall()]
    governed = [name for name in known if name not in controls] if entity == "*" else [entity]
    for name in governed:
        for statement in ("versions", "outbox", "cursors", "displaced"):
            driver.execute(of_ledger(f"purge_{statement}"), (name,))


def role_of(driver: sqlite3.Connection, entity: str) -> str | None:
    """Return this backend's role for *entity*; ``None`` without control."""
    row = driver.execute(of_ledger("role"), (entity,)).fetchone()
    return None if row is None else row[0]


def version_of(driver: sqlite3.Connection, entity: str, key_text: str) -> Version | None:
    """Return the version of one touched key."""
    row = driver.execute(of_ledger("version"), (entity, key_text)).fetchone()
    return None if row is None else Version(row[0], row[1], bool(row[2]))


def set_version(driver: sqlite3.Connection, entity: str, key_text: str, version: Version) -> None:
    """Write the version of one key."""
    row = (entity, key_text, version.epoch, version.seq, int(version.deleted))
    driver.execute(of_ledger("set_version"), row)


def save_cursor(driver: sqlite3.Connection, cursor: Cursor) -> None:
    """Write where a migration stands, in the transaction of its batch."""
    counts = to_json_text(dict(cursor.counts))
    row = (cursor.migration, cursor.entity, cursor.position, cursor.fingerprint, counts)
    driver.execute(of_ledger("set_cursor"), (*row, cursor.format))


def _save_part(driver: sqlite3.Connection, part: Part) -> int:
    """Write one part where it is new or differs; return 1 where it was written."""
    name, value = (part.entity, part.name, part.number), to_json_text(part.value)
    if driver.execute(of_ledger("part"), name).fetchone() == (value,):
        return 0
    driver.execute(of_ledger("set_part"), (*name, value))
    return 1
