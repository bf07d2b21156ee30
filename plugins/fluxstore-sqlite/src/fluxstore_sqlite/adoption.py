"""A table that was there before fluxstore: which column is which field, and what it cannot hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from sqlite_utils import Database
from sqlite_utils.db import Table as FoundTable

from fluxstore.entity import Entity
from fluxstore.errors import ConfigError
from fluxstore.kinds import ARRAY_KINDS, Kind
from fluxstore_sqlite.columns import Column
from fluxstore_sqlite.found import FoundColumn
from fluxstore_sqlite.settings import EntitySettings
from fluxstore_sqlite.table import Table, adopted_columns

# https://www.sqlite.org/datatype3.html#determination_of_column_affinity, in this order.
_AFFINITIES: Sequence[tuple[tuple[str, ...], str]] = (
    (("INT",), "INTEGER"),
    (("CHAR", "CLOB", "TEXT"), "TEXT"),
    (("BLOB",), "NONE"),
    (("REAL", "FLOA", "DOUB"), "REAL"),
)
_TAKES: Mapping[str, frozenset[str]] = {
    "TEXT": frozenset({"TEXT", "NONE"}),
    "INTEGER": frozenset({"INTEGER", "NUMERIC", "NONE"}),
    "REAL": frozenset({"REAL", "NUMERIC", "INTEGER", "NONE"}),
    "BLOB": frozenset({"TEXT", "INTEGER", "REAL", "NUMERIC", "NONE"}),
}
_NEVER_NUMBERS = ARRAY_KINDS | {
    Kind.DATE, Kind.TIME, Kind.DATETIME, Kind.TIMEDELTA, Kind.UUID, Kind.DICT, Kind.NESTED,
}  # fmt: skip
"""Kinds whose text SQLite never takes for a number, whatever the column's type."""


def adopt(
    driver: sqlite3.Connection,
    entity: Entity,
    settings: EntitySettings,
    found: Sequence[FoundColumn],
    where: str,
) -> Table:
    """Return the table of *entity* as it is; ``ConfigError`` where a field has no column."""
    name = settings.table or entity.name
    database = Database(driver, recursive_triggers=False, execute_plugins=False)
    table = None if name in database.view_names() else database.table(name)
    names = matched(entity, settings, found, f"{where}: {name}")
    by_name = {column.name: column for column in found}
    columns = adopted_columns(entity, settings, names, _binary(table) if table else frozenset())
    is_view = () if table else (f"{name} is a view, and takes no writes",)
    guarded = _guarded(table) if table else frozenset()
    return Table(
        entity=entity,
        name=name,
        columns=columns,
        adopted=True,
        unguarded=tuple(
            group
            for group in (entity.key, *entity.unique)
            if frozenset(names[field] for field in group) not in guarded
        ),
        misfits=(*is_view, *_misfits(name, columns, by_name)),
        has_null_keys=not _is_never_null([by_name[names[part]] for part in entity.key]),
    )


def matched(
    entity: Entity, settings: EntitySettings, found: Sequence[FoundColumn], where: str
) -> Mapping[str, str]:
    """Return the column of each field: as the settings say, else of the field's name."""
    there = {column.name.lower(): column.name for column in found}
    wanted = {field.name: settings.columns.get(field.name, field.name) for field in entity.fields}
    missing = [field for field, column in wanted.items() if column.lower() not in there]
    if missing:
        raise ConfigError(
            f"{where} has no column for {', '.join(missing)}",
            key=f"entities.{entity.name}.columns",
            next_step=f"name it: columns = {{ {missing[0]} = … }}; there are {', '.join(there)}",
        )
    return {field: there[column.lower()] for field, column in wanted.items()}


def affinity(declared: str) -> str:
    """Return the affinity of a declared type, ``NONE`` for what SQLite calls BLOB."""
    if not declared or declared.upper() == "ANY":
        return "NONE"
    for parts, name in _AFFINITIES:
        if any(part in declared.upper() for part in parts):
            return name
    return "NUMERIC"


def _misfits(
    table: str, columns: Sequence[Column], found: Mapping[str, FoundColumn]
) -> Iterator[str]:
    for column in columns:
        declared = found[column.name].declared
        fits = affinity(declared) in _TAKES[column.form.declared]
        if not fits and column.field.type.scalar not in _NEVER_NUMBERS:
            kind = column.field.type.scalar.value
            yield f"{table}.{column.name} is {declared}, which would change values of {kind}"


def _is_never_null(key: Sequence[FoundColumn]) -> bool:
    # INTEGER PRIMARY KEY is the rowid; of every other primary key SQLite lets a part be NULL.
    is_rowid = len(key) == 1 and key[0].key_place == 1 and key[0].declared.upper() == "INTEGER"
    return is_rowid or all(column.is_not_null for column in key)


def _binary(table: FoundTable) -> frozenset[str]:
    """Return the columns that an index proves to compare byte by byte."""
    return frozenset(
        column.name
        for index in table.xindexes
        for column in index.columns
        if column.key and column.name and column.coll == "BINARY"
    )


def _guarded(table: FoundTable) -> frozenset[frozenset[str]]:
    """Return the groups of columns of which no two rows share the values."""
    unique = [index for index in table.indexes if index.unique and not index.partial]
    return frozenset((frozenset(table.pks), *(frozenset(index.columns) for index in unique)))
