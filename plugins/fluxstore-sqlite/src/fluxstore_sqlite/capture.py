"""Triggers on the tables that control governs, where other programs write, too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from fluxstore.adapter import Control
from fluxstore_sqlite import sql
from fluxstore_sqlite.found import found_columns
from fluxstore_sqlite.sql.indexed import expressions
from fluxstore_sqlite.sql.triggers import (
    ROW_NUMBER,
    Compared,
    Unique,
    entity_of_trigger,
    triggers,
)
from fluxstore_sqlite.table import Table

Controls = Mapping[str, Control]


def _of(name: str, **parts: str) -> str:
    return sql.statement("capture", name, **parts)


@contextmanager
def own_writes(driver: sqlite3.Connection) -> Iterator[None]:
    """Keep the triggers out of what the context writes: who writes does their work.

    An error undoes the part of the transaction that this is in, and the flag with it.
    """
    driver.execute(_of("begin_own"))
    yield
    driver.execute(_of("end_own"))


def controls_of(driver: sqlite3.Connection) -> Controls:
    """Return every control record by entity (or ``*``); the ledger's tables are there."""
    rows = driver.execute(sql.statement("ledger", "controls")).fetchall()
    return {entity: Control(*record) for entity, *record in rows}


def governs(controls: Controls, entity: str) -> Control | None:
    """Return the record of *controls* that governs *entity*."""
    return controls.get(entity) or controls.get("*")


def migration_of(driver: sqlite3.Connection, entity: str) -> str:
    """Return the id of the migration that control of *entity* names; empty: none."""
    control = governs(controls_of(driver), entity)
    return control.migration if control is not None else ""


def is_kept(control: Control | None) -> bool:
    """Tell whether versions and marks are kept under *control*, and triggers for it."""
    return control is not None and control.phase != "off"


def settle(driver: sqlite3.Connection, controls: Controls, tables: Iterable[Table]) -> None:
    """Make the triggers that *controls* want on *tables*, and drop those that they do not.

    Triggers of entities that this application does not have stay for as long as they are governed.
    """
    there = dict(driver.execute(_of("there")).fetchall())
    if not there and not controls:
        return
    wanted: dict[str, str] = {}
    known: set[str] = set()
    for table in tables:
        known.add(table.entity.name.lower())
        if is_kept(governs(controls, table.entity.name)):
            wanted |= _triggers(driver, table)
    folded = {name.lower(): control for name, control in controls.items()}
    for name, text in there.items():
        entity = entity_of_trigger(name)
        foreign = entity not in known and is_kept(governs(folded, entity))
        if wanted.get(name) != text and not foreign:
            driver.execute(_of("drop", trigger=sql.name(name)))
    for name, text in wanted.items():
        if there.get(name) != text:
            driver.execute(text)


def are_there_others(driver: sqlite3.Connection) -> bool:
    """Tell whether there are triggers that are not ours."""
    return driver.execute(_of("others")).fetchone() is not None


def is_missing(driver: sqlite3.Connection, controls: Controls, table: Table) -> bool:
    """Tell whether *table* lacks a trigger that *controls* want."""
    if not is_kept(governs(controls, table.entity.name)):
        return False
    there = dict(driver.execute(_of("there")).fetchall())
    return any(there.get(name) != text for name, text in _triggers(driver, table).items())


def _triggers(driver: sqlite3.Connection, table: Table) -> Mapping[str, str]:
    kind = driver.execute(_of("kind"), (table.name,)).fetchone()
    if kind is None or not kind[0]:
        return {}  # a view, which takes no writes
    groups = list(_unique_groups(driver, table, has_numbers=not kind[1]))
    return triggers(table, groups, [column.name for column in found_columns(driver, table.name)])


def _unique_groups(
    driver: sqlite3.Connection, table: Table, *, has_numbers: bool
) -> Iterator[Unique]:
    key = {column.name.lower() for column in table.key}
    for name, _ in driver.execute(_of("unique_indexes"), (table.name,)).fetchall():
        group = _unique_group(driver, name)
        exact = {one.column.lower() for one in group if not one.collation}
        if not key <= exact:  # else it is a row with the same key
            yield group
    if has_numbers:
        yield (Compared(ROW_NUMBER),)


def _unique_group(driver: sqlite3.Connection, index: str) -> Unique:
    columns = driver.execute(_of("index_columns"), (index,)).fetchall()
    parts = [""] * len(columns)
    if any(column is None for column, _ in columns):
        parts = expressions(driver.execute(_of("index"), (index,)).fetchone()[0])
    return tuple(
        Compared(column or "", "" if collation == "BINARY" else collation, "" if column else part)
        for (column, collation), part in zip(columns, parts, strict=True)
    )
