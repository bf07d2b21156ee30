"""Which tables a file has, and the types that hold every value in them: for ``fluxstore init``."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from sqlite_utils import Database

from fluxstore.inference.fields import annotation_of
from fluxstore.inference.observing import Values
from fluxstore.inference.tables import FoundColumn, FoundTable
from fluxstore_sqlite import sql
from fluxstore_sqlite.adoption import affinity
from fluxstore_sqlite.found import FoundColumn as Declared
from fluxstore_sqlite.found import found_columns

_BY_AFFINITY = {"TEXT": "str", "INTEGER": "int", "REAL": "float", "NUMERIC": "float"}
_BY_WORD = (
    ("BOOL", "bool"),
    ("BLOB", "bytes"),
    ("TIMESTAMP", "datetime"),
    ("DATETIME", "datetime"),
    ("DATE", "date"),
)
_ON_DELETE = {"CASCADE": "cascade", "SET NULL": "set_null"}


def tables(driver: sqlite3.Connection) -> Sequence[FoundTable]:
    """Return the application's tables, every row of them looked at once."""
    names = driver.execute(sql.statement("introspection", "application_tables")).fetchall()
    return [_table(driver, name) for (name,) in names]


def _table(driver: sqlite3.Connection, name: str) -> FoundTable:
    declared = found_columns(driver, name)
    seen = {column.name: Values() for column in declared}
    flags = {column.name: "BOOL" in column.declared.upper() for column in declared}
    records = 0
    cursor = driver.execute(sql.statement("introspection", "everything", table=sql.name(name)))
    columns = [seen[one[0]] for one in cursor.description]
    are_flags = [flags[one[0]] for one in cursor.description]
    for row in cursor:
        records += 1
        for values, is_flag, value in zip(columns, are_flags, row, strict=True):
            values.see(bool(value) if is_flag and value in (0, 1) else value)
    naive = any(_is_naive(one, seen[one.name]) for one in declared)
    found = Database(driver).table(name)
    references, on_delete = _references(driver, name)
    unique = {tuple(one.columns) for one in found.indexes if one.unique and not one.partial}
    return FoundTable(
        name,
        tuple(
            _column(one, seen[one.name])
            for one in declared
            if not one.name.startswith("_fluxstore")
        ),
        key=tuple(one.name for one in sorted(declared, key=_place) if one.key_place),
        references=references,
        on_delete=on_delete,
        unique=tuple(sorted(unique)),
        records=records,
        settings={"naive_times": "utc"} if naive else {},
    )


def _place(column: Declared) -> int:
    return column.key_place


def _column(declared: Declared, values: Values) -> FoundColumn:
    annotation, comment = _by_values(declared, values) if values.kinds else _declared(declared)
    nullable = not declared.is_not_null and not declared.key_place
    return FoundColumn(declared.name, annotation, nullable, comment)


def _by_values(declared: Declared, values: Values) -> tuple[str, str]:
    if values.kinds == {"bytes"}:
        return "bytes", ""
    annotation, comment = annotation_of(values)
    if _is_naive(declared, values):
        return "datetime", "times without an offset: read as UTC"
    changed = annotation == "str" and affinity(declared.declared) in ("NUMERIC", "INTEGER", "REAL")
    return ("", "") if changed or "bytes" in values.kinds else (annotation, comment)


def _is_naive(declared: Declared, values: Values) -> bool:
    """Tell whether a column declared as a time holds only texts without an offset.

    SQLite's own CURRENT_TIMESTAMP makes such texts, in UTC.
    """
    named = any(word in declared.declared.upper() for word in ("DATE", "TIME"))
    return named and values.kinds == {"str"} and values.texts == ("naive",)


def _declared(column: Declared) -> tuple[str, str]:
    """Return the type of a column without a value, as it is declared."""
    for word, annotation in _BY_WORD:
        if word in column.declared.upper():
            return annotation, ""
    return _BY_AFFINITY.get(affinity(column.declared), ""), ""


def _references(driver: sqlite3.Connection, name: str) -> tuple[dict[str, str], dict[str, str]]:
    keys: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
    for number, column, target, _, on_delete in driver.execute(
        sql.statement("introspection", "references"), (name,)
    ):
        keys[number].append((column, target, on_delete))
    single = [parts[0] for parts in keys.values() if len(parts) == 1]
    return (
        {column: target for column, target, _ in single},
        {column: _ON_DELETE[action] for column, _, action in single if action in _ON_DELETE},
    )
