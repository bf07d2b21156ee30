"""A batch of a migration: what differs is written, what is bad is refused singly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from fluxstore.adapter import Batch, Merged
from fluxstore.codec import Refusal
from fluxstore.entity import Entity
from fluxstore.records import Key, Record, Rejected
from fluxstore_sqlite import references
from fluxstore_sqlite.broken import BrokenRuleError
from fluxstore_sqlite.columns import Stored
from fluxstore_sqlite.draft import Draft
from fluxstore_sqlite.ledger import save_cursor, version_of
from fluxstore_sqlite.rows import FieldRefusedError, Found, StoredRow
from fluxstore_sqlite.transactions import savepoint
from fluxstore_sqlite.unit import Unit


@attrs.frozen
class _Fresh:
    """A record that differs from what is there."""

    record: Record
    old: Found | None
    row: StoredRow


class _Again(Exception):  # noqa: N818 - a way out of a savepoint, no error
    """Some of what was written must not be: undo, and write the others."""

    def __init__(self, broken: Mapping[Key, BrokenRuleError]) -> None:
        """Hold what must not be written, and why."""
        super().__init__(broken)
        self.broken = broken


class Merge:
    """One batch on its way into one table."""

    def __init__(self, unit: Unit, entity: Entity) -> None:
        """Begin in *unit*."""
        self._unit = unit
        self._rows = unit.rows(entity)
        self._codec = self._rows.table.codec
        self._refused: dict[Key, Rejected] = {}
        self._parents: dict[tuple[str, Stored], bool] = {}

    def make(self, batch: Batch) -> Merged:
        """Merge *batch* with its cursor; a live one leaves alone what has a version here."""
        if batch.epoch is not None:
            batch, known = self._without_known(batch)
        else:
            known = 0
        refused, deleted = self._delete(batch.deletes)
        fresh, unchanged = self._differing(batch.records, with_references=True)
        written = self._write(fresh, with_references=True)
        if batch.cursor is not None:
            save_cursor(self._unit.driver, batch.cursor)
        return Merged(written, unchanged + known, deleted, (*refused, *self._refused.values()))

    def _without_known(self, batch: Batch) -> tuple[Batch, int]:
        """Return what has no version row here, and how many records have one."""
        records = {one.key: one for one in batch.records}
        fresh = [one for key, one in records.items() if not self._is_known(key)]
        deletes = [key for key in batch.deletes if not self._is_known(key)]
        return attrs.evolve(batch, records=fresh, deletes=deletes), len(records) - len(fresh)

    def _is_known(self, key: Key) -> bool:
        name, text = self._rows.table.entity.name, self._codec.key_text(key)
        return version_of(self._unit.driver, name, text) is not None

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``make`` would refuse, references apart; the caller undoes it."""
        fresh, _ = self._differing(records, with_references=False)
        self._write(fresh, with_references=False)
        return tuple(self._refused.values())

    # deleting

    def _delete(self, keys: Sequence[Key]) -> tuple[list[Rejected], int]:
        refused: list[Rejected] = []
        deleted = 0
        for key in dict.fromkeys(keys):
            found = self._unit.find(self._rows, key)
            if found is None:
                continue
            try:
                with savepoint(self._unit.driver):
                    references.delete(self._unit, self._rows, key)
                deleted += 1
            except BrokenRuleError as broken:
                refused.append(broken.rejected(self._rows.raw(found.row)))
        return refused, deleted

    # comparing

    def _differing(
        self, records: Sequence[Record], *, with_references: bool
    ) -> tuple[list[_Fresh], int]:
        fresh: list[_Fresh] = []
        unchanged = 0
        for record in {record.key: record for record in records}.values():
            try:
                row = self._row(record)
                old = self._unit.find(self._rows, record.key, self._rows.key_row(row))
                if old is not None and self._is_equal(old, record, row):
                    unchanged += 1
                    continue
                if with_references:
                    self._refuse_dangling(record.key, row)
            except BrokenRuleError as broken:
                self._refuse({record.key: broken})
            else:
                fresh.append(_Fresh(record, old, row))
        return fresh, unchanged

    def _row(self, record: Record) -> StoredRow:
        try:
            row = self._rows.row(record.key, record.values, record.residue)
        except FieldRefusedError as error:
            raise self._rows.breaks.check(record.key, error.field, error.refusal) from None
        broken = self._codec.broken_rules(record.values)
        for name, refusal in broken or self._too_large(record, row):
            raise self._rows.breaks.check(record.key, name, refusal)
        return row

    def _too_large(self, record: Record, row: StoredRow) -> tuple[tuple[str, Refusal], ...]:
        if self._rows.is_surely_small(row):
            return ()
        return self._codec.too_large(record.values, record.residue.extras)

    def _is_equal(self, old: Found, new: Record, row: StoredRow) -> bool:
        if old.row == row:
            return True
        try:
            record = self._rows.decoded(old)
        except FieldRefusedError:
            return False
        # Canonical form calls 1.10 and 1.1 equal; a Decimal's scale is kept all the same.
        return (
            record.residue == new.residue
            and self._codec.record_bytes(record) == self._codec.record_bytes(new)
            and self._codec.encode(record.values) == self._codec.encode(new.values)
        )

    def _refuse_dangling(self, key: Key, row: StoredRow) -> None:
        """Raise for a reference to another entity; those to this one are looked at afterwards."""
        entity = self._rows.table.entity
        for field in entity.references:
            stored = self._rows.value(row, field.name)
            parent = (field.rules.references or "", stored)
            if stored is None or parent[0] == entity.name:
                continue
            if parent not in self._parents:
                there = self._unit.is_there(references.parents(self._unit, field), (stored,))
                self._parents[parent] = there
            if not self._parents[parent]:
                raise self._rows.breaks.reference(key, field)

    # writing

    def _write(self, fresh: list[_Fresh], *, with_references: bool) -> int:
        """Write what the table, its unique values and its own references take; return how many."""
        while True:
            try:
                return self._attempt(fresh, with_references=with_references)
            except _Again as again:
                self._refuse(again.broken)
                fresh = [one for one in fresh if one.record.key not in again.broken]

    def _attempt(self, fresh: list[_Fresh], *, with_references: bool) -> int:
        with savepoint(self._unit.driver):
            broken = self._write_once(fresh)
            left = [one for one in fresh if one.record.key not in broken]
            if with_references:
                self._refuse_dangling_within(left)
        self._refuse(broken)
        return len(left)

    def _write_once(self, fresh: list[_Fresh]) -> dict[Key, BrokenRuleError]:
        draft = Draft(self._unit, self._rows)
        broken: dict[Key, BrokenRuleError] = {}
        for one in fresh:
            try:
                draft.put(one.record.key, one.old, one.row)
            except BrokenRuleError as error:
                broken[one.record.key] = error
        return broken | {error.key: error for error in draft.settle()}

    def _refuse_dangling_within(self, written: Sequence[_Fresh]) -> None:
        """Raise ``_Again`` where a record refers to one of its own kind that is not there."""
        entity = self._rows.table.entity
        if all(field.rules.references != entity.name for field in entity.references):
            return
        broken = {
            one.record.key: self._rows.breaks.reference(one.record.key, field)
            for one in written
            for field in references.dangling(self._unit, self._rows, one.old, one.row)
        }
        if broken:
            raise _Again(broken)

    def _refuse(self, broken: Mapping[Key, BrokenRuleError]) -> None:
        for key, error in broken.items():
            self._refused.setdefault(key, error.rejected())
