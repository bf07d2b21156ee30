"""Tables as PostgreSQL's catalogue has them, and what becomes of them for an entity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from fluxstore.codec import Codec, Refusal
from fluxstore.entity import Entity, Field
from fluxstore.errors import ConfigError
from fluxstore.records import Reason
from fluxstore_postgres.adopted import FoundType, cast_for, fits_of
from fluxstore_postgres.connections import Connections
from fluxstore_postgres.failures import Constraint
from fluxstore_postgres.forms import Decode, Form, form_of, json_form
from fluxstore_postgres.statements import statement
from fluxstore_postgres.tables import Column, Table, column_of, residue_name

OWN_MARK = "made by fluxstore"
_RULES = {"p": "unique", "u": "unique", "x": "unique", "f": "reference", "c": "check"}


@attrs.frozen
class FoundColumn:
    """A column that is there."""

    name: str
    type: FoundType
    required: bool
    has_default: bool
    is_generated: bool
    by_code_point: bool


@attrs.frozen
class FoundConstraint:
    """A constraint that is there: ``type`` is p, u, f, c or x, as in ``pg_constraint``."""

    name: str
    type: str
    columns: tuple[str, ...]
    is_deferrable: bool
    is_valid: bool
    target: str


@attrs.frozen
class FoundIndex:
    """An index that is there; ``is_whole`` where it covers all rows and plain columns only."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool
    is_whole: bool


@attrs.frozen
class FoundTable:
    """A table that is there."""

    schema: str
    name: str
    is_own: bool
    columns: Mapping[str, FoundColumn]
    constraints: tuple[FoundConstraint, ...]
    indexes: tuple[FoundIndex, ...]


@attrs.frozen
class Spot:
    """Where an entity's table is, or is to be, and which columns are not called as the field."""

    schema: str
    table: str
    columns: Mapping[str, str]


def find_tables(
    connections: Connections, spots: Iterable[Spot]
) -> Mapping[tuple[str, str], FoundTable]:
    """Return the tables of *spots* that are there, by schema and name."""
    wanted = list(spots)
    params = {
        "schemas": [spot.schema for spot in wanted],
        "names": [spot.table for spot in wanted],
    }
    rows = connections.run(statement("catalogue", "tables"), params)
    found = [_table(row[0]) for row in rows]
    return {(table.schema, table.name): table for table in found}


def bound(entity: Entity, spot: Spot, found: FoundTable) -> Table:
    """Return *found* as the table of *entity*; ConfigError where it cannot be."""
    codec = Codec.of(entity)
    columns = tuple(_column(entity, field, codec, spot, found) for field in entity.fields)
    _refuse_strangers(entity, columns, found)
    _refuse_other_key(entity, columns, found)
    residue = residue_name(columns)
    is_own = found.is_own and residue in found.columns
    return Table(
        entity,
        spot.schema,
        spot.table,
        columns,
        residue if is_own else None,
        constraints=_constraints(columns, found),
    )


def _column(entity: Entity, field: Field, codec: Codec, spot: Spot, found: FoundTable) -> Column:
    name = spot.columns.get(field.name, field.name)
    there = found.columns.get(name)
    if there is None:
        raise ConfigError(
            f"the table {found.schema}.{found.name} has no column {name!r} for {field.name}",
            key=f"entities.{entity.name}.columns",
            next_step=f'name it there ({field.name} = "…"), or add the column',
        )
    form = _form(field, there.type)
    cast = cast_for(form, there.type)
    if cast is None:
        raise ConfigError(
            f"column {name!r} of {found.schema}.{found.name} is {there.type.words}, "
            f"{field.name} needs {form.sql_type}",
            key=f"entities.{entity.name}",
            next_step="change the column's type or the entity's",
        )
    if field.type.choices and not found.is_own:
        form = attrs.evolve(form, decode=_chosen(field))
    more = {"cast": cast, "nullable": not there.required, "by_code_point": there.by_code_point}
    return column_of(field, codec, name, form, fits=fits_of(form, there.type), **more)


def _chosen(field: Field) -> Decode:
    """Return the check of a value that no constraint of ours has checked."""
    choices = frozenset(field.type.choices)
    words = ", ".join(map(str, field.type.choices[:12]))

    def decode(value: Any) -> Any:
        if value not in choices:
            raise Refusal(Reason.CHOICE, f"one of {words} expected")
        return value

    return decode


def _form(field: Field, found: FoundType) -> Form:
    return json_form(field) if found.name in {"json", "jsonb"} else form_of(field)


def _refuse_strangers(entity: Entity, columns: tuple[Column, ...], found: FoundTable) -> None:
    ours = {column.name for column in columns}
    for there in found.columns.values():
        if there.name not in ours and there.required and not there.has_default:
            raise ConfigError(
                f"column {there.name!r} of {found.schema}.{found.name} must have a value, "
                f"and no field of {entity.name} has one for it",
                key=f"entities.{entity.name}",
                next_step="declare the field, or give the column a default",
            )


def _refuse_other_key(entity: Entity, columns: tuple[Column, ...], found: FoundTable) -> None:
    names = {one.field.name: one.name for one in columns}
    key = {names[part] for part in entity.key}
    unique = [set(one.columns) for one in found.indexes if one.is_unique and one.is_whole]
    if key not in unique:
        raise ConfigError(
            f"{found.schema}.{found.name} has no primary key or unique index on "
            f"({', '.join(names[part] for part in entity.key)}), the key of {entity.name}",
            key=f"entities.{entity.name}",
            next_step="add one, or name the right columns",
        )


def _constraints(columns: tuple[Column, ...], found: FoundTable) -> Mapping[str, Constraint]:
    fields = {column.name: column.field.name for column in columns}
    rules = {
        one.name: Constraint(_RULES[one.type], tuple(fields.get(c, c) for c in one.columns))
        for one in found.constraints
    }
    indexes = {
        one.name: Constraint("unique", tuple(fields.get(c, c) for c in one.columns))
        for one in found.indexes
        if one.is_unique
    }
    return indexes | rules


def _table(document: Mapping[str, Any]) -> FoundTable:
    columns = [_found_column(one) for one in document["columns"] or ()]
    return FoundTable(
        schema=document["schema"],
        name=document["name"],
        is_own=(document["comment"] or "").startswith(OWN_MARK),
        columns={one.name: one for one in columns},
        constraints=tuple(
            FoundConstraint(**{**one, "columns": tuple(one["columns"])})
            for one in document["constraints"]
        ),
        indexes=tuple(_found_index(one) for one in document["indexes"]),
    )


def _found_column(one: Mapping[str, Any]) -> FoundColumn:
    type_ = FoundType(
        name=one["type"],
        words=one["words"],
        is_enum=one["is_enum"],
        modifier=one["modifier"],
        labels=tuple(one["labels"] or ()),
    )
    return FoundColumn(
        name=one["name"],
        type=type_,
        required=one["required"],
        has_default=one["has_default"],
        is_generated=one["is_generated"],
        by_code_point=one["by_code_point"],
    )


def _found_index(one: Mapping[str, Any]) -> FoundIndex:
    is_whole = one["is_valid"] and not one["is_partial"]
    return FoundIndex(one["name"], tuple(one["columns"]), one["is_unique"], is_whole)
