"""From tables that are there to a plan. An adapter says what is there (``HasTables``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs

from fluxstore.inference import naming
from fluxstore.inference.fields import is_personal
from fluxstore.inference.plan import EntityPlan, FieldPlan, Place, Plan

KEY_TYPES = frozenset({"str", "int", "UUID", "date", "datetime", "bool"})
TAKEN = naming.TAKEN | {"time", "timedelta"}


@attrs.frozen
class FoundColumn:
    """A column that is there, and the Python type that holds every value of it."""

    name: str
    annotation: str
    """``str``, ``Decimal``, ``list[UUID]``, …; empty where no type of fluxstore holds it."""
    nullable: bool = True
    comment: str = ""


@attrs.frozen
class FoundTable:
    """A table that is there. ``references`` maps a column to the table whose key it holds."""

    name: str
    columns: tuple[FoundColumn, ...]
    key: tuple[str, ...]
    references: Mapping[str, str] = attrs.field(factory=dict)
    on_delete: Mapping[str, str] = attrs.field(factory=dict)
    """A referring column to ``cascade``, ``set_null`` or nothing."""
    unique: tuple[tuple[str, ...], ...] = ()
    records: int = 0
    settings: Mapping[str, str] = attrs.field(factory=dict)
    """What else the entity's table in the configuration has to say to its adapter."""


@runtime_checkable
class HasTables(Protocol):
    """An adapter that can say which tables are there."""

    def tables(self) -> Sequence[FoundTable]:
        """Return the tables of an application, without fluxstore's own."""
        ...


def plan_tables(tables: Sequence[FoundTable]) -> Plan:
    """Return what *tables* hold; a table without a usable key is skipped, with the reason."""
    skipped = tuple((table.name, reason) for table in tables if (reason := _why_not(table)))
    taken = [table for table in tables if not _why_not(table)]
    used: set[str] = set()
    names = {table.name: naming.unused(naming.snake(table.name), used) for table in taken}
    classes: set[str] = set()
    keys = {table.name: table for table in taken if len(table.key) == 1}
    plans = tuple(_entity(table, names, keys, classes) for table in taken)
    return Plan(plans, skipped=skipped)


def _why_not(table: FoundTable) -> str:
    types = {column.name: column.annotation for column in table.columns}
    if not table.key:
        return "it has no primary key"
    wrong = [name for name in table.key if types.get(name) not in KEY_TYPES]
    if wrong:
        return f"its key {', '.join(wrong)} is of a type that no key can have"
    return "" if naming.snake(table.name) else "its name has no ASCII letter or digit"


def _entity(
    table: FoundTable, names: Mapping[str, str], keys: Mapping[str, FoundTable], classes: set[str]
) -> EntityPlan:
    used: set[str] = set()
    covered = [column for column in table.columns if column.annotation]
    fields = {
        column.name: naming.unused(naming.field_name(column.name, TAKEN), used)
        for column in covered
        if naming.field_name(column.name, TAKEN)
    }
    plans = [
        _field(column, fields[column.name], table, names, keys)
        for column in covered
        if column.name in fields
    ]
    groups = [
        tuple(fields[one] for one in group)
        for group in table.unique
        if len(group) > 1 and set(group) <= set(fields) and set(group) != set(table.key)
    ]
    left = [column.name for column in table.columns if column.name not in fields]
    reasons = [f"key {', '.join(table.key)} (the primary key)"]
    reasons += [f"column {name}: no type of fluxstore holds it; it is left out" for name in left]
    return EntityPlan(
        name=names[table.name],
        class_name=naming.unused(naming.class_name(names[table.name]), classes),
        key=tuple(fields[name] for name in table.key),
        fields=tuple(plans),
        place=Place(table=table.name, settings=table.settings),
        records=table.records,
        reasons=tuple(reasons),
        unique=tuple(groups),
    )


def _field(
    column: FoundColumn,
    name: str,
    table: FoundTable,
    names: Mapping[str, str],
    keys: Mapping[str, FoundTable],
) -> FieldPlan:
    target = table.references.get(column.name, "")
    refers = target in keys and _key_type(keys[target]) == column.annotation
    nullable = column.nullable and column.name not in table.key
    return FieldPlan(
        name=name,
        source_name=column.name,
        annotation=column.annotation,
        nullable=nullable and column.annotation != "Any",
        default="None" if nullable else "",
        references=names[target] if refers else "",
        on_delete=table.on_delete.get(column.name, "") if refers else "",
        unique=(column.name,) in table.unique and table.key != (column.name,),
        pii=is_personal(column.name),
        comment=column.comment,
    )


def _key_type(table: FoundTable) -> str:
    return next(column.annotation for column in table.columns if column.name == table.key[0])
