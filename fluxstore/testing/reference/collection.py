"""One entity's records: reading, committing, and taking part in migrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from fluxstore import evaluate
from fluxstore.adapter import Batch, Merged, Page, Reads, Size
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
    Change,
    Delete,
    Intent,
    Key,
    Put,
    Record,
    Rejected,
    Residue,
    Row,
    Versioned,
)
from fluxstore.testing.reference.fence import is_done, let_read, let_write, note, remember
from fluxstore.testing.reference.memory import Memory, State
from fluxstore.testing.reference.merging import ReferenceMerging
from fluxstore.testing.reference.reading import ReferenceReads
from fluxstore.testing.reference.rules import Deletion, Touched, broken


class ReferenceCollection:
    """One entity's records."""

    def __init__(self, entity: Entity, entities: Entities, memory: Memory) -> None:
        """Know the entity, all others that may refer to it, and where everything is."""
        self.entity = entity
        self._entities = entities
        self._memory = memory
        self._codec = Codec.of(entity)
        self._reads = ReferenceReads(entity, memory.current)
        self._merging = ReferenceMerging(entity, entities, memory)

    # reading

    @property
    def governed(self) -> Reads:
        """The same reads, refused where control lets another backend answer."""
        return ReferenceReads(self.entity, self._answering)

    def _answering(self) -> State:
        state = self._memory.current()
        let_read(state, self.entity)
        return state

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        return self._reads.read(keys)

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return *limit* records after the key that *cursor* names, in the order of keys."""
        after = None if cursor is None else self._codec.key_of_text(cursor)
        records = self._reads.everything()
        rest = sorted(key for key in records if after is None or key > after)
        page = tuple(records[key] for key in rest[:limit])
        more = len(rest) > len(page)
        last = self._codec.key_text(page[-1].key) if more and page else None
        done = 1 - (len(rest) - len(page)) / len(records) if records else 1.0
        return Page(page, last, done=done)

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        return self._reads.find(query)

    def count(self, query: Query) -> int:
        """Return how many records the filters find."""
        return self._reads.count(query)

    def size(self) -> Size:
        """Return the number of records, and their bytes guessed from a few."""
        records = self._reads.everything()
        some = list(records.values())[:100]
        total = sum(len(self._codec.record_bytes(one)) for one in some)
        return Size(len(records), total * len(records) // max(len(some), 1))

    def place(self) -> str:
        """Return the entity's name, for there is nothing else to call it."""
        return self.entity.name

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
            let_write(state, self.entity)
            keys = [change.key for change in changes]
            if op_id is None or not is_done(state, self.entity, keys, op_id):
                self._expect(state, expect or {})
                note(state, self._make(state, changes))
                remember(state, self.entity, keys, [] if op_id is None else [op_id])
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
        values, residue = put.values, put.residue
        if old is not None and residue is None:
            values = self._codec.kept(old.values, values)
        if old is not None and put.intent is Intent.CHANGE:
            values = {**old.values, **values}
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
            Deletion(state, self._entities, touched).delete(self.entity, key)
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
        return self._codec.seen(read)

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
        return self._merging.foresee(records)

    def merge(self, batch: Batch) -> Merged:
        """Write what differs, leave what is equal, refuse singly what breaks a rule."""
        return self._merging.merge(batch)

    def apply_if_newer(
        self, changes: Sequence[Versioned], *, epoch: int | None = None
    ) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and ops."""
        return self._merging.apply_if_newer(changes, epoch)
