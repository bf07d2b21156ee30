"""References without a foreign key: looked after here, in the same transaction.

A table that was there before may lack the foreign keys that its entity declares, and one that is
being filled gets them at the end. Elsewhere PostgreSQL does all of this itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from fluxstore.codec import Codec
from fluxstore.entity import Entity, Field
from fluxstore.errors import ConstraintError
from fluxstore.records import Change, Delete, Key, Put, Record
from fluxstore_postgres.cascades import Cascades
from fluxstore_postgres.forms import array_text
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
from fluxstore_postgres.tables import Column, Table, key_arrays
from fluxstore_postgres.unit import Unit

if TYPE_CHECKING:
    from fluxstore_postgres.tabling import Bound, Tabling


@attrs.frozen
class Referring:
    """A field of a child entity that refers to the parent, without a foreign key."""

    child: Table
    field: Field

    @property
    def column(self) -> Column:
        """The column that holds the parent's key."""
        return self.child.column(self.field.name)


class References:
    """What PostgreSQL does not do for one entity.

    Where our own statements keep the ledger, that is to note what a foreign key takes along, too.
    """

    def __init__(self, bound: Bound, tabling: Tabling) -> None:
        """Find the references that have no foreign key."""
        self._bound = bound
        self._database = tabling.database
        self._entity = tabling.entity
        self._outgoing = [
            field for field in self._entity.references if not self._is_kept(self._entity, field)
        ]
        self._incoming = list(self._unkept())
        notes = self._database.captures_itself and bound.ledger is not None
        self._notes = notes and any(self._referring())

    def concern(self, change: Change) -> bool:
        """Tell whether there is anything to do about *change*."""
        if isinstance(change, Delete):
            return bool(self._incoming) or self._notes
        return bool(self._outgoing)

    def refuse_dangling(self, unit: Unit, puts: Sequence[Put]) -> None:
        """Raise ConstraintError where a put refers to a record that is not there."""
        for field in self._outgoing:
            for put in puts:
                value = put.values.get(field.name)
                if value is not None and not self._is_there(unit, field, value):
                    raise self._error(
                        f"{field.name}: a record of {field.rules.references} expected, "
                        "none has that key",
                        field,
                        put.key,
                    )

    def delete_referring(self, unit: Unit, key: Key) -> None:
        """Do to the records that refer to *key* what their entities declare.

        The record is held first, so that no other comes to refer to it meanwhile.
        """
        if self._incoming or self._notes:
            unit.run(self._bound.statements.lock, key_arrays(self._bound.table, [key]))
        if self._notes:
            Cascades(unit, self._database).note(self._bound.table, key)
        for one in self._incoming:
            params = {"key": self._bound.table.key_inputs(key)[0]}
            if one.field.rules.on_delete == "set_null":
                unit.run(self._letting_go(one), params)
                continue
            rows = unit.run(self._statement("referring", one), params)
            if rows and one.field.rules.on_delete == "restrict":
                raise self._error(
                    f"a record of {one.child.entity.name} refers to it by {one.field.name}",
                    one.field,
                    key,
                )
            self._cascade(unit, one, rows)

    def refuse_held(self, unit: Unit, keys: Sequence[Key], changing: Sequence[Key]) -> None:
        """Raise ConstraintError where a record refers to one of *keys*, which a follower deletes.

        A follower never cascades (docs/decisions/0019): a child that the authority's cascade took
        comes with its own change, and one that has come anew since must stay. The records are held
        first, so that no child comes to them meanwhile. Without a foreign key nothing cascades.
        """
        table = self._bound.table
        referring = self._led_here(unit) if keys else []
        if not referring:
            return
        unit.run(self._bound.statements.lock, key_arrays(table, keys))
        by_text = {table.key_inputs(key)[0]: key for key in keys}
        text_of = Codec.of(self._entity).key_text
        for one in referring:
            own = changing if one.child.entity is self._entity else ()
            params = {"keys": array_text(by_text), "changing": [text_of(key) for key in own]}
            for held, parent in unit.run(self._holding(one), params):
                words = f"record {held} of {one.child.entity.name} refers to it by {one.field.name}"
                raise self._error(words, one.field, by_text.get(str(parent)))

    def _led_here(self, unit: Unit) -> list[Referring]:
        """Return the references to this entity that a foreign key keeps now."""
        named = {"table": self._bound.table.path.as_string(None)}
        rows = unit.run(statement("references", "foreign_keys"), named)
        there = {(schema, table, column) for schema, table, column, _ in rows}
        return [
            one
            for one in self._referring()
            if (one.child.schema, one.child.name, one.column.name) in there
        ]

    def _holding(self, one: Referring) -> Statement:
        return statement(
            "references",
            "holder",
            key_text=one.child.key_text("t"),
            parent=filled("{}::text", one.column.read("t")),
            table=one.child.path,
            field=one.column.at(),
            value=_typed(one.column, word("k.part")),
        )

    def _cascade(self, unit: Unit, one: Referring, rows: Sequence[Sequence[object]]) -> None:
        from fluxstore_postgres.commits import Commits
        from fluxstore_postgres.tabling import Tabling

        tabling = Tabling(one.child.entity, self._database)
        commits, bound = Commits(tabling), tabling.made()
        for row in rows:
            key = Codec.of(one.child.entity).key_of_text(str(row[0]))
            commits.delete_if_there(unit, bound, Delete(key))

    def dangling(self, unit: Unit, records: Sequence[Record]) -> dict[Key, Field]:
        """Return the records (by key, with a field) that refer to one that is not there."""
        found: dict[Key, Field] = {}
        for field in self._outgoing:
            missing = self._missing(unit, field, records)
            for record in records if missing else ():
                value = record.values.get(field.name)
                if value is not None and value in missing:
                    found.setdefault(record.key, field)
        return found

    def _missing(self, unit: Unit, field: Field, records: Sequence[Record]) -> set[object]:
        target = self._database.entities[str(field.rules.references)]
        values = {record.values.get(field.name) for record in records} - {None}
        if target is self._entity:
            values -= {record.key for record in records}
        table = self._database.table(target)
        if table is None or not values:
            return values
        encode = self._bound.table.column(field.name).form.encode
        texts = {encode(value): value for value in values}
        rows = unit.run(self._asking("missing", table), {"keys": array_text(texts)})
        return {texts[str(row[0])] for row in rows}

    def _is_there(self, unit: Unit, field: Field, value: object) -> bool:
        target = self._database.table(self._database.entities[str(field.rules.references)])
        if target is None:
            return False
        text = self._bound.table.column(field.name).form.encode(value)
        return not unit.run(self._asking("missing_held", target), {"keys": array_text([text])})

    def _asking(self, name: str, target: Table) -> Statement:
        value = _typed(target.key[0], word("k.part"))
        key = target.key[0].at()
        return statement("references", name, target=target.path, key=key, value=value)

    def _letting_go(self, one: Referring) -> Statement:
        ledger = self._database.ledger if self._database.captures_itself else None
        if ledger is None:
            return self._statement("let_go", one)
        entity = literal(one.child.entity.name)
        return self._statement("let_go_captured", one, ledger=identifier(ledger), entity=entity)

    def _statement(self, name: str, one: Referring, **parts: Part) -> Statement:
        return statement(
            "references",
            name,
            **parts,
            columns=listed([one.child.key_text("t")]),
            table=one.child.path,
            field=one.column.at(),
            value=_typed(one.column, word("%(key)s")),
        )

    def _is_kept(self, entity: Entity, field: Field) -> bool:
        found, table = self._database.found(entity), self._database.known_table(entity)
        if found is None or table is None:
            return True  # no table, no records
        column = (table.column(field.name).name,)
        return any(one.type == "f" and one.columns == column for one in found.constraints)

    def _unkept(self) -> Iterator[Referring]:
        return (one for one in self._referring() if not self._is_kept(one.child.entity, one.field))

    def _referring(self) -> Iterator[Referring]:
        for child, field in self._database.entities.referring_to(self._entity.name):
            table = self._database.known_table(child)
            if table is not None:
                yield Referring(table, field)

    def _error(self, problem: str, field: Field, key: Key) -> ConstraintError:
        return ConstraintError(
            problem,
            backend=self._bound.where.backend,
            entity=self._entity.name,
            key=key,
            rule="reference",
            fields=(field.name,),
        )


def _typed(column: Column, value: Part) -> Part:
    return column.write(column.typed(value))
