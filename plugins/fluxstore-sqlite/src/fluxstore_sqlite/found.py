"""What a file holds, as SQLite itself says."""

from __future__ import annotations

import sqlite3

import attrs

from fluxstore_sqlite import sql


@attrs.frozen
class FoundColumn:
    """A column as the file declares it."""

    name: str
    declared: str
    is_not_null: bool
    has_default: bool
    key_place: int
    """From 1; 0 for a column outside the primary key."""


def found_columns(driver: sqlite3.Connection, table: str) -> tuple[FoundColumn, ...]:
    """Return the columns of *table*, generated ones included; none where there is no such table."""
    rows = driver.execute(sql.statement("ledger", "columns"), (table,)).fetchall()
    return tuple(
        FoundColumn(name, declared, bool(not_null), default is not None, place)
        for _, name, declared, not_null, default, place, hidden in rows
        if hidden != 1
    )
