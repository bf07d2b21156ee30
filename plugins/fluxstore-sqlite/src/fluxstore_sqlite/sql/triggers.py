"""The triggers that fence and capture what other programs write to one table.

They run in connections that know nothing of fluxstore, so that everything is said in SQL: a key's
text as the codec writes it, and whether a row's key is one that another backend could have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from fluxstore.entity import Entity
from fluxstore.kinds import Kind
from fluxstore_sqlite import sql
from fluxstore_sqlite.columns import Column
from fluxstore_sqlite.table import Table

PREFIX = "_fluxstore_"
ROW_NUMBER = "rowid"


@attrs.frozen
class Compared:
    """A part of a unique group: a column or an expression, and how its index compares it."""

    column: str
    collation: str = ""
    expression: str = ""


Unique = tuple[Compared, ...]
"""Columns of which no two rows share the values."""


def triggers(
    table: Table, groups: Sequence[Unique], all_columns: Sequence[str]
) -> Mapping[str, str]:
    """Return the statements that make the triggers of *table*, by name.

    *groups* are its unique groups beside the entity's key: a row that OR REPLACE displaces has
    another key then, and nobody would hear of it. *all_columns* are those that an expression in
    them may name.
    """
    made = _Triggers(table, groups, all_columns)
    return {
        trigger_name(table.entity, event, moment): made.trigger(event, moment, steps())
        for (event, moment), steps in made.all.items()
    }


def trigger_name(entity: Entity, event: str, moment: str) -> str:
    """Return the name of a trigger."""
    return f"{PREFIX}{moment}_{event}_{entity.name}".lower()


def entity_of_trigger(name: str) -> str:
    """Return the end of a trigger's name: an entity's name in lower case."""
    return name.removeprefix(PREFIX).split("_", 2)[2]


class _Triggers:
    """The triggers of one table."""

    def __init__(self, table: Table, groups: Sequence[Unique], all_columns: Sequence[str]) -> None:
        self._table = table
        self._all_columns = all_columns
        self._name = sql.name(table.name)
        self._entity = sql.text(table.entity.name)
        self._groups = groups
        self._parts = {
            "entity": self._entity,
            "governor": sql.governor(table.entity.name),
            "number": _of("number", entity=self._entity),
            "place": _of("place", entity=self._entity),
            "now": _of("now"),
        }
        self.all: Mapping[tuple[str, str], Callable[[], Iterator[str]]] = {
            ("insert", "before"): self._before_insert,
            ("update", "before"): self._before_update,
            ("delete", "before"): self._fence,
            ("insert", "after"): self._after_insert,
            ("update", "after"): self._after_update,
            ("delete", "after"): self._after_delete,
        }

    def trigger(self, event: str, moment: str, steps: Iterator[str]) -> str:
        return _of(
            "trigger",
            trigger=sql.name(trigger_name(self._table.entity, event, moment)),
            moment=f"{moment} {event}".upper(),
            table=self._name,
            steps="\n".join(steps),
        )

    # before

    def _before_insert(self) -> Iterator[str]:
        yield from self._fence()
        yield from self._may_displace("TRUE")

    def _before_update(self) -> Iterator[str]:
        yield from self._fence()
        yield from self._may_displace(f"{self._stored('t')} <> {self._stored('OLD')}")

    def _fence(self) -> Iterator[str]:
        name = self._table.entity.name
        sealed = f"fluxstore: {name} is sealed, a cutover is under way: try again in a moment"
        elsewhere = f"fluxstore: {name} is written elsewhere, this file follows; see its phase"
        yield self._step("fence", sealed=sql.text(sealed), elsewhere=sql.text(elsewhere))

    def _may_displace(self, is_other: str) -> Iterator[str]:
        for group in self._groups:
            yield self._step(
                "may_displace",
                table=self._name,
                key=key_text(self._table, "t"),
                stored=self._stored("t"),
                is_same=" AND ".join(map(self._is_same, group)),
                is_key=is_key(self._table, "t"),
                is_other=is_other,
            )

    # after

    def _after_insert(self) -> Iterator[str]:
        yield from self._arrived(seq="1")

    def _after_update(self) -> Iterator[str]:
        old, new = (key_text(self._table, row) for row in ("OLD", "NEW"))
        moved = f"{is_key(self._table, 'OLD')} AND {old} IS NOT {new}"
        yield self._touch("OLD", deleted="1", condition=moved)
        yield from self._arrived(seq=f"CASE WHEN {old} IS {new} THEN 2 ELSE 1 END")

    def _after_delete(self) -> Iterator[str]:
        yield self._touch("OLD", deleted="1", condition=is_key(self._table, "OLD"))

    def _arrived(self, seq: str) -> Iterator[str]:
        words = f"fluxstore: a key of {self._table.entity.name} as fluxstore spells it expected"
        yield self._step("refuse_key", words=sql.text(words), is_key=is_key(self._table, "NEW"))
        if self._groups:
            yield self._step("displaced", table=self._name, is_stored=self._is_stored())
        yield self._touch("NEW", deleted="0", condition="TRUE", seq=seq)

    def _touch(self, row: str, *, deleted: str, condition: str, seq: str = "2") -> str:
        key = key_text(self._table, row)
        return self._step("touch", key=key, deleted=deleted, condition=condition, seq=seq)

    # parts

    def _is_same(self, compared: Compared) -> str:
        collation = f" COLLATE {sql.name(compared.collation)}" if compared.collation else ""
        if not compared.expression:
            column = sql.name(compared.column)
            return f"t.{column} = NEW.{column}{collation}"
        columns = (f"NEW.{sql.name(column)} AS {sql.name(column)}" for column in self._all_columns)
        return _of(
            "same_expression",
            expression=compared.expression,
            collation=collation,
            columns=", ".join(columns),
        )

    def _stored(self, row: str) -> str:
        """Return the key's stored values as a JSON array."""
        return f"json_array({', '.join(_columns(self._table, row))})"

    def _is_stored(self) -> str:
        """Return the condition that a row has the key whose stored values are ``d.stored``."""
        return " AND ".join(
            f"{column} = json_extract(d.stored, '$[{at}]')"
            for at, column in enumerate(_columns(self._table, "t"))
        )

    def _step(self, step: str, **parts: str) -> str:
        return _of(step, **{**self._parts, **parts})


def _of(name: str, **parts: str) -> str:
    return sql.statement("capture", name, **parts)


def _columns(table: Table, row: str) -> list[str]:
    return [_in(row, column) for column in table.key]


def _in(row: str, column: Column) -> str:
    return f"{row}.{sql.name(column.name)}"


# keys


def key_text(table: Table, row: str) -> str:
    """Return a key's text as a value: what ``Codec.key_text`` makes of the same key."""
    if len(table.key) == 1:
        return _TEXTS[_sort(table.key[0])].format(_in(row, table.key[0]))
    parts = (_JSON[_sort(column)].format(_in(row, column)) for column in table.key)
    return f"json_array({', '.join(parts)})"


def is_key(table: Table, row: str) -> str:
    """Return the condition that a row's key is one, spelt as fluxstore spells it."""
    return f"({' AND '.join(_is_part(column, _in(row, column)) for column in table.key)})"


def _is_part(column: Column, name: str) -> str:
    condition = _IS_KEY[_sort(column)].format(name)
    if not column.field.type.choices:
        return condition
    choices = ", ".join(map(sql.literal, column.field.type.choices))
    return f"{condition} AND {name} IN ({choices})"


def _sort(column: Column) -> str:
    return "big" if column.field.rules.bigint else column.field.type.scalar.value


_STAMP = "CASE substr({0}, 24, 3) WHEN '000' THEN substr({0}, 1, 23) || 'Z' ELSE {0} END"
_TEXTS: Mapping[str, str] = {
    Kind.STR.value: "{0}",
    Kind.UUID.value: "{0}",
    Kind.DATE.value: "{0}",
    Kind.DATETIME.value: _STAMP,
    Kind.INT.value: "CAST({0} AS TEXT)",
    Kind.BOOL.value: "CASE {0} WHEN 1 THEN 'True' ELSE 'False' END",
    "big": "{0}",
}
"""The text of a key of one part."""
_JSON: Mapping[str, str] = {
    **_TEXTS,
    Kind.INT.value: "{0}",
    Kind.BOOL.value: "json(CASE {0} WHEN 1 THEN 'true' ELSE 'false' END)",
    "big": "json({0})",
}
"""A part of a composite key."""
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_TIME = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z"
_UUID = "-".join("[0-9a-f]" * length for length in (8, 4, 4, 4, 12))
_SECONDS = "strftime('%Y-%m-%dT%H:%M:%S', substr({0}, 1, 19), '+0 days') = substr({0}, 1, 19)"
_IS_KEY: Mapping[str, str] = {
    Kind.STR.value: "typeof({0}) = 'text' AND {0} <> '' AND instr({0}, char(0)) = 0",
    Kind.UUID.value: f"{{0}} GLOB '{_UUID}'",
    Kind.DATE.value: f"{{0}} GLOB '{_DAY}' AND {{0}} > '0001' AND date({{0}}, '+0 days') = {{0}}",
    Kind.DATETIME.value: f"{{0}} GLOB '{_DAY}T{_TIME}' AND {{0}} > '0001' AND {_SECONDS}",
    Kind.INT.value: "typeof({0}) = 'integer'",
    Kind.BOOL.value: "typeof({0}) = 'integer' AND {0} IN (0, 1)",
    "big": (
        "typeof({0}) = 'text' AND {0} NOT GLOB '*[^0-9-]*' AND"
        " ({0} = '0' OR {0} GLOB '[1-9]*' OR {0} GLOB '-[1-9]*') AND {0} NOT GLOB '?*-*'"
    ),
}
"""Whether a stored value is a part of a key. In Python's dates there is no year 0.

SQLite turns the 30th of February into the 2nd of March only where there is a modifier.
"""
