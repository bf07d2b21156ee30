"""A commit: an application's changes to one entity, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from fluxstore import evaluate
from fluxstore.entity import Entity, Field
from fluxstore.errors import (
    BackendError,
    ConflictError,
    RecordExistsError,
    RecordNotFoundError,
)
from fluxstore.records import (
    NO_RESIDUE,
    Change,
    Delete,
    Intent,
    Key,
    Put,
    Record,
    Residue,
    Row,
)
from fluxstore_sqlite import references
from fluxstore_sqlite.broken import BrokenRuleError
from fluxstore_sqlite.draft import Draft
from fluxstore_sqlite.rows import FieldRefusedError, Found, StoredRow
from fluxstore_sqlite.unit import Unit


class Commit:
    """The changes of one commit, on their way."""

    def __init__(self, unit: Unit, entity: Entity, backend: str) -> None:
        """Begin in *unit*."""
        self._unit = unit
        self._entity = entity
        self._backend = backend
        self._rows = unit.rows(entity)
        self._codec = self._rows.table.codec
        self._draft = Draft(unit, self._rows)
        self._before: dict[Key, Found | None] = {}
        self._written: dict[Key, StoredRow] = {}

    def make(self, changes: Sequence[Change], expect: Mapping[Key, Row]) -> None:
        """Make *changes*; raises the error of the first that is refused."""
        try:
            self._expect(expect)
            for change in changes:
                if isinstance(change, Delete):
                    self._delete(change.key)
                else:
                    self._put(change)
            self._settle()
        except BrokenRuleError as broken:
            raise broken.error(self._backend) from broken.__cause__

    def _expect(self, expect: Mapping[Key, Row]) -> None:
        for key, values in expect.items():
            found = self._find(key)
            if found is None or self._whole(self._rows.record(found).values) != self._whole(values):
                raise self._error(
                    ConflictError, key, "is no longer as it was read", "read it again, decide anew"
                )

    def _whole(self, values: Row) -> bytes:
        """Return the canonical bytes of *values*, a missing field as its default."""
        read = {f.name: evaluate.reading(self._entity, f)(values) for f in self._entity.fields}
        return self._codec.seen(read)

    def _find(self, key: Key) -> Found | None:
        try:
            found = self._draft.current(key)
        except FieldRefusedError as error:
            raise self._rows.breaks.check(key, error.field, error.refusal) from None
        self._before.setdefault(key, found)
        return found

    def _put(self, put: Put) -> None:
        found = self._find(put.key)
        if put.intent is Intent.CREATE and found is not None:
            raise self._error(RecordExistsError, put.key, "a record with that key is there already")
        if put.intent is Intent.CHANGE and found is None:
            raise self._error(RecordNotFoundError, put.key, "no such record")
        row = self._row(put, None if found is None else self._rows.record(found))
        self._draft.put(put.key, found, row)
        self._written[put.key] = row

    def _row(self, put: Put, old: Record | None) -> StoredRow:
        values, residue = put.values, put.residue
        if old is not None and residue is None:
            values = self._codec.kept(old.values, values)
        if old is not None and put.intent is Intent.CHANGE:
            values = {**old.values, **values}
        if residue is None:
            residue = NO_RESIDUE if old is None else self._kept(old, values)
        try:
            row = self._rows.row(put.key, values, residue)
        except FieldRefusedError as error:
            raise self._rows.breaks.check(put.key, error.field, error.refusal) from None
        broken = self._codec.broken_rules(put.values)
        if not broken and not self._rows.is_surely_small(row):
            broken = self._codec.too_large(values, residue.extras)
        for name, refusal in broken:
            raise self._rows.breaks.check(put.key, name, refusal)
        return row

    def _kept(self, old: Record, values: Row) -> Residue:
        """Return the residue of *old* without the spelling of fields that change."""
        if not old.residue.spelling:
            return old.residue
        changed = self._codec.differing(old, Record(old.key, values, old.residue))
        spelling = {n: kept for n, kept in old.residue.spelling.items() if n not in changed}
        return attrs.evolve(old.residue, spelling=spelling)

    def _delete(self, key: Key) -> None:
        if self._find(key) is None:
            raise self._error(RecordNotFoundError, key, "no such record")
        self._written.pop(key, None)
        self._before[key] = None
        if not self._draft.forget(key):
            references.delete(self._unit, self._rows, key)

    def _settle(self) -> None:
        for broken in self._draft.settle():
            raise broken
        for key, row in self._written.items():
            for field in references.dangling(self._unit, self._rows, self._before[key], row):
                self._refuse_dangling(key, field)

    def _refuse_dangling(self, key: Key, field: Field) -> None:
        """Raise unless a later delete of this commit took the record along, or its reference."""
        found = self._unit.find(self._rows, key)
        if found and field in references.dangling(self._unit, self._rows, None, found.row):
            raise self._rows.breaks.reference(key, field)

    def _error(
        self, kind: type[BackendError], key: Key, problem: str, next_step: str = ""
    ) -> BackendError:
        return kind(
            problem,
            backend=self._backend,
            entity=self._entity.name,
            key=key,
            next_step=next_step,
        )
