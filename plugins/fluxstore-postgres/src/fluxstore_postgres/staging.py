"""Batches on their way into a table: a column at a time into COPY, by a stage where it differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import attrs

from fluxstore.codec import Codec
from fluxstore.records import Record
from fluxstore_postgres.adopted import SAME
from fluxstore_postgres.forms import NULL, copy_fields, escaped
from fluxstore_postgres.rows import residue_texts
from fluxstore_postgres.statements import (
    Part,
    Statement,
    filled,
    identifier,
    listed,
    literal,
    statement,
    word,
)
from fluxstore_postgres.tables import Column, Table
from fluxstore_postgres.unit import Unit

BLOCK_RECORDS = 1000


class Staging:
    """The statements that take a batch into one table."""

    def __init__(self, table: Table, ledger: str | None) -> None:
        """Compose when needed."""
        self.table = table
        self._ledger = ledger

    # copying

    def copy_in(self, unit: Unit, records: Sequence[Record]) -> None:
        """Copy records straight into a table that holds none of them, nor their residue."""
        names = [column.at() for column in self.table.columns]
        if self.table.residue is not None:
            names.append(identifier(self.table.residue))
        asked = statement("merging", "copy_in", table=self.table.path, names=listed(names))
        unit.copy(asked, self._blocks(records, numbered=False))
        if not self.table.is_own and self._ledger is not None:
            self._copy_residue(unit, self._ledger, records)

    def _copy_residue(self, unit: Unit, ledger: str, records: Sequence[Record]) -> None:
        texts = residue_texts(self.table, records)
        key_text, entity = Codec.of(self.table.entity).key_text, self.table.entity.name
        rows = [
            (entity, key_text(one.key), text)
            for one, text in zip(records, texts, strict=True)
            if text is not None
        ]
        if rows:
            columns = map(escaped, zip(*rows, strict=True))
            asked = statement("merging", "copy_residue", ledger=identifier(ledger))
            unit.copy(asked, [_lines(columns)])

    def forget_residue(self, unit: Unit) -> None:
        """Delete what the side table has of records that are no longer there: all of them."""
        if not self.table.is_own and self._ledger is not None:
            parts = {"ledger": identifier(self._ledger), "entity": literal(self.table.entity.name)}
            unit.run(statement("merging", "forget_residue", **parts))

    def stage(self, unit: Unit, records: Sequence[Record]) -> None:
        """Copy records into a stage of this transaction; ``number`` is their place."""
        unit.run(self._make_stage)
        unit.copy(self._copy_stage, self._blocks(records, numbered=True))

    def unstage(self, unit: Unit, numbers: Sequence[int]) -> None:
        """Take refused records out of the stage."""
        unit.run(statement("merging", "unstage"), {"numbers": list(numbers)})

    def drop(self, unit: Unit) -> None:
        """Remove the stage."""
        unit.run(statement("merging", "drop_stage"))

    # trying

    @cached_property
    def make_trial(self) -> Statement:
        """An empty copy of the table: its types and checks, neither its keys nor its triggers."""
        return statement("merging", "make_trial", table=self.table.path)

    def try_out(self, unit: Unit, records: Sequence[Record]) -> None:
        """Write records to the copy as they would get into the table, and empty it again."""
        columns = self.table.columns
        if all(column.cast is SAME for column in columns):
            names = listed(column.at() for column in columns)
            asked = statement("merging", "copy_trial", names=names)
            unit.copy(asked, self._blocks(records, numbered=False))
        else:
            self.stage(unit, records)
            self._try_stage(unit)
            self.drop(unit)
        unit.run(statement("merging", "empty_trial"))

    def _try_stage(self, unit: Unit) -> None:
        columns = self.table.columns
        asked = statement(
            "merging",
            "try_out",
            names=listed(column.at() for column in columns),
            values=listed(column.write(identifier("s", column.name)) for column in columns),
        )
        unit.run(asked)

    def _blocks(self, records: Sequence[Record], *, numbered: bool) -> Iterator[str]:
        for start in range(0, len(records), BLOCK_RECORDS):
            some = records[start : start + BLOCK_RECORDS]
            columns = [self._fields(column, some) for column in self.table.columns]
            if numbered:
                columns.insert(0, [str(start + at) for at in range(len(some))])
            if numbered or self.table.is_own:
                columns.append(self._residues(some))
            yield _lines(columns)

    def _fields(self, column: Column, records: Sequence[Record]) -> list[str]:
        name, default = column.field.name, column.default
        return copy_fields(column.form, [one.values.get(name, default) for one in records])

    def _residues(self, records: Sequence[Record]) -> list[str]:
        texts = residue_texts(self.table, records)
        if not any(texts):
            return [NULL] * len(records)
        made = escaped([text or "" for text in texts])
        return [one if text else NULL for one, text in zip(made, texts, strict=True)]

    # merging

    def write(self, unit: Unit) -> set[str] | int:
        """Write what differs; return how many, or which where there is a side table."""
        rows = unit.run(self._write)
        if self.table.is_own:
            return len(rows)
        return {row[0] for row in rows}

    def write_residue(self, unit: Unit, ledger: str) -> set[str]:
        """Bring the side table of residue in step; return the keys whose residue changed."""
        parts: dict[str, Part] = {
            "ledger": identifier(ledger),
            "entity": literal(self.table.entity.name),
            "key_text": self._staged_table.key_text("s"),
        }
        changed = [
            *unit.run(statement("merging", "write_residue", **parts)),
            *unit.run(statement("merging", "drop_residue", **parts)),
        ]
        return {row[0] for row in changed}

    def colliding(self, unit: Unit, group: Sequence[str]) -> list[int]:
        """Return the numbers of staged records that collide in a unique group."""
        columns = [self.table.column(name) for name in group]
        asked = statement(
            "merging",
            "colliding",
            owned=listed(
                filled("{} AS {}", c.ordered("t"), identifier(f"u{at}"))
                for at, c in enumerate(columns)
            ),
            group=listed(c.ordered("t") for c in columns),
            group_staged=listed(identifier("s", c.name) for c in columns),
            group_owned=listed(identifier("o", f"u{at}") for at, _ in enumerate(columns)),
            **self._comparison,
        )
        return [int(row[0]) for row in unit.run(asked)]

    @cached_property
    def _make_stage(self) -> Statement:
        parts = [
            filled("{} {}", identifier(c.name), word(_stage_type(c))) for c in self.table.columns
        ]
        parts.insert(0, word("number bigint"))
        parts.append(word(f"{self._residue_name} jsonb"))
        return statement("merging", "make_stage", columns=listed(parts))

    @cached_property
    def _copy_stage(self) -> Statement:
        names = [word("number"), *(identifier(c.name) for c in self.table.columns)]
        return statement("merging", "copy_stage", names=listed([*names, word(self._residue_name)]))

    @cached_property
    def _write(self) -> Statement:
        table = self.table
        names = [column.at() for column in table.columns]
        values = [column.write(identifier("s", column.name)) for column in table.columns]
        if table.residue is not None:
            names.append(identifier(table.residue))
            values.append(identifier("s", self._residue_name))
        key_names = set(table.entity.key)
        changed = [c.at() for c in table.columns if c.field.name not in key_names]
        changed += [identifier(table.residue)] if table.residue is not None else []
        changes = [filled("{} = excluded.{}", one, one) for one in changed or names[:1]]
        return statement(
            "merging",
            "write",
            names=listed(names),
            values=listed(values),
            keys=listed(column.at() for column in table.key),
            changes=listed(changes),
            offered=self._compared("excluded"),
            returned=word("true") if table.is_own else table.key_text("t"),
            **self._comparison,
        )

    @cached_property
    def _comparison(self) -> dict[str, Part]:
        table = self.table
        same_key = [
            filled("{} = {}", c.at("t"), c.write(identifier("s", c.name))) for c in table.key
        ]
        staged = [identifier("s", column.name) for column in table.columns]
        if table.residue is not None:
            staged.append(identifier("s", self._residue_name))
        return {
            "table": table.path,
            "same_key": listed(same_key, " AND "),
            "key": table.key[0].at(),
            "there": self._compared("t"),
            "staged": listed([word("true"), *staged]),
        }

    def _compared(self, alias: str) -> Part:
        """Return a row's values as they are compared; a first constant keeps a row of one a row."""
        parts = [word("true"), *(column.ordered(alias) for column in self.table.columns)]
        if self.table.residue is not None:
            parts.append(identifier(alias, self.table.residue))
        return listed(parts)

    @property
    def _residue_name(self) -> str:
        return self.table.residue or "residue"

    @property
    def _staged_table(self) -> Table:
        """The table's key with the stage's column types, for the text of keys."""
        columns = tuple(attrs.evolve(column, cast=SAME) for column in self.table.columns)
        return attrs.evolve(self.table, columns=columns)


def _lines(columns: Iterable[Sequence[str]]) -> str:
    """Return columns of fields as lines of a text COPY."""
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def _stage_type(column: Column) -> str:
    collation = ' COLLATE "C"' if column.form.is_text else ""
    return column.form.sql_type + collation
