"""Committing changes: one statement where one is enough, otherwise one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from fluxstore import evaluate
from fluxstore.errors import ConflictError, RecordExistsError, RecordNotFoundError
from fluxstore.records import Change, Delete, Intent, Key, Put, Record, Row
from fluxstore_postgres.references import References
from fluxstore_postgres.residues import SideResidue
from fluxstore_postgres.retrying import retried
from fluxstore_postgres.rules import refuse_broken
from fluxstore_postgres.statements import identifier, statement
from fluxstore_postgres.tables import key_arrays
from fluxstore_postgres.tabling import Bound, Tabling
from fluxstore_postgres.unit import Unit
from fluxstore_postgres.writes import PLAIN, Ask

FORGET_EVERY = 1000
"""How many operations are noted before old ones are forgotten."""
T = TypeVar("T")


class Commits:
    """Makes changes to one entity's records."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when there is something to change."""
        self._tabling = tabling
        self._database = tabling.database
        self._codec = tabling.codec
        self._noted = 0

    def commit(
        self, changes: Sequence[Change], *, expect: Mapping[Key, Row], op_id: str | None
    ) -> dict[Key, Record]:
        """Make *changes*; return the records of the puts as they are now."""
        self._database.connections.told.clear()
        bound = self._tabling.made()
        for change in changes:
            if isinstance(change, Put):
                refuse_broken(bound, change)
        if op_id is not None or self._database.captures_itself:
            self._database.make_ledger()
            bound = self._tabling.made()
        if len(changes) == 1 and self._is_plain(bound, changes[0], expect):
            expected = expect.get(changes[0].key)
            alone = changes[0]
            return self._retried(lambda: self._alone(bound, alone, expected, op_id), op_id)
        return self._retried(lambda: self._together(bound, changes, expect, op_id), op_id)

    def _retried(self, work: Callable[[], T], op_id: str | None) -> T:
        return retried(self._database.connections, work, op_id)

    def _is_plain(self, bound: Bound, change: Change, expect: Mapping[Key, Row]) -> bool:
        """Tell whether a change is one statement: no side table, no reference to look after.

        In a transaction it is not: what is refused must not spoil the rest.
        """
        if self._database.connections.is_in_unit or not bound.table.is_own:
            return False
        changes_what_is_there = isinstance(change, Delete) or change.intent is Intent.CHANGE
        if expect and not (changes_what_is_there and expect.keys() == {change.key}):
            return False
        if self._keeps_inside(change) or any(map(self._codec.may_keep, expect.values())):
            return False
        return not self._tabling.references(bound).concern(change)

    def _keeps_inside(self, change: Change) -> bool:
        """Tell whether what is there must be looked at first, for names that nobody declared."""
        if isinstance(change, Delete) or change.intent is Intent.CREATE:
            return False
        return change.residue is None and self._codec.may_keep(change.values)

    # one statement

    def _alone(
        self, bound: Bound, change: Change, expected: Row | None, op_id: str | None
    ) -> dict[Key, Record]:
        ask = PLAIN
        if expected is not None or op_id is not None:
            ask = Ask(expected, op_id, self._codec.key_text(change.key) if op_id else "")
        asked, params = bound.statements.writes.prepared(change, ask)
        where = attrs.evolve(bound.where, key=change.key)
        rows = self._database.connections.run(
            asked, params, where=where, writes=True, op_id=op_id or ""
        )
        if op_id is not None:
            (is_known, *row) = rows[0]
            if is_known:
                return self._again(change)
            rows = [tuple(row)] if row[0] is not None else []
            self.count_noted()
        if not rows:
            if op_id is not None and self._is_known(change.key, op_id):
                return self._again(change)
            raise self._conflict(change.key) if expected is not None else self._missed(change)
        if isinstance(change, Delete):
            return {}
        return {change.key: self._versioned(bound.rows.record(rows[0]))}

    def _again(self, change: Change) -> dict[Key, Record]:
        """Return what a repetition of a change returns: the record as it is."""
        return {} if isinstance(change, Delete) else self._tabling.read([change.key])

    def _is_known(self, key: Key, op_id: str) -> bool:
        """Tell whether an operation was done: what was in its way may have been itself."""
        ledger = identifier(self._database.ledger_schema)
        asked = statement("ops", "is_known", ledger=ledger)
        params = {"entity": self._tabling.entity.name, "key": self._codec.key_text(key)}
        rows = self._database.connections.run(asked, {**params, "op_id": op_id})
        return bool(rows[0][0])

    def _versioned(self, record: Record) -> Record:
        """Return *record* with the version that the statement which wrote it was told."""
        told = self._database.connections.told
        if not told:
            return record
        about = self._tabling.entity.name, self._codec.key_text(record.key)
        return attrs.evolve(record, version=told[about]) if about in told else record

    # several

    def _together(
        self,
        bound: Bound,
        changes: Sequence[Change],
        expect: Mapping[Key, Row],
        op_id: str | None,
    ) -> dict[Key, Record]:
        puts = [change.key for change in changes if isinstance(change, Put)]
        where = attrs.evolve(bound.where, key=changes[0].key if len(changes) == 1 else None)
        with self._database.connections.unit(where, op_id=op_id or "") as unit:
            if op_id is None or self.note(unit, [c.key for c in changes], op_id):
                self._expect(unit, bound, expect)
                self._make(unit, bound, changes)
            return {} if not puts else self._tabling.read(list(dict.fromkeys(puts)))

    def _make(self, unit: Unit, bound: Bound, changes: Sequence[Change]) -> None:
        references = self._tabling.references(bound)
        if len(changes) > 1:
            unit.run(statement("session", "defer"))
        for change in changes:
            self._one(unit, bound, change, references)
        references.refuse_dangling(unit, [c for c in changes if isinstance(c, Put)])
        if len(changes) > 1:
            unit.run(statement("session", "judge"))

    def _one(self, unit: Unit, bound: Bound, change: Change, references: References) -> None:
        if isinstance(change, Delete):
            references.delete_referring(unit, change.key)
        if isinstance(change, Put) and self._keeps_inside(change):
            change = self._with_inside(unit, bound, change)
        if not self.write(unit, bound, change):
            raise self._missed(change)

    def _with_inside(self, unit: Unit, bound: Bound, put: Put) -> Put:
        """Return *put* with undeclared names inside its values as the record, locked, has them."""
        rows = unit.run(bound.statements.lock, key_arrays(bound.table, [put.key]))
        old = bound.rows.records(rows).get(put.key)
        return (
            put
            if old is None
            else attrs.evolve(put, values=self._codec.kept(old.values, put.values))
        )

    def write(self, unit: Unit, bound: Bound, change: Change) -> bool:
        """Make a change in a transaction that is open, references aside; ``False``: it missed."""
        where = attrs.evolve(bound.where, key=change.key)
        asked, params = bound.statements.writes.prepared(change)
        rows = unit.run(asked, params, where=where)
        if rows and not bound.table.is_own:
            SideResidue(bound, self._database).follow(unit, change, rows[0])
        return bool(rows)

    def note(self, unit: Unit, keys: Iterable[Key], op_id: str) -> bool:
        """Note an operation on *keys*; tell whether it is a new one."""
        ledger = identifier(self._database.make_ledger())
        asked = statement("ops", "note", ledger=ledger)
        params = {"op_id": op_id, "entity": self._tabling.entity.name}
        texts = dict.fromkeys(map(self._codec.key_text, keys))
        noted = [unit.run(asked, {**params, "key": text}) for text in texts]
        self.count_noted()
        return all(noted)

    def count_noted(self, count: int = 1) -> None:
        """Forget old operations every now and then; a failure is the next one's to mend."""
        self._noted += count
        if self._noted >= FORGET_EVERY:
            self._noted = 0
            ledger = identifier(self._database.make_ledger())
            self._database.connections.run(statement("ops", "forget", ledger=ledger), writes=True)

    def delete_if_there(self, unit: Unit, bound: Bound, change: Delete) -> int:
        """Delete a record with what goes with it; return how many, 0 or 1."""
        if not self._tabling.read([change.key]):
            return 0
        self._one(unit, bound, change, self._tabling.references(bound))
        return 1

    def _expect(self, unit: Unit, bound: Bound, expect: Mapping[Key, Row]) -> None:
        if not expect:
            return
        keys = list(expect)
        rows = unit.run(bound.statements.lock, key_arrays(bound.table, keys))
        found = bound.rows.records(rows)
        for key in keys:
            there = found.get(key)
            if there is None or self._whole(there.values) != self._whole(expect[key]):
                raise self._conflict(key)

    def _whole(self, values: Row) -> bytes:
        """Return the canonical bytes of a record with the defaults of what it misses."""
        entity = self._tabling.entity
        whole = {f.name: evaluate.reading(entity, f)(values) for f in entity.fields}
        return self._codec.seen(whole)

    def _conflict(self, key: Key) -> ConflictError:
        return ConflictError(
            "is no longer as it was read",
            backend=self._database.backend,
            entity=self._tabling.entity.name,
            key=key,
            next_step="read it again, decide anew",
        )

    def _missed(self, change: Change) -> RecordExistsError | RecordNotFoundError:
        facts: dict[str, Any] = {
            "backend": self._database.backend,
            "entity": self._tabling.entity.name,
            "key": change.key,
        }
        if isinstance(change, Put) and change.intent is Intent.CREATE:
            return RecordExistsError("a record with that key is there already", **facts)
        return RecordNotFoundError("no such record", **facts)
