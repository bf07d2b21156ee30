"""The schema: shown, compared with what is there, and changed by numbered steps."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fluxstore.adapter import Finding
from fluxstore.errors import ConfigError, PlanError
from fluxstore.steps import Step, pending, read_steps
from fluxstore_sqlite import sql
from fluxstore_sqlite.columns import Column
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.found import FoundColumn, found_columns
from fluxstore_sqlite.ledger import of_ledger
from fluxstore_sqlite.sql import definitions
from fluxstore_sqlite.table import RESIDUE, Table
from fluxstore_sqlite.tables import Tables, table_without


def ddl(tables: Tables) -> str:
    """Return the statements that make the tables of all entities, parents first."""
    own = {entity.name: tables.own(entity) for entity in tables.entities.values()}
    statements = [
        statement
        for entity in tables.entities.parents_first()
        for statement in _statements(own[entity.name], own)
    ]
    return "".join(f"{statement};\n" for statement in statements)


def _statements(table: Table, known: Mapping[str, Table]) -> list[str]:
    indexes = [definitions.create_index(table, index) for index in definitions.indexes(table)]
    return [definitions.create_table(table, known), *indexes]


# differences


def differences(connections: Connections, tables: Tables) -> list[Finding]:
    """Return how the file differs from what the entities need."""
    if not connections.there():
        return [Finding(str(connections.path), "is not there yet", "the first write makes it")]
    return connections.ask_at_one_moment(lambda driver: list(_differences(driver, tables)))


def _differences(driver: sqlite3.Connection, tables: Tables) -> Iterator[Finding]:
    known = {entity.name: tables.own(entity) for entity in tables.entities.values()}
    for entity in tables.entities.parents_first():
        name = tables.name(entity)
        found = found_columns(driver, name)
        if not found:
            statements = tuple(_statements(known[entity.name], known))
            next_step = "name the table" if tables.is_source else "the first write makes it"
            yield Finding(
                name, "is not there", next_step, blocks=tables.is_source, statements=statements
            )
        elif RESIDUE in {column.name for column in found}:
            yield from _of_our_own(driver, known[entity.name], found)
        else:
            yield from _of_adopted(driver, tables, name, found)


def _of_our_own(
    driver: sqlite3.Connection, table: Table, found: Sequence[FoundColumn]
) -> Iterator[Finding]:
    for field in table_without(table, found):
        statement = definitions.add_column(table, table.by_field[field])
        yield Finding(
            table.name, f"has no column for {field}", "add it", blocks=True, statements=(statement,)
        )
    yield from _declared_otherwise(driver, table, found)
    yield from _unused(table, found)
    if not table_without(table, found):
        yield from _without_index(driver, table)


def _declared_otherwise(
    driver: sqlite3.Connection, table: Table, found: Sequence[FoundColumn]
) -> Iterator[Finding]:
    next_step = "rebuild the table in a schema step, or migrate into a new file"
    there = {column.name.lower(): column.declared for column in found}
    (text,) = driver.execute(of_ledger("table"), (table.name,)).fetchone()
    for column in table.columns:
        declared = there.get(column.name.lower(), column.form.declared)
        if declared.upper() != column.form.declared:
            words = f"{column.name} is {declared}, not {column.form.declared}"
            yield Finding(table.name, words, next_step, blocks=True)
        elif column.name.lower() in there and not _is_declared(text, column):
            words = f"{column.name} is declared otherwise now: {definitions.column_line(column)}"
            yield Finding(table.name, words, next_step)


def _is_declared(text: str, column: Column) -> bool:
    """Tell whether the statement that made a table has a column's line, and nothing more in it."""
    line = re.escape(definitions.column_line(column))
    return re.search(rf"{line}( DEFAULT [^\n]*)?(,|\s*\))", text) is not None


def _unused(table: Table, found: Sequence[FoundColumn]) -> Iterator[Finding]:
    used = {name.lower() for name in table.names} | {RESIDUE}
    for column in found:
        if column.name.lower() not in used:
            refuses = column.is_not_null and not column.has_default
            words = f"{column.name} belongs to no field" + (
                " and must have a value: inserts fail" if refuses else ", and is not read"
            )
            yield Finding(table.name, words, "declare a field for it", blocks=refuses)


def _without_index(driver: sqlite3.Connection, table: Table) -> Iterator[Finding]:
    there = {name for (name,) in driver.execute(of_ledger("indexes"), (table.name,))}
    for index in definitions.indexes(table):
        if index.name not in there:
            statement = definitions.create_index(table, index)
            words = f"has no index {index.name}"
            yield Finding(table.name, words, blocks=index.is_unique, statements=(statement,))


def _of_adopted(
    driver: sqlite3.Connection, tables: Tables, name: str, found: Sequence[FoundColumn]
) -> Iterator[Finding]:
    entity = next(one for one in tables.entities.values() if tables.name(one) == name)
    try:
        table = tables.find(driver, entity)
    except ConfigError as error:
        yield Finding(name, error.problem, error.next_step, blocks=True)
        return
    if table is None:  # somebody has just dropped it
        return
    for misfit in table.misfits:
        next_step = "give the column a type that keeps them (TEXT, say), or only read it"
        yield Finding(name, misfit, next_step, blocks=not tables.is_source)
    if table.has_null_keys:
        yield Finding(name, "its key may be NULL; such rows are refused", "declare it NOT NULL")
    for group in table.unguarded:
        yield _unguarded(table, group)
    yield from _unused(table, found)


def _unguarded(table: Table, group: tuple[str, ...]) -> Finding:
    fields = ", ".join(group)
    index = definitions.Index(f"{table.name}_{'_'.join(group)}_unique", group, is_unique=True)
    return Finding(
        table.name,
        f"nothing in the file keeps {fields} unique, so each write must look for it",
        "make the index",
        statements=(definitions.create_index(table, index),),
    )


# steps


def apply_steps(
    connections: Connections, tables: Tables, folder: Path, *, dry_run: bool
) -> list[str]:
    """Apply the steps of *folder* that have not run, each with the record that it ran."""
    steps = read_steps(folder)
    waiting = pending(steps, _applied(connections, tables))
    if not dry_run:
        for step in waiting:
            _apply(connections, tables, step)
    return [step.name for step in waiting]


def _applied(connections: Connections, tables: Tables) -> dict[str, str]:
    if not connections.there():
        return {}

    def ask(driver: sqlite3.Connection) -> dict[str, str]:
        if not tables.has_ledger(driver):
            return {}
        return dict(driver.execute(of_ledger("steps")).fetchall())

    return connections.ask(ask)


def _apply(connections: Connections, tables: Tables, step: Step) -> None:
    if not step.in_transaction:
        with connections.alone() as driver:
            _run(driver, step)
    with connections.write() as driver:
        tables.make_ledger(driver)
        if driver.execute(of_ledger("step"), (step.name,)).fetchone():
            return  # another process has just applied it
        if step.in_transaction:
            _run(driver, step)
        tables.look_again()
        tables.settle_triggers(driver)  # a table that is made anew has none
        now = datetime.now(UTC).isoformat()
        driver.execute(of_ledger("note_step"), (step.name, step.checksum, now))
    tables.forget()


def _run(driver: sqlite3.Connection, step: Step) -> None:
    was_in_transaction = driver.in_transaction
    for statement in sql.split(step.text):
        try:
            driver.execute(statement)
        except sqlite3.Error as error:
            words = "; nothing of it was applied" if was_in_transaction else ""
            raise PlanError(f"{step.name}: {error}{words}") from error
        if driver.in_transaction != was_in_transaction:
            raise PlanError(
                f"{step.name} begins or ends a transaction itself",
                next_step="leave that out: each step runs in one of its own",
            )
