"""One entity's table: its columns, whether fluxstore made it, and its statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore_sqlite import sql
from fluxstore_sqlite.collations import BINARY, COLLATIONS
from fluxstore_sqlite.columns import Column, Stored, column_of
from fluxstore_sqlite.settings import EntitySettings
from fluxstore_sqlite.sql.conditions import Asked, Condition, all_of, equal

RESIDUE = "_fluxstore_residue"


@attrs.frozen(slots=False, eq=False)
class Table:
    """Where one entity's records are. ``adopted``: it was there before fluxstore came."""

    entity: Entity
    name: str
    columns: tuple[Column, ...]
    adopted: bool = False
    unguarded: tuple[tuple[str, ...], ...] = ()
    """Groups of fields that the entity calls unique and an adopted table does not."""
    misfits: tuple[str, ...] = ()
    """Why an adopted table cannot be written without changing values; nothing in our own."""
    has_null_keys: bool = False
    """Its key may be NULL, which SQLite allows in a table that is not STRICT."""

    @cached_property
    def codec(self) -> Codec:
        """The entity's codec."""
        return Codec.of(self.entity)

    @cached_property
    def by_field(self) -> Mapping[str, Column]:
        """Columns by field name."""
        return {column.field.name: column for column in self.columns}

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """Column name to field name, for messages."""
        return {column.name: column.field.name for column in self.columns}

    @cached_property
    def key(self) -> tuple[Column, ...]:
        """The columns of the key, in the key's order."""
        return tuple(self.by_field[name] for name in self.entity.key)

    @cached_property
    def key_places(self) -> tuple[int, ...]:
        """Where the key's values stand in a row."""
        return tuple(self.columns.index(column) for column in self.key)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns that a row has values of, in order; residue last in a table of our own."""
        own = () if self.adopted else (RESIDUE,)
        return (*(column.name for column in self.columns), *own)

    def stored_key(self, key: Any) -> tuple[Stored, ...]:
        """Return the values of a plain key; ``Refusal`` where it cannot be one."""
        parts = (key,) if len(self.key) == 1 else key
        return tuple(column.write(part) for column, part in zip(self.key, parts, strict=True))

    def asked(self, field: str) -> Asked:
        """Return the column of *field* as conditions name it."""
        column = self.by_field[field]
        return Asked(column.name, column.spoken_collation)

    @cached_property
    def asked_key(self) -> tuple[Asked, ...]:
        """The key's columns as conditions name them."""
        return tuple(self.asked(name) for name in self.entity.key)

    def same(self, fields: Sequence[str], values: Sequence[Stored]) -> Condition:
        """Return the condition that *fields* have stored *values*."""
        pairs = zip(fields, values, strict=True)
        return all_of(equal(self.asked(field), value) for field, value in pairs)

    # statements

    @cached_property
    def read(self) -> str:
        """One record with residue and version: the key's text (for each join), then its values."""
        return self._reading(with_ledger=True)

    @cached_property
    def read_plain(self) -> str:
        """The same where there is no ledger: the key's values only."""
        return self._reading(with_ledger=False)

    @cached_property
    def governed_read(self) -> str:
        """The same and this backend's role: the key's values, then its text for each join."""
        return self._reading(with_ledger=True, statement="governed_read")

    @property
    def texts_of_read(self) -> int:
        """How often ``read`` wants the key's text."""
        return 2 if self.adopted else 1

    def _reading(self, *, with_ledger: bool, statement: str = "read") -> str:
        joins = ("versions", "residue") if self.adopted else ("versions",)
        entity = self.entity.name
        return sql.statement(
            "records",
            statement,
            columns=self._selected,
            residue=self._residue(with_ledger=with_ledger),
            version="v.epoch, v.seq" if with_ledger else "NULL, NULL",
            table=sql.name(self.name),
            joins=" ".join(sql.beside(each, entity) for each in joins) if with_ledger else "",
            key=self._is_key,
            role=sql.role(entity),
        )

    def _residue(self, *, with_ledger: bool) -> str:
        if self.adopted:
            return "r.residue" if with_ledger else "NULL"
        return sql.column(RESIDUE)

    @cached_property
    def _selected(self) -> str:
        return sql.columns([column.name for column in self.columns])

    @cached_property
    def _is_key(self) -> str:
        return sql.equal([column.name for column in self.key])

    def page(self, condition: Condition, order: str) -> str:
        """Records by a condition, in an order; the limit is bound last."""
        return sql.statement(
            "records",
            "page",
            columns=self._selected,
            residue=self._residue(with_ledger=False),
            table=sql.name(self.name),
            condition=condition.text,
            order=order,
        )

    @cached_property
    def beside(self) -> str:
        """Residue and version by the key's text, for tables that pages are read from."""
        return sql.statement("records", "beside", entity=sql.text(self.entity.name))

    def counted(self, condition: Condition) -> str:
        """How many records a condition finds."""
        return self._with("count", condition=condition.text)

    def exists(self, condition: Condition) -> str:
        """Whether a condition finds any record."""
        return self._with("exists", condition=condition.text)

    def keys(self, condition: Condition) -> str:
        """The stored keys of the records that a condition finds."""
        names = [column.name for column in self.key]
        return self._with("keys", columns=sql.columns(names), condition=condition.text)

    @cached_property
    def has_key(self) -> str:
        """Whether there is a record of a key."""
        return self._with("exists", condition=self._is_key)

    @cached_property
    def insert(self) -> str:
        """A new record."""
        columns, marks = sql.names(self.names), sql.marks(len(self.names))
        return self._with("insert", columns=columns, marks=marks)

    @cached_property
    def delete(self) -> str:
        """One record by its key."""
        return self._with("delete", key=self._is_key)

    def update(self, names: tuple[str, ...]) -> str:
        """Some columns of one record: their values, then the key's."""
        found = self._updates.get(names)
        if found is None:
            parts = {"assignments": sql.assignments(names), "key": self._is_key}
            found = self._updates[names] = self._with("update", **parts)
        return found

    @cached_property
    def _updates(self) -> dict[tuple[str, ...], str]:
        return {}

    def _with(self, statement: str, **parts: str) -> str:
        return sql.statement("records", statement, table=sql.name(self.name), **parts)


def own_table(entity: Entity, settings: EntitySettings) -> Table:
    """Return the table that fluxstore makes for *entity*."""
    codec = Codec.of(entity)
    columns = tuple(
        column_of(codec, field, settings.columns.get(field.name)) for field in entity.fields
    )
    return Table(entity, settings.table or entity.name, columns)


def adopted_columns(
    entity: Entity, settings: EntitySettings, names: Mapping[str, str], binary: frozenset[str]
) -> tuple[Column, ...]:
    """Return the columns of a table that was there before.

    *names* maps fields to columns; *binary* holds the columns that compare text byte by byte.
    """
    codec = Codec.of(entity)
    return tuple(
        _adopted(
            column_of(codec, field, names[field.name], naive_utc=settings.naive_times == "utc"),
            binary,
        )
        for field in entity.fields
    )


def _adopted(column: Column, binary: frozenset[str]) -> Column:
    """Return *column* with the collation that its table does not declare and queries must name."""
    if column.form.declared != "TEXT" or column.name in binary:
        return column
    spoken = column.form.collation or COLLATIONS.get(column.field.type.scalar, BINARY)
    return attrs.evolve(column, spoken_collation=spoken)
