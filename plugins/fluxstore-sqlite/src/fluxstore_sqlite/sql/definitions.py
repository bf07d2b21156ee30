"""The statements that make an entity's table: types, checks, references, indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fluxstore.kinds import Kind
from fluxstore_sqlite import sql
from fluxstore_sqlite.columns import JSON, Column, form_of
from fluxstore_sqlite.table import RESIDUE, Table

_ON_DELETE: Mapping[str, str] = {
    "cascade": " ON DELETE CASCADE",
    "set_null": " ON DELETE SET NULL",
    # Not RESTRICT, which SQLite checks at once: a commit may delete both.
    "restrict": "",
}


@attrs.frozen
class Index:
    """An index that a table needs: its name, its fields and whether it is unique."""

    name: str
    fields: tuple[str, ...]
    is_unique: bool


def create_table(table: Table, parents: Mapping[str, Table]) -> str:
    """Return the statement that makes *table*; *parents* are what fields may refer to."""
    key = sql.names([column.name for column in table.key])
    lines = [
        *(column_line(column) for column in table.columns),
        f"{sql.name(RESIDUE)} TEXT CHECK ({_NULL_OR_JSON.format(name=sql.name(RESIDUE))})",
        f"PRIMARY KEY ({key})",
        *_references(table, parents),
    ]
    return _made("table", table, lines=",\n    ".join(lines))


def add_column(table: Table, column: Column) -> str:
    """Return the statement that adds a column, with the field's default if it is never NULL."""
    field = column.field
    parts = [column_line(column)]
    if not column.is_nullable and not field.required:
        parts.append(f"DEFAULT {_default(table, column)}")
    return _made("add_column", table, column=" ".join(parts))


def _default(table: Table, column: Column) -> str:
    stored = column.write(table.codec.default(column.field.name))
    return f"x'{stored.hex()}'" if isinstance(stored, bytes) else sql.literal(stored or 0)


def create_index(table: Table, index: Index) -> str:
    """Return the statement that makes *index*."""
    columns = sql.names([table.by_field[field].name for field in index.fields])
    kind = "UNIQUE INDEX" if index.is_unique else "INDEX"
    return _made("index", table, kind=kind, index=sql.name(index.name), columns=columns)


def _made(name: str, table: Table, **parts: str) -> str:
    return sql.statement("definitions", name, table=sql.name(table.name), **parts)


def indexes(table: Table) -> tuple[Index, ...]:
    """Return the indexes of *table*, unique ones first: for each rule, and for each reference.

    A reference has one because a delete must find what refers to the record. The key comes last in
    each, as it does in the order of every query.
    """
    entity = table.entity
    unique = [
        Index(f"{table.name}_{'_'.join(group)}_unique", group, is_unique=True)
        for group in entity.unique
    ]
    served = {entity.key[0], *(index.fields[0] for index in unique)}
    plain = [
        Index(f"{table.name}_{field.name}_index", (field.name, *entity.key), is_unique=False)
        for field in entity.fields
        if (field.rules.index or field.rules.references) and field.name not in served
    ]
    return (*unique, *plain)


def column_line(column: Column) -> str:
    """Return a column with its type and its checks."""
    name = sql.name(column.name)
    parts = [name, column.form.declared]
    if not column.is_nullable:
        parts.append("NOT NULL")
    if column.form.collation:
        parts.append(f"COLLATE {column.form.collation}")
    checks = [check.format(name=name) for check in _checks(column)]
    if checks:
        parts.append(f"CONSTRAINT {name} CHECK ({' AND '.join(checks)})")
    return " ".join(parts)


def _checks(column: Column) -> Iterator[str]:
    """Yield checks with ``{name}`` for the column; the codec checks what SQLite cannot."""
    field = column.field
    rules, type_ = field.rules, field.type
    if type_.choices and form_of(field) is not JSON:
        choices = ", ".join(map(_choice, type_.choices))
        yield f"{{name}} IN ({choices})"
    elif type_.scalar in _OF_KIND:
        yield _OF_KIND[type_.scalar]
    elif form_of(field) is JSON:
        yield _NULL_OR_JSON if column.is_nullable else "json_valid({name})"
    if type_.scalar in (Kind.INT, Kind.FLOAT) and not rules.bigint:
        if rules.minimum is not None:
            yield f"{{name}} >= {sql.literal(rules.minimum)}"
        if rules.maximum is not None:
            yield f"{{name}} <= {sql.literal(rules.maximum)}"
    if rules.max_length is not None and type_.scalar in (Kind.STR, Kind.BYTES):
        yield f"length({{name}}) <= {sql.literal(rules.max_length)}"


def _choice(choice: Any) -> str:
    literal = sql.literal(choice)
    return literal.replace("{", "{{").replace("}", "}}")


# json_valid(NULL) is 0 before SQLite 3.42.
_NULL_OR_JSON = "{name} IS NULL OR json_valid({name})"
_OF_KIND: Mapping[Kind, str] = {
    Kind.BOOL: "{name} IN (0, 1)",
    Kind.DATE: "{name} GLOB '????-??-??'",
    Kind.DATETIME: "{name} GLOB '????-??-??T??:??:??.??????Z'",
}


def _references(table: Table, parents: Mapping[str, Table]) -> Iterator[str]:
    for field in table.entity.references:
        parent = parents.get(field.rules.references or "")
        if parent is None or (parent.adopted and parent.unguarded):
            continue
        yield (
            f"FOREIGN KEY ({sql.name(table.by_field[field.name].name)})"
            f" REFERENCES {sql.name(parent.name)} ({sql.name(parent.key[0].name)})"
            f"{_ON_DELETE[field.rules.on_delete]} DEFERRABLE INITIALLY DEFERRED"
        )
