"""Rows of the example's tables, for tests that look at the tables themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

OLD = datetime(2020, 1, 2, tzinfo=UTC)


def insert(connection: psycopg.Connection, table: str, **values: Any) -> None:
    """Insert one row; what is not said is the column's default."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
    )
    connection.execute(statement, list(values.values()))


def value(connection: psycopg.Connection, statement: str, *arguments: Any) -> Any:
    """Return the only value of the only row."""
    row = connection.execute(statement.encode(), arguments).fetchone()
    assert row is not None
    return row[0]
