"""The example's entities and its tables say the same: types, keys, references, rules, defaults."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import attrs
import flux_studio_example
import psycopg
import pytest
from flux_studio_example import CONFIGURATION, EXAMPLE
from psycopg import sql

from fluxstore import Config, Entity
from fluxstore.codec import Codec
from fluxstore.entity import Field
from fluxstore.kinds import Kind
from fluxstore.testing.databases import DatabaseServer

ENTITIES = Config.load(CONFIGURATION).entities
FIELDS = [(entity, field) for entity in ENTITIES.values() for field in entity.fields]
FIELD_NAMES = [f"{entity.name}.{field.name}" for entity, field in FIELDS]
TYPES = {
    Kind.STR: "text",
    Kind.LITERAL: "text",
    Kind.INT: "integer",
    Kind.BOOL: "boolean",
    Kind.DECIMAL: "numeric",
    Kind.DATE: "date",
    Kind.DATETIME: "timestamp with time zone",
    Kind.DICT: "jsonb",
}
ON_DELETE = {"cascade": "CASCADE", "set_null": "SET NULL", "restrict": None}
# Whose numbers outgrow 32 bits.
LARGE = {("files", "size_bytes")}


@attrs.frozen
class Table:
    """A table as the database describes it."""

    columns: dict[str, tuple[str, bool, str | None]]
    """Name to type, whether it may be null, and default."""
    constraints: list[tuple[str, list[str], str]]
    """Kind (p, u, f, c), columns, definition."""
    leading: set[str]
    """The first column of each index."""


COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND c.relnamespace = 'public'::regnamespace
"""
CONSTRAINTS = """
SELECT c.relname, k.contype::text, pg_get_constraintdef(k.oid),
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = key.number
             ORDER BY key.place)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid AND c.relnamespace = 'public'::regnamespace
WHERE k.contype IN ('p', 'u', 'f', 'c')
"""
LEADING = """
SELECT c.relname, a.attname
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
"""


@pytest.fixture(scope="module")
def database(postgres_server: DatabaseServer) -> Iterator[psycopg.Connection]:
    """A connection to a database with Flux Studio's tables, which no test here changes."""
    with (
        postgres_server.database(flux_studio_example.template(postgres_server)) as conninfo,
        psycopg.connect(conninfo, autocommit=True) as connection,
    ):
        yield connection


@pytest.fixture(scope="module")
def tables(database: psycopg.Connection) -> Mapping[str, Table]:
    """Every table by name."""
    found: dict[str, Table] = defaultdict(lambda: Table({}, [], set()))
    for table, name, type_, nullable, default in database.execute(COLUMNS):
        found[table].columns[name] = (type_, nullable, default)
    for table, kind, definition, columns in database.execute(CONSTRAINTS):
        found[table].constraints.append((kind, columns, definition))
    for table, column in database.execute(LEADING):
        found[table].leading.add(column)
    return found


def column_type(entity: Entity, field: Field) -> str:
    """Return the type that a field's column has."""
    if field.type.kind is Kind.LIST:
        return "text[]" if field.type.items[0].kind is Kind.STR else "jsonb"
    return "bigint" if (entity.name, field.name) in LARGE else TYPES[field.type.kind]


def checks(table: Table, name: str) -> str:
    """Return the definitions of the checks on one column, together."""
    return " ".join(text for kind, on, text in table.constraints if (kind, on) == ("c", [name]))


def test_the_example_passes_the_strict_type_checker(tmp_path: Path) -> None:
    what = ["-p", "flux_studio", "-m", "entities", "-m", "entities_business"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", *what],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_there_are_23_entities_and_a_table_for_each(tables: Mapping[str, Table]) -> None:
    assert len(ENTITIES) == 23
    assert set(ENTITIES) == set(tables)


def test_fields_and_columns_have_the_same_names_types_and_nulls(
    tables: Mapping[str, Table],
) -> None:
    expected = {
        entity.name: {
            field.name: (column_type(entity, field), field.type.nullable) for field in entity.fields
        }
        for entity in ENTITIES.values()
    }
    found = {
        name: {column: facts[:2] for column, facts in table.columns.items()}
        for name, table in tables.items()
    }
    assert expected == found


def test_defaults_are_the_same(tables: Mapping[str, Table], database: psycopg.Connection) -> None:
    for entity, field in FIELDS:
        default = tables[entity.name].columns[field.name][2]
        where = f"{entity.name}.{field.name}"
        if field.rules.auto:
            assert default == "now()", where
        elif field.required or Codec.of(entity).default(field.name) is None:
            assert default is None, where
        else:
            asked = sql.SQL("SELECT {}").format(sql.SQL(str(default)))  # type: ignore[arg-type]
            row = database.execute(asked).fetchone()
            assert row == (Codec.of(entity).default(field.name),), where


def test_keys_and_unique_groups_are_the_same(tables: Mapping[str, Table]) -> None:
    for name, entity in ENTITIES.items():
        constraints = tables[name].constraints
        assert [list(entity.key)] == [on for kind, on, _ in constraints if kind == "p"], name
        unique = sorted(on for kind, on, _ in constraints if kind == "u")
        assert sorted(map(list, entity.unique)) == unique, name


def test_references_lead_to_the_same_tables_and_end_alike(tables: Mapping[str, Table]) -> None:
    pattern = re.compile(r"FOREIGN KEY .* REFERENCES (\w+)\(\w+\)(?: ON DELETE (.+?))? DEFERRABLE$")
    for name, entity in ENTITIES.items():
        found = {
            on[0]: match.groups()
            for kind, on, text in tables[name].constraints
            if kind == "f" and (match := pattern.match(text))
        }
        expected = {
            field.name: (field.rules.references, ON_DELETE[field.rules.on_delete])
            for field in entity.references
        }
        assert expected == found, name


def test_what_is_indexed_for_the_application_is_indexed_in_the_tables(
    tables: Mapping[str, Table],
) -> None:
    for entity, field in FIELDS:
        if field.rules.index:
            assert field.name in tables[entity.name].leading, f"{entity.name}.{field.name}"


@pytest.mark.parametrize(("entity", "field"), FIELDS, ids=FIELD_NAMES)
def test_a_field_is_checked_alike(
    tables: Mapping[str, Table], entity: Entity, field: Field
) -> None:
    text = checks(tables[entity.name], field.name)
    rules = field.rules
    texts = re.findall(r"'((?:[^']|'')*)'::text", text)
    if field.type.kind is Kind.LITERAL:
        assert list(field.type.choices) == texts
    elif rules.pattern is not None:
        assert [rules.pattern] == texts
    elif field.name in entity.key and rules.references is None:
        assert "<> ''::text" in text
    else:
        limits = [Decimal(found) for found in re.findall(r"\(?(\d+)\)?(?:::numeric)?\)", text)]
        expected = [limit for limit in (rules.minimum, rules.maximum) if limit is not None]
        assert expected == limits
