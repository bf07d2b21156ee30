"""Taking part in migrations: what comes from another backend is merged, or applied if newer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from fluxstore.adapter import Batch, Crossed, Merged
from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity
from fluxstore.errors import ConstraintError
from fluxstore.records import UNTOUCHED, Key, Reason, Record, Rejected, Versioned
from fluxstore.testing.reference.fence import control_of, cross, let_follow, let_merge, remember
from fluxstore.testing.reference.memory import Memory, State
from fluxstore.testing.reference.rules import Broken, Deletion, Touched, broken, left_behind


class ReferenceMerging:
    """How one entity's records arrive from another backend."""

    def __init__(self, entity: Entity, entities: Entities, memory: Memory) -> None:
        """Know the entity, all others that may refer to it, and where everything is."""
        self.entity = entity
        self._entities = entities
        self._memory = memory
        self._codec = Codec.of(entity)

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, references apart."""
        return self._write(self._memory.current().copy(), records, references=False)

    def merge(self, batch: Batch) -> Merged:
        """Write what differs, leave what is equal, refuse singly what breaks a rule."""
        with self._memory.transaction() as state:
            taken = self._let_in(state, batch)
            before = dict(state.table(self.entity.name))
            refused = [*self._remove(state, taken.deletes), *self._write(state, taken.records)]
            if batch.cursor is not None:
                state.cursors[batch.cursor.migration, batch.cursor.entity] = batch.cursor
            after = state.table(self.entity.name)
        keys = {record.key for record in batch.records}
        written = sum(before.get(key) is not after.get(key) for key in keys)
        deleted = sum(key in before and key not in after for key in taken.deletes)
        unchanged = len(keys) - written - len(refused)
        return Merged(written, unchanged, deleted, tuple(refused))

    def _let_in(self, state: State, batch: Batch) -> Batch:
        """Return what of *batch* is to be merged: live, only what has no version row here."""
        if batch.epoch is None:
            let_merge(state, self.entity)
            return batch
        let_follow(state, self.entity, batch.epoch)
        known = state.versions.get(self.entity.name, {})
        records = [one for one in batch.records if one.key not in known]
        deletes = [key for key in batch.deletes if key not in known]
        return attrs.evolve(batch, records=records, deletes=deletes)

    def _write(
        self, state: State, records: Sequence[Record], *, references: bool = True
    ) -> Sequence[Rejected]:
        """Write *records* to *state*; return those that break a rule, which are not written."""
        table = state.table(self.entity.name)
        before = dict(table)
        fresh = {one.key: one for one in records if not self._is_equal(table.get(one.key), one)}
        table |= fresh
        refused: list[Rejected] = []
        while found := list(self._broken(state, fresh, references=references)):
            for one in found:
                refused.append(one.rejected())
                del fresh[one.key], table[one.key]
                table |= {one.key: before[one.key]} if one.key in before else {}
        return refused

    def _broken(self, state: State, keys: Iterable[Key], *, references: bool) -> Iterator[Broken]:
        return broken(state, self._entities, self.entity, keys, references=references)

    def _is_equal(self, old: Record | None, new: Record) -> bool:
        return (
            old is not None
            and old.residue == new.residue
            and self._codec.record_bytes(old) == self._codec.record_bytes(new)
        )

    def _remove(self, state: State, keys: Sequence[Key]) -> Iterator[Rejected]:
        for key in keys:
            trial = state.copy()
            try:
                if key in state.table(self.entity.name):
                    Deletion(trial, self._entities, {}).delete(self.entity, key)
            except ConstraintError as error:
                yield self._restricted(key, error)
            else:
                state.records = trial.records

    def _restricted(self, key: Key, error: ConstraintError) -> Rejected:
        broken = Broken(
            "reference", self.entity, key, error.fields, Reason.REFERENCE, error.problem
        )
        return broken.rejected()

    def apply_if_newer(self, changes: Sequence[Versioned], epoch: int | None) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and ops."""
        with self._memory.transaction() as state:
            let_follow(state, self.entity, epoch)
            touched: Touched = {}
            applied = [self._apply(state, change, touched) for change in changes]
            self._memory.at_end(lambda end: self._judge(end, touched))
        return applied

    def _remember(self, state: State, change: Versioned) -> None:
        """Keep operations that came from the other side: they are not owed to it."""
        known = state.ops.get(self.entity.name, {}).get(change.key, ())
        new = [op_id for op_id in change.op_ids if op_id not in known]
        remember(state, self.entity, [change.key], new)
        control = control_of(state, self.entity.name)
        if control is not None:
            cross(state, Crossed(self.entity.name, change.key, new, control.epoch))

    def _apply(self, state: State, change: Versioned, touched: Touched) -> bool:
        table = state.table(self.entity.name)
        versions = state.versions.setdefault(self.entity.name, {})
        self._remember(state, change)
        here = versions.get(change.key, UNTOUCHED if change.key in table else None)
        if here is not None and not change.version > here:
            return False
        versions[change.key] = attrs.evolve(change.version, deleted=change.record is None)
        touched[self.entity.name, change.key] = True
        if change.record is not None:
            table[change.key] = change.record
        else:  # what refers to it stays: its own change may have been carried already
            table.pop(change.key, None)
        return True

    def _judge(self, state: State, touched: Touched) -> None:
        """Raise ``ConstraintError`` where what was applied breaks a rule now."""
        keys = [key for name, key in touched if name == self.entity.name]
        for one in broken(state, self._entities, self.entity, keys):
            raise one.error(self._memory.backend)
        if (error := left_behind(state, self._entities, touched)) is not None:
            error.backend, error.entity = self._memory.backend, self.entity.name
            raise error
