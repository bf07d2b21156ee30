"""The ``-wal`` file beside a database: which one it is, and what becomes of one that goes away.

SQLite itself does not look: a process goes on writing to a file that has no name any more, and what
it acknowledges there is lost when it dies.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from fluxstore_sqlite import sql

Log: TypeAlias = tuple[int, int]
"""Device and inode."""


class LostLogError(Exception):
    """What a ``-wal`` file held could not be taken over."""


def log_of(database: Path) -> Log | None:
    """Return which ``-wal`` file is beside *database*; ``None`` for none."""
    try:
        found = os.stat(f"{database}-wal")  # noqa: PTH116 - before each call, and a Path takes as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def save_log(driver: sqlite3.Connection, database: Path, log: Log | None) -> None:
    """Write what *log*, which *driver* has open, holds into the database; ``LostLogError``."""
    if log is None or _size(log) == 0:
        return  # another process has done it
    if _is_begun(database):
        raise LostLogError("another program has begun a new one")
    busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise LostLogError("it is in use, so that its writes cannot be taken over")


def _is_begun(database: Path) -> bool:
    try:
        return database.with_name(f"{database.name}-wal").stat().st_size > 0
    except OSError:
        return False


def _size(log: Log) -> int | None:
    """Return the size of an open file of this process that may have no name any more."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found = descriptor.stat()
            if (found.st_dev, found.st_ino) == log:
                return found.st_size
    return None


def overwrite(driver: sqlite3.Connection) -> None:
    """Commit something that changes nothing, over a commit that failed.

    That one may be whole in the ``-wal`` file, its flush alone having failed: who recovers the file
    after a crash would take it for one that was acknowledged.
    """
    (version,) = driver.execute("PRAGMA user_version").fetchone()
    driver.execute("BEGIN IMMEDIATE")
    driver.execute(sql.pragma("user_version", str(version)))
    driver.execute("COMMIT")
