"""The statements that write one record, each composed once; and what they take."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs

from fluxstore.records import Change, Delete, Intent, Put, Row
from fluxstore_postgres.rows import document_text, residue_document
from fluxstore_postgres.statements import (
    NOTHING,
    Part,
    Statement,
    composed,
    filled,
    identifier,
    listed,
    literal,
    word,
)
from fluxstore_postgres.tables import Table

NOT_KNOWN = word("NOT EXISTS (SELECT FROM known)")
ADMITTED = word("(SELECT count(*) FROM admitted) = 1")
"""Always so; but nothing is written before it has been asked."""
FRAMES = {(True, False): "captured", (False, True): "once", (True, True): "captured_once"}
"""What is around a write: by whether it keeps the ledger itself, and whether it is not repeated."""
Params: TypeAlias = dict[str, Any]


@attrs.frozen
class Ask:
    """What a write is to look at besides: values as they were read, an operation's id."""

    expected: Row | None = None
    op_id: str | None = None
    op_key: str = ""


PLAIN = Ask()


class Writes:
    """Statement text for the changes of one table; *ledger* is the ledger's schema.

    One that *captures* asks control and keeps versions and marks itself, where there is a ledger.
    """

    def __init__(
        self,
        table: Table,
        ledger: str | None,
        returning: Sequence[Part],
        *,
        captures: bool = False,
    ) -> None:
        """Compose when needed."""
        self.table = table
        self._ledger = identifier(ledger) if ledger else NOTHING
        self._returning = returning
        self._captures = captures and ledger is not None
        self._made: dict[object, Statement] = {}

    def prepared(self, change: Change, ask: Ask = PLAIN) -> tuple[Statement, Params]:
        """Return the statement of a change and its parameters."""
        once, expects = ask.op_id is not None, ask.expected is not None
        params = self._params(change)
        if ask.expected is not None:
            params |= {f"x{at}": c.input(ask.expected) for at, c in enumerate(self.table.columns)}
        if once:
            params |= {"op_id": ask.op_id, "op_key": ask.op_key}
        kind = (self._kind(change), once, expects)
        found = self._made.get(kind)
        if found is None:
            found = self._made[kind] = self._make(change, once=once, expects=expects)
        return found, params

    def _kind(self, change: Change) -> object:
        if isinstance(change, Delete):
            return "delete"
        keeps = change.residue is None
        if change.intent is not Intent.CHANGE:
            return change.intent, keeps
        return tuple(change.values), keeps

    def _make(self, change: Change, *, once: bool, expects: bool) -> Statement:
        needed = ((NOT_KNOWN, once), (ADMITTED, self._captures))
        conditions = [condition for condition, is_needed in needed if is_needed]
        conditions += [self._as_expected] if expects else []
        name, write = self._write(change, conditions)
        frame = FRAMES.get((self._captures, once))
        if frame is not None:
            names = [identifier(f"c{at}") for at, _ in enumerate(self._answer(change))]
            write = composed(
                "records",
                frame,
                write=write,
                ledger=self._ledger,
                entity=literal(self.table.entity.name),
                gone=literal(isinstance(change, Delete)),
                names=listed([*names, identifier("noted_key"), identifier("existed")]),
                answer=listed(filled("done.{}", name) for name in names),
            )
        return Statement(name, name, write.as_string(None).encode())

    def _write(self, change: Change, conditions: Sequence[Part]) -> tuple[str, Part]:
        returned = listed([*self._answer(change), *self._noted(change)])
        if isinstance(change, Delete):
            return "delete", self._delete(conditions, returned)
        keeps = change.residue is None
        if change.intent is Intent.CHANGE:
            return "change", self._change(self._changed(change), keeps, conditions, returned)
        return change.intent.value, self._insert(change.intent, keeps, conditions, returned)

    def _answer(self, change: Change) -> Sequence[Part]:
        """What the caller is told."""
        if isinstance(change, Delete):
            return [word("true")]
        if change.intent is Intent.REPLACE and not self.table.is_own:
            # a side table wants to know whether the record is a new one
            return [*self._returning, word("t.xmax = 0")]
        return self._returning

    def _noted(self, change: Change) -> Sequence[Part]:
        """What the ledger is told: the key, and whether a record was there before."""
        if not self._captures:
            return []
        existed = word("true")
        if isinstance(change, Put) and change.intent is not Intent.CHANGE:
            existed = word("false" if change.intent is Intent.CREATE else "t.xmax <> 0")
        return [self.table.key_text("t"), existed]

    # parameters

    def _params(self, change: Change) -> Params:
        table = self.table
        if isinstance(change, Delete):
            return dict(table.key_params(change.key))
        if change.intent is Intent.CHANGE:
            return self._params_of_some(change)
        params: Params = {f"v{at}": c.input(change.values) for at, c in enumerate(table.columns)}
        if table.is_own:
            params["residue"] = document_text(residue_document(table, change))
        return params

    def _params_of_some(self, put: Put) -> Params:
        names = self._changed(put)
        inputs = [self.table.column(name).input(put.values) for name in names]
        params: Params = {f"v{at}": text for at, text in enumerate(inputs)}
        params |= self.table.key_params(put.key)
        if self.table.is_own:
            residue = put.residue.to_json() if put.residue else None
            params |= {"names": list(names), "residue": document_text(residue)}
        return params

    def _changed(self, put: Put) -> tuple[str, ...]:
        return tuple(name for name in put.values if name not in self.table.entity.key)

    # text

    def _insert(
        self, intent: Intent, keeps: bool, conditions: Sequence[Part], returned: Part
    ) -> Part:
        table = self.table
        names = [column.at() for column in table.columns]
        values = [c.write(c.typed(word(f"%(v{at})s"))) for at, c in enumerate(table.columns)]
        if table.residue is not None:
            names.append(identifier(table.residue))
            values.append(word("%(residue)s::jsonb"))
        parts = {
            "table": table.path,
            "names": listed(names),
            "values": listed(values),
            "key": listed(column.at() for column in table.key),
            "where": filled("WHERE {}", listed(conditions, " AND ")) if conditions else NOTHING,
        }
        if intent is Intent.CREATE:
            return composed("records", "create", columns=returned, **parts)
        changes = self._replaced(keeps=keeps)
        return composed("records", "replace", columns=returned, changes=changes, **parts)

    def _replaced(self, *, keeps: bool) -> Part:
        key = self.table.entity.key
        rest = [c for c in self.table.columns if c.field.name not in key]
        parts = [filled("{} = excluded.{}", c.at(), c.at()) for c in rest or self.table.key]
        if self.table.residue is not None:
            column = identifier(self.table.residue)
            kept = composed("records", "kept", column=column)
            parts.append(kept if keeps else filled("{} = excluded.{}", column, column))
        return listed(parts)

    def _change(
        self, names: Sequence[str], keeps: bool, conditions: Sequence[Part], returned: Part
    ) -> Part:
        columns = [self.table.column(name) for name in names]
        parts = [
            filled("{} = {}", c.at(), c.write(c.typed(word(f"%(v{at})s"))))
            for at, c in enumerate(columns)
        ]
        if self.table.residue is not None:
            column = identifier(self.table.residue)
            parts.append(composed("records", "present" if keeps else "given", column=column))
        key = self.table.key[0]
        return composed(
            "records",
            "change",
            table=self.table.path,
            changes=listed(parts or [filled("{} = {}", key.at(), key.at("t"))]),
            where=listed([self._key_is, *conditions], " AND "),
            columns=returned,
        )

    def _delete(self, conditions: Sequence[Part], returned: Part) -> Part:
        where = listed([self._key_is, *conditions], " AND ")
        return composed("records", "delete", table=self.table.path, where=where, columns=returned)

    @cached_property
    def _key_is(self) -> Part:
        tests = [
            filled("{} = {}", c.at("t"), c.write(c.typed(word(f"%(key{at})s"))))
            for at, c in enumerate(self.table.key)
        ]
        return listed(tests, " AND ")

    @cached_property
    def _as_expected(self) -> Part:
        """The condition that a record still has the values that were read."""
        tests = [
            filled("{} IS NOT DISTINCT FROM {}", c.ordered("t"), c.typed(word(f"%(x{at})s")))
            for at, c in enumerate(self.table.columns)
        ]
        return listed(tests, " AND ")
