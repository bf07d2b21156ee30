"""One entity's records read by key and by query, from memory where nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fluxstore import evaluate
from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger import pending
from fluxstore.ledger.sidecar import check_answers
from fluxstore.query import Filter, Found, Operator, Query
from fluxstore.records import Key, Record, Rejected
from fluxstore_json.backend import Backend
from fluxstore_json.cache import Cache, State
from fluxstore_json.moment import Moment, Stored
from fluxstore_json.places import Place
from fluxstore_json.reading import asked_for


class JsonReads:
    """The three ways to read; *governed* ones answer only where control lets this backend."""

    def __init__(self, backend: Backend, place: Place, cache: Cache, *, governed: bool) -> None:
        """Read *place*, keeping in *cache* what was read last."""
        self.entity = place.entity
        self._backend, self._place, self._cache = backend, place, cache
        self._is_governed = governed
        self._text = backend.forms[place.name].codec.key_text

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        if self._backend.ledger.current is not None:
            found = self._backend.look(lambda moment: self._stored(moment, keys))
            return {key: stored.record for key, stored in found.items()}
        state = self._backend.state(self._place.file)
        texts = [self._text(key) for key in keys]
        known = self._cache.find(state, texts, governed=self._is_governed)
        if known is None:
            known = self._read(state, keys, texts)
        return {record.key: record for record in known}

    def _read(self, state: State, keys: Sequence[Key], texts: Sequence[str]) -> list[Record]:
        """Return records from the files and the ledger, and keep them in memory."""

        def work(moment: Moment) -> dict[Key, Stored]:
            self._cache.follow(state, moment)
            return self._stored(moment, keys)

        found = {key: one.record for key, one in self._backend.look(work).items()}
        self._cache.keep(
            state, {text: found.get(key) for text, key in zip(texts, keys, strict=True)}
        )
        return list(found.values())

    def _stored(self, moment: Moment, keys: Sequence[Key]) -> dict[Key, Stored]:
        self._check(moment)
        return moment.read(self._place, keys)

    def _check(self, moment: Moment) -> None:
        """Refuse an answer that control, at the moment of the records, does not allow."""
        if self._is_governed:
            check_answers(moment.control(self._place), self.entity.name)

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""

        def work(moment: Moment) -> Found:
            self._check(moment)
            found = evaluate.find(self.entity, self._candidates(moment, query), query)
            return Found(tuple(moment.versions(self._place, found.records)), found.cursor)

        return self._backend.look(work)

    def count(self, query: Query) -> int:
        """Return how many records the filters find."""

        def work(moment: Moment) -> int:
            self._check(moment)
            if query.filters or not moment.knows_keys(self._place.file):
                return evaluate.count(self.entity, self._candidates(moment, query), query)
            shelf = moment.shelf(self._place.file)
            return shelf.index.count(self.entity.name)[0] + waiting(moment, self._place)

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


def waiting(moment: Moment, place: Place) -> int:
    """Return how many records more than the file's there are, for the changes that wait."""
    if moment.connection is None:
        return 0
    return pending.difference(moment.connection, place.name, moment.folded(place.file))
