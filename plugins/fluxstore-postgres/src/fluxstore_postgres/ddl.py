"""Statements that make an entity's own table: columns, checks, references, indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fluxstore.entity import Field
from fluxstore.kinds import Kind
from fluxstore_postgres.catalogue import OWN_MARK, FoundTable
from fluxstore_postgres.statements import (
    Part,
    composed,
    filled,
    identifier,
    listed,
    literal,
    word,
)
from fluxstore_postgres.tables import Column, Table

MAX_KEY_BYTES = 1024
LONGEST_INDEXED_BYTES = 2700
"""A b-tree takes no larger value (PostgreSQL manual, "B-Tree Indexes")."""
NUMBERS = frozenset({Kind.INT, Kind.FLOAT, Kind.DECIMAL})
ACTIONS = {"restrict": "RESTRICT", "cascade": "CASCADE", "set_null": "SET NULL"}


def create_table(table: Table) -> Sequence[Part]:
    """Return the statements that make *table* with its key, checks and unique values."""
    parts = [*map(_column, table.columns), *_rules(table)]
    return (
        composed("ddl", "create_table", table=table.path, parts=listed(parts, ",\n    ")),
        composed("ddl", "mark_table", table=table.path, mark=literal(OWN_MARK)),
    )


def create_schema(schema: str) -> Part:
    """Return the statement that makes a schema."""
    return composed("ddl", "create_schema", schema=identifier(schema))


def indexes(table: Table, found: FoundTable | None) -> list[Part]:
    """Return the statements for the indexes that *table* should have and has not."""
    there = _leading(table, found)
    made: list[Part] = []
    for column in table.columns:
        rules = column.field.rules
        if (rules.index or rules.references) and (column.name,) not in there:
            method = _method(column)
            made.append(composed("ddl", "create_index", table=table.path, method=method))
    return made


def references(
    table: Table, found: FoundTable | None, tables: Mapping[str, Table], *, is_new: bool = True
) -> list[Part]:
    """Return the statements for the references that *table* should have and has not.

    In a table that is not *new* they are not checked for its records: ``unvalidated`` does that.
    """
    there = {one.columns for one in found.constraints if one.type == "f"} if found else set()
    missing = [
        field
        for field in table.entity.references
        if (table.column(field.name).name,) not in there and field.rules.references in tables
    ]
    name = "add_reference" if is_new else "add_unchecked_reference"
    return [_reference(name, table, field, tables) for field in missing]


def uniques(table: Table, found: FoundTable) -> list[Part]:
    """Return the statements for unique groups that no constraint or index keeps."""
    there = {frozenset(one.columns) for one in found.indexes if one.is_unique and one.is_whole}
    groups = [[table.column(name) for name in group] for group in table.entity.unique]
    return [
        composed("ddl", "add_unique", table=table.path, columns=listed(c.at() for c in columns))
        for columns in groups
        if frozenset(column.name for column in columns) not in there
    ]


def unvalidated(table: Table, found: FoundTable) -> Sequence[Part]:
    """Return the statements that check references for the records that are there already."""
    names = [one.name for one in found.constraints if one.type == "f" and not one.is_valid]
    return [composed("ddl", "validate", table=table.path, name=identifier(name)) for name in names]


def text_of(statements: Sequence[Part]) -> str:
    """Return statements as a person reads and runs them."""
    return "".join(f"{one.as_string(None)};\n" for one in statements)


def _column(column: Column) -> Part:
    parts = [identifier(column.name), word(column.form.sql_type)]
    if column.form.is_text:
        parts.append(word('COLLATE "C"'))
    if not column.nullable:
        parts.append(word("NOT NULL"))
    if column.default_input is not None:  # for other clients: ours always says a value
        parts.append(filled("DEFAULT {}", literal(column.default_input)))
    parts += [composed("ddl", "check", rule=rule) for rule in _checks(column)]
    return listed(parts, " ")


def _rules(table: Table) -> Iterator[Part]:
    yield listed([identifier(table.residue or ""), word("jsonb")], " ")
    key = listed(column.at() for column in table.key)
    yield composed("ddl", "primary_key", columns=key)
    for group in table.entity.unique:
        columns = listed(table.column(name).at() for name in group)
        yield composed("ddl", "unique", columns=columns)
    yield from _key_checks(table)


def _key_checks(table: Table) -> Iterator[Part]:
    for column in table.key:
        if column.field.type.scalar is Kind.STR:
            rule = filled("octet_length({}) BETWEEN 1 AND {}", column.at(), literal(MAX_KEY_BYTES))
            yield composed("ddl", "check", rule=rule)


def _checks(column: Column) -> Iterator[Part]:
    field, name = column.field, column.at()
    if field.type.choices and field.type.scalar is not Kind.ANY:
        yield filled("{} IN ({})", name, listed(map(literal, field.type.choices)))
    yield from _ranges(field, name)
    if field.rules.max_length is not None and field.type.scalar is Kind.STR:
        yield filled("char_length({}) <= {}", name, literal(field.rules.max_length))


def _ranges(field: Field, name: Part) -> Iterator[Part]:
    if field.type.scalar not in NUMBERS:
        return
    for operator, bound in ((">=", field.rules.minimum), ("<=", field.rules.maximum)):
        if bound is not None:
            yield filled("{} {} {}", name, word(operator), literal(bound))


def _method(column: Column) -> Part:
    """Return how a field is indexed: items of arrays singly, documents by what they contain."""
    if column.form.is_json:
        return filled("gin ({} jsonb_path_ops)", column.at())
    return filled("gin ({})" if column.form.sql_type.endswith("[]") else "btree ({})", column.at())


def _leading(table: Table, found: FoundTable | None) -> set[tuple[str, ...]]:
    """Return the single columns that an index begins with already, or will."""
    planned = [table.key[:1], *([table.column(n) for n in g[:1]] for g in table.entity.unique)]
    there = {tuple(column.name for column in columns) for columns in planned}
    return there | {one.columns[:1] for one in (found.indexes if found else ()) if one.is_whole}


def _reference(name: str, table: Table, field: Field, tables: Mapping[str, Table]) -> Part:
    target = tables[str(field.rules.references)]
    return composed(
        "ddl",
        name,
        table=table.path,
        column=table.column(field.name).at(),
        target=target.path,
        target_column=target.key[0].at(),
        action=word(ACTIONS[field.rules.on_delete]),
    )
