"""Changes that carry their version: applied where they are newer than what is here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from fluxstore.entity import Entity
from fluxstore.records import UNTOUCHED, Key, Record, Versioned
from fluxstore_sqlite import references
from fluxstore_sqlite.broken import BrokenRuleError
from fluxstore_sqlite.draft import Draft
from fluxstore_sqlite.ledger import set_version, version_of
from fluxstore_sqlite.notes import Ops
from fluxstore_sqlite.rows import FieldRefusedError, Found
from fluxstore_sqlite.unit import Unit


class Application:
    """Versioned changes on their way into one table; the caller keeps versions and no marks."""

    def __init__(self, unit: Unit, entity: Entity, ops: Ops, backend: str) -> None:
        """Begin in *unit*."""
        self._unit = unit
        self._entity = entity
        self._ops = ops
        self._backend = backend
        self._rows = unit.rows(entity)
        self._draft = Draft(unit, self._rows)

    def make(self, changes: Sequence[Versioned]) -> list[bool]:
        """Apply *changes*; ``ConstraintError`` undoes all of them."""
        try:
            applied = [self._apply(change) for change in changes]
            for broken in self._draft.settle():
                raise broken
            self._refuse_dangling(change.key for change in changes if change.record)
        except BrokenRuleError as broken:
            raise broken.error(self._backend) from broken.__cause__
        return applied

    def _apply(self, change: Versioned) -> bool:
        found = self._draft.current(change.key)
        text = self._rows.table.codec.key_text(change.key)
        here = version_of(self._unit.driver, self._entity.name, text)
        if here is None and found is not None:
            here = UNTOUCHED
        if here is not None and not change.version > here:
            return False
        version = attrs.evolve(change.version, deleted=change.record is None)
        set_version(self._unit.driver, self._entity.name, text, version)
        for op_id in change.op_ids:
            self._ops.note(self._unit.driver, op_id, self._entity, (change.key,))
        if change.record is not None:
            self._put(change.key, found, change.record)
        elif found is not None and not self._draft.forget(change.key):
            references.delete(self._unit, self._rows, change.key)
        return True

    def _put(self, key: Key, found: Found | None, record: Record) -> None:
        try:
            row = self._rows.row(key, record.values, record.residue)
        except FieldRefusedError as error:
            raise self._rows.breaks.check(key, error.field, error.refusal) from None
        for name, refusal in self._rows.table.codec.broken_rules(record.values):
            raise self._rows.breaks.check(key, name, refusal)
        self._draft.put(key, found, row)

    def _refuse_dangling(self, keys: Iterable[Key]) -> None:
        for key in keys:
            found = self._unit.find(self._rows, key)
            if found is None:
                continue
            for field in references.dangling(self._unit, self._rows, None, found.row):
                raise self._rows.breaks.reference(key, field)
