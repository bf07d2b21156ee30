"""What foreign keys take along with a record: noted before, where no trigger notes it.

PostgreSQL deletes and changes those records by itself, in the statement that deletes the one that
they lead to. All of them are held first, so that what is noted is what is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from fluxstore.codec import Codec
from fluxstore.records import Key
from fluxstore_postgres.database import Database
from fluxstore_postgres.forms import array_text
from fluxstore_postgres.statements import Part, identifier, literal, statement, word
from fluxstore_postgres.tables import Table
from fluxstore_postgres.unit import Unit

_DELETED, _CHANGED = "c", "nd"
"""``pg_constraint.confdeltype``: cascade; set null, set default."""
Texts = dict[str, None]


@attrs.frozen
class Leading:
    """A column of another entity's table that leads to one of ours."""

    child: Table
    column: Part
    deletes: bool


@attrs.define
class Cascades:
    """What goes with one record, of all entities."""

    unit: Unit
    database: Database
    _gone: dict[str, Texts] = attrs.field(factory=dict)
    _changed: dict[str, Texts] = attrs.field(factory=dict)

    def note(self, table: Table, key: Key) -> None:
        """Hold and note all that goes with the record of *key*, or changes with it."""
        text = Codec.of(table.entity).key_text(key)
        self._gone[table.entity.name] = {text: None}
        self._follow(table, [text])
        del self._gone[table.entity.name][text]  # its own deletion notes it
        for name, texts in self._gone.items():
            self._tell(name, texts, gone=True)
        for name, texts in self._changed.items():
            stays = [text for text in texts if text not in self._gone.get(name, {})]
            self._tell(name, [one for one in stays if (name, one) != (table.entity.name, text)])

    def _follow(self, table: Table, texts: Sequence[str]) -> None:
        waiting = [(table, texts)]
        while waiting:
            table, texts = waiting.pop()
            for one in self._leading(table):
                found = self._taken_along(one, table, texts)
                known = self._gone if one.deletes else self._changed
                kept = known.setdefault(one.child.entity.name, {})
                new = [text for text in found if text not in kept]
                kept |= dict.fromkeys(new)
                if new and one.deletes:
                    waiting.append((one.child, new))

    def _leading(self, table: Table) -> Iterator[Leading]:
        """Yield what leads to *table* now, and is not left as it is when a record goes."""
        children = {(one.schema, one.name): one for one in self.database.tables}
        named = {"table": table.path.as_string(None)}
        for schema, name, column, action in self.unit.run(_FOREIGN_KEYS, named):
            child = children.get((schema, name))
            if child is not None and action in _DELETED + _CHANGED:
                yield Leading(child, identifier(column), deletes=action == _DELETED)

    def _taken_along(self, one: Leading, table: Table, texts: Sequence[str]) -> list[str]:
        codec, own = Codec.of(table.entity), table.key[0]
        keys = [table.key_inputs(codec.key_of_text(text))[0] for text in texts]
        asked = statement(
            "references",
            "taken_along",
            key_text=one.child.key_text("t"),
            table=one.child.path,
            field=one.column,
            value=own.write(own.typed(word("k.part"))),
        )
        return [str(row[0]) for row in self.unit.run(asked, {"keys": array_text(keys)})]

    def _tell(self, name: str, texts: Iterable[str], *, gone: bool = False) -> None:
        keys = list(texts)
        if not keys:
            return
        asked = statement(
            "references",
            "note_taken_along",
            ledger=identifier(self.database.make_ledger()),
            entity=literal(name),
            gone=literal(gone),
        )
        self.unit.run(asked, {"keys": keys})


_FOREIGN_KEYS = statement("references", "foreign_keys")
