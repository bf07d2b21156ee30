"""A table as an entity's records see it: columns, key, residue, the rules it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from fluxstore.codec import Codec, Refusal
from fluxstore.entity import Entity, Field
from fluxstore.kinds import Kind
from fluxstore.records import Key, Row
from fluxstore_postgres.adopted import SAME, Cast, Fits
from fluxstore_postgres.failures import Constraint
from fluxstore_postgres.forms import SQL_TYPES, Form, array_text, default_text, form_of, unfit
from fluxstore_postgres.statements import Part, filled, identifier, listed, word

BY_CODE_POINT = word(' COLLATE "C"')

# The text of a key's part as ``Codec.key_text`` has it, so that SQL can make it too.
_KEY_TEXT: Mapping[Kind, str] = {
    Kind.STR: "{}",
    Kind.INT: "({})::text",
    Kind.UUID: "({})::text",
    Kind.DATE: "to_char({}, 'YYYY-MM-DD')",
    Kind.BOOL: "CASE WHEN {} THEN 'True' ELSE 'False' END",
    Kind.DATETIME: (
        "rtrim(rtrim(to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '0'), '.')"
    ),
}


@attrs.frozen
class Column:
    """One field's column."""

    field: Field
    name: str
    form: Form
    cast: Cast = SAME
    nullable: bool = True
    by_code_point: bool = True
    """Whether the column's own order of text is by code point."""
    fits: tuple[Fits, ...] = ()
    default: Any = None
    default_input: str | None = None
    """What stands in the column where the record misses the field: plain value and text."""

    def at(self, table: str = "") -> Part:
        """Return the bare column, of *table* (an alias) if given."""
        return identifier(table, self.name) if table else identifier(self.name)

    def read(self, table: str = "") -> Part:
        """Return the column's value in the form's SQL type."""
        return filled(self.cast.read, self.at(table))

    def ordered(self, table: str = "") -> Part:
        """Return the column's value as it is compared and ordered: text by code point."""
        value = self.read(table)
        return value + BY_CODE_POINT if self.form.is_text and not self.by_code_point else value

    def typed(self, parameter: Part) -> Part:
        """Return a text parameter in the form's SQL type."""
        return parameter + word(f"::{self.form.sql_type}")

    def write(self, value: Part) -> Part:
        """Return a value of the form's SQL type as the column takes it."""
        return filled(self.cast.write, value)

    def input(self, values: Row) -> str | None:
        """Return the text that stands for this field of a record; ``None`` is null."""
        value = values.get(self.field.name, self.default)
        return None if value is None else self.form.encode(value)

    def refuse_unfit(self, values: Row) -> tuple[str, Refusal] | None:
        """Return why the column cannot hold the record's value, if it cannot."""
        value = values.get(self.field.name, self.default)
        if value is None:
            if self.nullable:
                return None
            return self.field.name, unfit_null()
        try:
            for check in self.fits:
                check(value)
        except Refusal as refusal:
            return self.field.name, refusal
        return None


@attrs.frozen
class Table:
    """Where one entity's records are."""

    entity: Entity
    schema: str
    name: str
    columns: tuple[Column, ...]
    residue: str | None
    """The residue column of a table of our own; ``None``: a side table has it."""
    constraints: Mapping[str, Constraint] = attrs.field(factory=dict, repr=False)
    exists: bool = True
    guarded: tuple[Column, ...] = attrs.field(init=False, repr=False, eq=False)
    """Columns that were there before, and do not hold all that their field may be."""
    lengthy: tuple[str, ...] = attrs.field(init=False, repr=False, eq=False)
    """Fields that may make a record a large one."""
    _by_field: Mapping[str, Column] = attrs.field(init=False, repr=False, eq=False)

    @guarded.default
    def _guarded_columns(self) -> tuple[Column, ...]:
        if self.residue is not None:
            return ()
        return tuple(column for column in self.columns if column.fits or not column.nullable)

    @lengthy.default
    def _lengthy_fields(self) -> tuple[str, ...]:
        return tuple(column.field.name for column in self.columns if _is_lengthy(column.field))

    @_by_field.default
    def _columns_by_field(self) -> Mapping[str, Column]:
        return {column.field.name: column for column in self.columns}

    @property
    def is_own(self) -> bool:
        """Tell whether fluxstore made the table."""
        return self.residue is not None

    @property
    def path(self) -> Part:
        """The table's quoted, qualified name."""
        return identifier(self.schema, self.name)

    @property
    def words(self) -> str:
        """The table's name for messages."""
        return f"{self.schema}.{self.name}"

    def column(self, field: str) -> Column:
        """Return the column of a field; ``EntityError`` for a name that is none."""
        found = self._by_field.get(field)
        return found if found is not None else self._by_field[self.entity.field(field).name]

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns of the key, in the key's order."""
        return tuple(self.column(name) for name in self.entity.key)

    @property
    def has_ordered_index(self) -> bool:
        """Tell whether the key's own index has its keys in the order that scans need."""
        return all(
            column.cast.read == "{}" and (column.by_code_point or not column.form.is_text)
            for column in self.key
        )

    def key_inputs(self, key: Key) -> list[str]:
        """Return the texts of a key's parts."""
        parts = key if isinstance(key, tuple) and len(self.entity.key) > 1 else (key,)
        return [c.form.encode(part) for c, part in zip(self.key, parts, strict=True)]

    def key_params(self, key: Key) -> dict[str, str]:
        """Return the texts of a key's parts as parameters ``key0``, ``key1`` and so on."""
        return {f"key{at}": text for at, text in enumerate(self.key_inputs(key))}

    def key_text(self, table: str = "") -> Part:
        """Return SQL for the key's text, as ``Codec.key_text`` makes it in Python."""
        parts = [_key_text(column, table) for column in self.key]
        if len(parts) == 1:
            return parts[0]
        quoted = [
            _as_json(column, part, table) for column, part in zip(self.key, parts, strict=True)
        ]
        return filled("'[' || {} || ']'", listed(quoted, " || ',' || "))

    def missing(self, values: Row) -> tuple[str, ...]:
        """Return the fields that a record does not have."""
        if len(values) >= len(self.columns):
            return ()
        return tuple(c.field.name for c in self.columns if c.field.name not in values)


def key_arrays(table: Table, keys: Sequence[Key]) -> list[str]:
    """Return the parts of *keys* as one array's text for each part."""
    inputs = [table.key_inputs(key) for key in keys]
    return [array_text(part) for part in zip(*inputs, strict=True)]


def column_of(field: Field, codec: Codec, name: str, form: Form, **more: Any) -> Column:
    """Return a column with the default that stands for a missing value."""
    default, text = default_text(codec, field, form.encode)
    return Column(field, name, form, default=default, default_input=text, **more)


def own_table(entity: Entity, schema: str, name: str, names: Mapping[str, str]) -> Table:
    """Return the table that fluxstore makes for *entity*."""
    codec = Codec.of(entity)
    columns = tuple(
        column_of(field, codec, names.get(field.name, field.name), form_of(field))
        for field in entity.fields
    )
    columns = tuple(attrs.evolve(one, nullable=is_nullable(one, entity)) for one in columns)
    return Table(entity, schema, name, columns, residue_name(columns), exists=False)


def is_nullable(column: Column, entity: Entity) -> bool:
    """Tell whether a column must take nulls: for a null, or for a field that is missing."""
    field = column.field
    if field.name in entity.key:
        return False
    has_no_value = not field.required and column.default is None
    return field.type.nullable or field.type.kind is Kind.ANY or has_no_value


def _is_lengthy(field: Field) -> bool:
    if field.type.choices or field.rules.references:
        return False
    return field.type.scalar in (Kind.STR, Kind.BYTES) or field.type.scalar not in SQL_TYPES


def residue_name(columns: Sequence[Column]) -> str:
    """Return the name of the residue column: ``residue``, unless a field has taken that."""
    name = "residue"
    while any(column.name == name for column in columns):
        name += "_"
    return name


def unfit_null() -> Refusal:
    """Return the refusal of a null where the column takes none."""
    return unfit("a value expected: the column takes no null")


def _key_text(column: Column, table: str) -> Part:
    kind = column.field.type.scalar
    text = filled(_KEY_TEXT[kind], column.read(table))
    return text + word(" || 'Z'") if kind is Kind.DATETIME else text


def _as_json(column: Column, text: Part, table: str) -> Part:
    if column.field.type.scalar in (Kind.INT, Kind.BOOL):
        return filled("to_json({})::text", column.read(table))
    return filled("to_json({})::text", text)
