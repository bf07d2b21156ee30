"""Changes that carry their version: applied where they are newer than what is here.

Rules are judged before the transaction is committed, over everything it has applied: what comes
first may break a rule that a later change keeps (two records that swap a unique value, a child
before its parent).

Nothing cascades. A record that a deleted one would take along has changed at the authority, too,
and comes with a version of its own; where it came before, and is there again, nobody would bring
it back. So a delete waits for what refers to the record, whatever is declared for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import attrs

from fluxstore.entity import Entity, Field
from fluxstore.records import UNTOUCHED, Key, Record, Versioned
from fluxstore_sqlite import references
from fluxstore_sqlite.broken import BrokenRuleError
from fluxstore_sqlite.capture import migration_of
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.draft import Draft
from fluxstore_sqlite.ledger import set_version, version_of
from fluxstore_sqlite.notes import Ops
from fluxstore_sqlite.rows import FieldRefusedError, Rows, StoredRow
from fluxstore_sqlite.unit import Unit

Place = tuple[str, StoredRow]
"""A record in a table: entity and stored key."""


@attrs.frozen
class Referring:
    """A record that refers to another: its entity, by which field, its stored key."""

    entity: Entity
    field: Field
    stored: StoredRow


class Application:
    """Versioned changes of one transaction on their way into tables; no mark is made of them."""

    def __init__(self, unit: Unit, backend: str, ops: Ops) -> None:
        """Begin in *unit*."""
        self._unit = unit
        self._backend = backend
        self._ops = ops
        self._drafts: dict[str, Draft] = {}
        self._leaving: dict[Place, Key] = {}
        """Records to be deleted that others refer to still."""
        self._written: dict[tuple[str, Key], None] = {}

    @classmethod
    def of(cls, unit: Unit, connections: Connections, ops: Ops) -> Application:
        """Return the application of this thread's transaction, begun where there is none."""
        for ending in connections.endings:
            if isinstance(ending, Application):
                return ending
        unit.driver.execute("PRAGMA defer_foreign_keys = ON")  # an adopted table may not defer
        made = cls(unit, connections.backend, ops)
        connections.endings.append(made)
        return made

    def copy(self) -> Application:
        """Return the same, to go back to where a part of the transaction is undone."""
        made = Application(self._unit, self._backend, self._ops)
        made._drafts = {name: draft.copy() for name, draft in self._drafts.items()}
        made._leaving = dict(self._leaving)
        made._written = dict(self._written)
        return made

    # applying

    def make(self, entity: Entity, changes: Sequence[Versioned]) -> list[bool]:
        """Apply *changes* of *entity*, deletes first; tell of each whether it was newer."""
        applied = [False] * len(changes)
        order = sorted(range(len(changes)), key=lambda at: changes[at].record is not None)
        try:
            for at in order:
                applied[at] = self._apply(entity, changes[at])
        except BrokenRuleError as broken:
            raise broken.error(self._backend) from broken.__cause__
        return applied

    def _apply(self, entity: Entity, change: Versioned) -> bool:
        rows = self._unit.rows(entity)
        draft = self._draft(rows)
        found = draft.current(change.key)
        text = rows.table.codec.key_text(change.key)
        here = version_of(self._unit.driver, entity.name, text)
        if here is None and found is not None:
            here = UNTOUCHED
        is_newer = here is None or change.version > here
        if is_newer:
            version = attrs.evolve(change.version, deleted=change.record is None)
            set_version(self._unit.driver, entity.name, text, version)
            self._leaving.pop((entity.name, rows.stored_key(change.key)), None)
            if change.record is not None:
                row = _row(rows, change.key, change.record)
                draft.put(change.key, found, row)
                self._written[entity.name, change.key] = None
            elif found is not None and not draft.forget(change.key):
                self._leaving[entity.name, rows.stored_key(change.key)] = change.key
                self._delete_what_is_free()
        crossed = migration_of(self._unit.driver, entity.name)
        for op_id in change.op_ids:
            self._ops.note(self._unit.driver, op_id, entity, (change.key,), crossed=crossed)
        return is_newer

    def _draft(self, rows: Rows) -> Draft:
        name = rows.table.entity.name
        if name not in self._drafts:
            self._drafts[name] = Draft(self._unit, rows)
        return self._drafts[name]

    # deleting

    def _delete_what_is_free(self) -> bool:
        """Delete what nothing refers to but what is deleted with it; tell whether it was any."""
        free = dict(self._leaving)
        held: list[Place] | None = None
        while held is None or held:
            held = [place for place in free if self._holder(place, free) is not None]
            for place in held:
                del free[place]
        for place, key in free.items():
            self._unit.remove(self._rows(place[0]), key)
            del self._leaving[place]
        return bool(free)

    def _holder(self, place: Place, leaving: Collection[Place]) -> Referring | None:
        """Return a record that refers to the one at *place*, and is not *leaving* with it."""
        name, stored = place
        for child, field in self._unit.tables.entities.referring_to(name):
            for key in self._unit.keys_where(self._rows(child.name), (field.name,), stored):
                if (child.name, tuple(key)) not in leaving:
                    return Referring(child, field, tuple(key))
        return None

    def _rows(self, name: str) -> Rows:
        return self._unit.rows(self._unit.tables.entities[name])

    # the end

    def __call__(self) -> None:
        """Judge everything that was applied; ``ConstraintError`` undoes the transaction."""
        with self._unit.writes():
            try:
                self._settle()
                for broken in self._broken():
                    raise broken
            except BrokenRuleError as broken:
                raise broken.error(self._backend) from broken.__cause__

    def _settle(self) -> None:
        moves = True
        while moves:
            # What one of them frees, another may have waited for.
            moves = self._delete_what_is_free()
            for draft in self._drafts.values():
                moves = draft.write_what_is_free() or moves
        for draft in self._drafts.values():
            for broken in draft.settle():
                raise broken
        self._delete_what_is_free()

    def _broken(self) -> Iterator[BrokenRuleError]:
        for place, key in self._leaving.items():
            holder = self._holder(place, ())
            if holder is not None:
                words = self._rows(holder.entity.name).words(holder.stored)
                breaks = self._rows(place[0]).breaks
                yield breaks.restrict(key, holder.entity, holder.field, words)
        for name, key in self._written:
            rows = self._rows(name)
            found = self._unit.find(rows, key)
            for field in references.dangling(self._unit, rows, None, found.row) if found else ():
                yield rows.breaks.reference(key, field)


def _row(rows: Rows, key: Key, record: Record) -> StoredRow:
    try:
        row = rows.row(key, record.values, record.residue)
    except FieldRefusedError as error:
        raise rows.breaks.check(key, error.field, error.refusal) from None
    for name, refusal in rows.table.codec.broken_rules(record.values):
        raise rows.breaks.check(key, name, refusal)
    return row
