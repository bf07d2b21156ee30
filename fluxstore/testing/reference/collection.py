"""One entity's records: reading, committing, and taking part in migrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from fluxstore import evaluate
from fluxstore.adapter import Batch, Merged, Page, Size
from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity
from fluxstore.errors import (
    BackendError,
    ConflictError,
    ConstraintError,
    RecordExistsError,
    RecordNotFoundError,
)
from fluxstore.query import Found, Query
from fluxstore.records import (
    NO_RESIDUE,
    UNTOUCHED,
    Change,
    Delete,
    Intent,
    Key,
    Put,
    Reason,
    Record,
    Rejected,
    Residue,
    Row,
    Versioned,
)
from fluxstore.testing.reference.ledger import fence, note
from fluxstore.testing.reference.memory import Memory, State
from fluxstore.testing.reference.rules import Broken, Touched, broken, delete


class ReferenceCollection:
    """One entity's records."""

    def __init__(self, entity: Entity, entities: Entities, memory: Memory) -> None:
        """Know the entity, all others that may refer to it, and where everything is."""
        self.entity = entity
        self._entities = entities
        self._memory = memory
        self._codec = Codec.of(entity)

    # reading

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        state = self._memory.current()
        table = state.records.get(self.entity.name, {})
        return {key: self._versioned(state, table[key]) for key in keys if key in table}

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return *limit* records after the key that *cursor* names, in the order of keys."""
        after = None if cursor is None else self._codec.key_of_text(cursor)
        records = self._all(self._memory.current())
        rest = sorted(key for key in records if after is None or key > after)
        page = tuple(records[key] for key in rest[:limit])
        more = len(rest) > len(page)
        last = self._codec.key_text(page[-1].key) if more and page else None
        done = 1 - (len(rest) - len(page)) / len(records) if records else 1.0
        return Page(page, last, done=done)

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        records = self._all(self._memory.current())
        return evaluate.find(self.entity, records.values(), query)

    def count(self, query: Query) -> int:
        """Return how many records the filters find."""
        records = self._all(self._memory.current())
        return evaluate.count(self.entity, records.values(), query)

    def size(self) -> Size:
        """Return the number of records, and their bytes guessed from a few."""
        records = self._all(self._memory.current())
        some = list(records.values())[:100]
        total = sum(len(self._codec.record_bytes(one)) for one in some)
        return Size(len(records), total * len(records) // max(len(some), 1))

    def place(self) -> str:
        """Return the entity's name, for there is nothing else to call it."""
        return self.entity.name

    def _all(self, state: State) -> dict[Key, Record]:
        table = state.records.get(self.entity.name, {})
        return {key: self._versioned(state, record) for key, record in table.items()}

    def _versioned(self, state: State, record: Record) -> Record:
        version = state.versions.get(self.entity.name, {}).get(record.key, UNTOUCHED)
        return attrs.evolve(record, version=version)

    # writing

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes* in one transaction; return the records of the puts as they are now."""
        puts = [change.key for change in changes if isinstance(change, Put)]
        with self._memory.transaction() as state:
            fence(state, self.entity)
            if op_id is None or op_id not in state.ops:
                self._expect(state, expect or {})
                note(state, self._make(state, changes))
                if op_id is not None:
                    state.ops[op_id] = (self.entity.name, tuple(change.key for change in changes))
            return self.read(puts)

    def _make(self, state: State, changes: Sequence[Change]) -> Touched:
        touched: Touched = {}
        for change in changes:
            if isinstance(change, Delete):
                self._delete(state, change.key, touched)
            else:
                self._put(state, change, touched)
        for name in {name for name, _ in touched}:
            keys = [key for entity, key in touched if entity == name]
            self._refuse_broken(state, self._entities[name], keys)
        return touched

    def _refuse_broken(self, state: State, entity: Entity, keys: Sequence[Key]) -> None:
        for one in broken(state, self._entities, entity, keys):
            raise one.error(self._memory.backend)

    def _put(self, state: State, put: Put, touched: Touched) -> None:
        table = state.table(self.entity.name)
        old = table.get(put.key)
        if put.intent is Intent.CREATE and old is not None:
            raise self._error(RecordExistsError, put.key, "a record with that key is there already")
        if put.intent is Intent.CHANGE and old is None:
            raise self._error(RecordNotFoundError, put.key, "no such record")
        values = {**old.values, **put.values} if put.intent is Intent.CHANGE and old else put.values
        residue = put.residue
        if residue is None:
            residue = self._kept(old, values) if old else NO_RESIDUE
        table[put.key] = Record(put.key, dict(values), residue)
        touched.setdefault((self.entity.name, put.key), old is not None)

    def _kept(self, old: Record, values: Row) -> Residue:
        """Return the residue of *old* without the spelling of fields that change."""
        changed = self._codec.differing(old, Record(old.key, values, old.residue))
        spelling = {n: s for n, s in old.residue.spelling.items() if n not in changed}
        return attrs.evolve(old.residue, spelling=spelling)

    def _delete(self, state: State, key: Key, touched: Touched) -> None:
        if key not in state.table(self.entity.name):
            raise self._error(RecordNotFoundError, key, "no such record")
        try:
            delete(state, self._entities, self.entity, key, touched)
        except ConstraintError as error:
            error.backend, error.entity, error.key = self._memory.backend, self.entity.name, key
            raise

    def _expect(self, state: State, expect: Mapping[Key, Row]) -> None:
        for key, values in expect.items():
            found = state.table(self.entity.name).get(key)
            if found is None or self._defaulted(found.values) != self._defaulted(values):
                raise self._error(
                    ConflictError, key, "is no longer as it was read", "read it again, decide anew"
                )

    def _defaulted(self, values: Row) -> bytes:
        read = {f.name: evaluate.reading(self.entity, f)(values) for f in self.entity.fields}
        return self._codec.canonical(read)

    def _error(
        self, kind: type[BackendError], key: Key, problem: str, next_step: str = ""
    ) -> BackendError:
        return kind(
            problem,
            backend=self._memory.backend,
            entity=self.entity.name,
            key=key,
            next_step=next_step,
        )

    # migrations

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, references apart."""
        return self._write(self._memory.current().copy(), records, references=False)

    def merge(self, batch: Batch) -> Merged:
        """Write what differs, leave what is equal, refuse singly what breaks a rule."""
        with self._memory.transaction() as state:
            before = dict(state.table(self.entity.name))
            refused = [*self._remove(state, batch.deletes), *self._write(state, batch.records)]
            if batch.cursor is not None:
                state.cursors[batch.cursor.migration, batch.cursor.entity] = batch.cursor
            after = state.table(self.entity.name)
        keys = {record.key for record in batch.records}
        written = sum(before.get(key) is not after.get(key) for key in keys)
        deleted = sum(key in before and key not in after for key in batch.deletes)
        unchanged = len(keys) - written - len(refused)
        return Merged(written, unchanged, deleted, tuple(refused))

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
                    delete(trial, self._entities, self.entity, key, {})
            except ConstraintError as error:
                yield self._restricted(key, error)
            else:
                state.records = trial.records

    def _restricted(self, key: Key, error: ConstraintError) -> Rejected:
        broken = Broken(
            "reference", self.entity, key, error.fields, Reason.REFERENCE, error.problem
        )
        return broken.rejected()

    def apply_if_newer(self, changes: Sequence[Versioned]) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and op."""
        with self._memory.transaction() as state:
            return [self._apply(state, change) for change in changes]

    def _apply(self, state: State, change: Versioned) -> bool:
        table = state.table(self.entity.name)
        versions = state.versions.setdefault(self.entity.name, {})
        here = versions.get(change.key, UNTOUCHED if change.key in table else None)
        if here is not None and not change.version > here:
            return False
        versions[change.key] = attrs.evolve(change.version, deleted=change.record is None)
        for op_id in change.op_ids:
            state.ops[op_id] = (self.entity.name, (change.key,))
        if change.record is None:
            if change.key in table:
                self._delete(state, change.key, {})
        else:
            table[change.key] = change.record
            self._refuse_broken(state, self.entity, [change.key])
        return True
