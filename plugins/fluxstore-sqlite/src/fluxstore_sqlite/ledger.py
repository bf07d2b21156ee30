"""The ledger: what is kept beside the records, in the same file and the same transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from fluxstore.adapter import Control, Cursor, Mark, Part
from fluxstore.codec import Codec
from fluxstore.records import Key, Problem, Reason, Rejected, Version
from fluxstore_sqlite import sql
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

    def __init__(self, connections: Connections, tables: Tables) -> None:
        """Keep everything in the file that *connections* lead to."""
        self._connections = connections
        self._tables = tables

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

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        return self._asked(lambda driver: control_of(driver, entity), None)

    def set_control(self, entity: str, expected: Control | None, control: Control) -> bool:
        """Compare and set; every writer waits for the lock under which this happens."""
        with self._connections.write() as driver:
            self._tables.ensure(driver)
            if _control(driver.execute(of_ledger("own_control"), (entity,)).fetchone()) != expected:
                return False
            row = (control.epoch, control.role, control.phase, control.migration, control.format)
            driver.execute(of_ledger("set_control"), (entity, *row))
        return True

    # versions and marks

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        codec = self._codec(entity)

        def ask(driver: sqlite3.Connection) -> dict[Key, Version]:
            found = {key: version_of(driver, entity, codec.key_text(key)) for key in keys}
            return {key: version for key, version in found.items() if version is not None}

        return self._asked(ask, {})

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks, the oldest first."""
        codec = self._codec(entity)
        rows = self._rows("marks", entity, limit)
        return [
            Mark(entity, codec.key_of_text(key), Version(epoch, seq, bool(deleted)))
            for key, epoch, seq, deleted in rows
        ]

    def clear(self, marks: Sequence[Mark]) -> int:
        """Clear each mark that still is the one given; return how many."""
        with self._connections.write() as driver:
            self._tables.ensure(driver)
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


def control_of(driver: sqlite3.Connection, entity: str) -> Control | None:
    """Return the control record that governs *entity*."""
    return _control(driver.execute(of_ledger("control"), (entity,)).fetchone())


def _control(row: tuple[int, str, str, str, int] | None) -> Control | None:
    return None if row is None else Control(*row)  # type: ignore[arg-type]  # checked by the table


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
