"""Which tables a schema has, as Python types: for ``fluxstore init``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from fluxstore.inference.tables import FoundColumn, FoundTable
from fluxstore_postgres.adopted import FoundType
from fluxstore_postgres.catalogue import FoundColumn as Declared
from fluxstore_postgres.catalogue import FoundTable as Catalogued
from fluxstore_postgres.catalogue import Spot, find_tables
from fluxstore_postgres.connections import Connections
from fluxstore_postgres.statements import statement

ANNOTATIONS: Mapping[str, str] = {
    "text": "str",
    "varchar": "str",
    "citext": "str",
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "numeric": "Decimal",
    "float4": "float",
    "float8": "float",
    "bool": "bool",
    "bytea": "bytes",
    "date": "date",
    "time": "time",
    "timestamp": "datetime",
    "timestamptz": "datetime",
    "interval": "timedelta",
    "uuid": "UUID",
    "json": "Any",
    "jsonb": "Any",
}
REMARKS: Mapping[str, str] = {"timestamp": "without an offset: read as UTC"}
_ON_DELETE = {"c": "cascade", "n": "set_null"}
_LISTS_OF = frozenset(
    {"text", "varchar", "int4", "int8", "numeric", "float8", "bool", "bytea", "date", "time"}
    | {"timestamptz", "interval", "uuid"}
)


def tables(connections: Connections, schema: str) -> Sequence[FoundTable]:
    """Return the tables of *schema* as an application would declare them."""
    sizes: dict[str, int] = dict(
        connections.run(statement("introspection", "application_tables"), {"schema": schema})
    )
    found = find_tables(connections, [Spot(schema, name, {}) for name in sizes])
    references: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    rows = connections.run(statement("introspection", "references"), {"schema": schema})
    for table, column, target, on_delete in rows:
        references[table][column] = (target, on_delete)
    return [
        _table(found[schema, name], references[name], records)
        for name, records in sizes.items()
        if (schema, name) in found
    ]


def _table(
    table: Catalogued, references: Mapping[str, tuple[str, str]], records: int
) -> FoundTable:
    keys = [one.columns for one in table.constraints if one.type == "p"]
    unique = [one.columns for one in table.indexes if one.is_unique and one.is_whole]
    deletes = {column: _ON_DELETE.get(action, "") for column, (_, action) in references.items()}
    return FoundTable(
        table.name,
        tuple(_column(one) for one in _of_the_application(table)),
        key=keys[0] if keys else (),
        references={column: target for column, (target, _) in references.items()},
        on_delete=deletes,
        unique=tuple(sorted(group for group in unique if group not in keys)),
        records=records,
    )


def _of_the_application(table: Catalogued) -> Iterator[Declared]:
    """Yield the columns that hold fields: none that PostgreSQL fills, and not our residue."""
    named = [name for name in table.columns if name.rstrip("_") == "residue"]
    residue = max(named, key=len, default="") if table.is_own else ""
    for column in table.columns.values():
        if not column.is_generated and column.name != residue:
            yield column


def _column(column: Declared) -> FoundColumn:
    return FoundColumn(
        column.name,
        annotation(column.type),
        nullable=not column.required,
        comment=REMARKS.get(column.type.name, ""),
    )


def annotation(found: FoundType) -> str:
    """Return the Python type of a column's type; empty where fluxstore has none for it."""
    if found.is_enum:
        return "str"
    item = found.name.removeprefix("_")
    if item != found.name:
        return f"list[{ANNOTATIONS[item]}]" if item in _LISTS_OF else ""
    return ANNOTATIONS.get(found.name, "")
