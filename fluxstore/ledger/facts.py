"""What rules ask of records: who holds a unique value, who refers to a record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TypeAlias

from fluxstore.ledger.database import SQL

Fact: TypeAlias = tuple[str, str, bytes, str]
"""Entity, name, value and key: the record *key* has *value* under *name*."""


def add(connection: sqlite3.Connection, facts: Iterable[Fact]) -> None:
    """Write facts; one that is there already stays."""
    connection.executemany(SQL["add_fact"], facts)


def drop(connection: sqlite3.Connection, facts: Iterable[Fact]) -> None:
    """Forget facts."""
    connection.executemany(SQL["drop_fact"], facts)


def holders(connection: sqlite3.Connection, entity: str, name: str, value: bytes) -> list[str]:
    """Return the keys of the records that have *value* under *name*."""
    return [row[0] for row in connection.execute(SQL["holders"], (entity, name, value))]


def complete(connection: sqlite3.Connection, entity: str) -> str | None:
    """Return the names under which the facts of *entity* are complete, as they were given."""
    row = connection.execute(SQL["indexed"], (entity,)).fetchone()
    return row[0] if row else None


def begin(connection: sqlite3.Connection, entity: str) -> None:
    """Forget everything about the records of *entity*."""
    connection.execute(SQL["drop_facts"], (entity,))
    connection.execute(SQL["drop_indexed"], (entity,))


def finish(connection: sqlite3.Connection, entity: str, names: str) -> None:
    """Say that the facts of *entity* are complete under *names*."""
    connection.execute(SQL["set_indexed"], (entity, names))
