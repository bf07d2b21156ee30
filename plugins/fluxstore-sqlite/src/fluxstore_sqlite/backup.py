"""Backups: the whole file, taken while others write, verified before they are called one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fluxstore.errors import BackendUnavailableError, UnreadableRecordError
from fluxstore_sqlite import sql
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.failures import Where, no_file
from fluxstore_sqlite.ledger import of_ledger
from fluxstore_sqlite.opening import uri
from fluxstore_sqlite.tables import Tables

Counts = dict[str, int]


def backup(connections: Connections, folder: Path) -> Path:
    """Copy the database into a new file below *folder*, verified; return its path."""
    if not connections.there():
        raise BackendUnavailableError(
            f"{connections.path} is not there: nothing to back up", backend=connections.backend
        )
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = folder / f"{connections.path.stem}-{now}.db"
    part = target.with_name(f"{target.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        counts = connections.ask(lambda driver: _copy(driver, part))
        _verify(connections, part, counts)
        _settle(part, target)
    except OSError as error:
        raise no_file(error, Where(connections.backend, str(folder))) from error
    finally:
        if part.exists():
            part.unlink()
    return target


def _copy(driver: sqlite3.Connection, part: Path) -> Counts:
    """Copy what *driver* sees at one moment; return how many rows each table has then."""
    part.unlink(missing_ok=True)
    driver.execute("BEGIN")
    try:
        counts = _counts(driver)
        with _opened(part) as copy:
            driver.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        driver.rollback()
    return counts


def _counts(driver: sqlite3.Connection) -> Counts:
    names = [name for (name,) in driver.execute(of_ledger("stored_tables"))]
    return {
        name: driver.execute(sql.statement("ledger", "counts", table=sql.name(name))).fetchone()[0]
        for name in names
    }


def _verify(connections: Connections, file: Path, counts: Counts | None) -> None:
    """Raise where *file* is damaged, or has other numbers of rows than *counts*."""
    try:
        with _opened(file, read_only=True) as driver:
            (verdict,) = driver.execute("PRAGMA integrity_check(1)").fetchone()
            found = _counts(driver)
    except sqlite3.DatabaseError as error:
        verdict, found = str(error), {}
    if verdict != "ok" or (counts is not None and found != counts):
        raise UnreadableRecordError(
            f"the backup is not good: {verdict if verdict != 'ok' else 'rows are missing'}",
            backend=connections.backend,
            file=str(file),
            next_step="nothing was changed",
        )


def _settle(part: Path, target: Path) -> None:
    """Make *part* durable under its name."""
    _flush(part)
    part.rename(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def restore(connections: Connections, tables: Tables, backup_file: Path) -> None:
    """Replace everything by a backup made earlier; all of it or nothing, while others wait."""
    if not backup_file.is_file():
        raise UnreadableRecordError(
            "there is no such backup", backend=connections.backend, file=str(backup_file)
        )
    _verify(connections, backup_file, None)
    with connections.alone() as driver, _opened(backup_file, read_only=True) as source:
        # SQLite copies in one transaction of the target, which other connections see whole.
        source.backup(driver)
    tables.forget()


@contextmanager
def _opened(path: Path, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    address = uri(path.absolute(), read_only=read_only, immutable=read_only)
    driver = sqlite3.connect(address, uri=True, isolation_level=None)
    try:
        yield driver
    finally:
        driver.close()
