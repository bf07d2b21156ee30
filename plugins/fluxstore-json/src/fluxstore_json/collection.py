"""One entity's records in JSON files: the verbs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fluxstore import evaluate
from fluxstore.adapter import Batch, Merged, Page, Size
from fluxstore.entity import Entity
from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger import pending
from fluxstore.query import Filter, Found, Operator, Query
from fluxstore.records import Change, Key, Record, Rejected, Row, Versioned
from fluxstore_json import merging
from fluxstore_json.backend import Backend
from fluxstore_json.cache import Cache, State
from fluxstore_json.moment import Moment, Stored
from fluxstore_json.reading import Scanner, asked_for
from fluxstore_json.writing import Commit


class JsonCollection:
    """One entity's records."""

    def __init__(self, entity: Entity, backend: Backend) -> None:
        """Know the entity's place."""
        self.entity = entity
        self._backend, self._place = backend, backend.places[entity.name]
        self._begin()
        backend.forked.append(self._begin)
        self._text = backend.forms[entity.name].codec.key_text

    def _begin(self) -> None:
        self._scanner, self._cache = Scanner(self._place), Cache(self._place)

    # reading

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        if self._backend.ledger.current is not None:
            found = self._backend.look(lambda moment: moment.read(self._place, keys))
            return {key: stored.record for key, stored in found.items()}
        state = self._backend.state(self._place.file)
        texts = [self._text(key) for key in keys]
        known = self._cache.find(state, texts)
        if known is None:
            known = self._read(state, keys, texts)
        return {record.key: record for record in known}

    def _read(self, state: State, keys: Sequence[Key], texts: Sequence[str]) -> list[Record]:
        """Return records from the files and the ledger, and keep them in memory."""

        def work(moment: Moment) -> dict[Key, Stored]:
            self._cache.follow(state, moment)
            return moment.read(self._place, keys)

        found = {key: one.record for key, one in self._backend.look(work).items()}
        self._cache.keep(
            state, {text: found.get(key) for text, key in zip(texts, keys, strict=True)}
        )
        return list(found.values())

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor* in the order of the file."""
        return self._backend.look(lambda moment: self._scanner.page(moment, cursor, limit))

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""

        def work(moment: Moment) -> Found:
            found = evaluate.find(self.entity, self._candidates(moment, query), query)
            return Found(tuple(moment.versions(self._place, found.records)), found.cursor)

        return self._backend.look(work)

    def count(self, query: Query) -> int:
        """Return how many records the filters find."""

        def work(moment: Moment) -> int:
            if query.filters or not moment.is_settled(self._place.file):
                return evaluate.count(self.entity, self._candidates(moment, query), query)
            shelf = moment.shelf(self._place.file)
            return shelf.index.count(self.entity.name)[0] + self._waiting(moment)

        return self._backend.look(work)

    def _candidates(self, moment: Moment, query: Query) -> Iterator[Record]:
        """Yield at least the records that *query* finds."""
        key = self._key_asked(query.filters)
        if key is not None:
            return (stored.record for stored in moment.read(self._place, [key]).values())
        return self._all(moment, query)

    def _key_asked(self, filters: Sequence[Filter]) -> Key | None:
        given = {one.field: one.value for one in filters if one.operator is Operator.EQ}
        parts = [given.get(part) for part in self.entity.key]
        if None in parts:
            return None
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _all(self, moment: Moment, query: Query) -> Iterator[Record]:
        for found in asked_for(moment, self._place, query.filters):
            if isinstance(found, Rejected):
                problem = found.problem
                raise UnreadableRecordError(
                    f"cannot be decoded: {problem.expected}",
                    backend=self._backend.name,
                    entity=self.entity.name,
                    key=problem.key,
                    field=problem.field,
                    file=problem.file,
                    next_step="mend it in the file; it was not touched",
                )
            yield found

    def size(self) -> Size:
        """Return the file's bytes, and how many records there are where that is known."""

        def work(moment: Moment) -> Size:
            shelf = moment.shelf(self._place.file)
            known = shelf.count(self.entity.name)
            records = None if known is None else known + self._waiting(moment)
            return Size(records, shelf.file.size)

        return self._backend.look(work)

    def _waiting(self, moment: Moment) -> int:
        """Return how many records more than the file's there are, for the changes that wait."""
        if moment.connection is None:
            return 0
        folded = moment.folded(self._place.file)
        return pending.difference(moment.connection, self.entity.name, folded)

    def place(self) -> str:
        """Return the file, and for nested records where in it they are."""
        return self._backend.where(self._place)

    # writing

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes* in one transaction; return the records of the puts as they are now."""
        if not changes and not expect:
            return {}
        return Commit(self._backend, self._place, changes, expect or {}, op_id).make()

    # migrations

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, references apart."""
        return merging.foresee(self._backend, self._place, records)

    def merge(self, batch: Batch) -> Merged:
        """Write what differs, leave what is equal, refuse singly what breaks a rule."""
        return merging.merge(self._backend, self._place, batch)

    def apply_if_newer(self, changes: Sequence[Versioned]) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and op."""
        return merging.apply_if_newer(self._backend, self._place, changes)
