"""One entity's records in JSON files: the verbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluxstore.adapter import Batch, Merged, Page, Size
from fluxstore.entity import Entity
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Record, Rejected, Row, Versioned
from fluxstore_json import applying, merging
from fluxstore_json.asking import JsonReads, waiting
from fluxstore_json.backend import Backend
from fluxstore_json.cache import Cache
from fluxstore_json.moment import Moment
from fluxstore_json.scanning import Scanner
from fluxstore_json.writing import Commit


class JsonCollection:
    """One entity's records."""

    def __init__(self, entity: Entity, backend: Backend) -> None:
        """Know the entity's place."""
        self.entity = entity
        self._backend, self._place = backend, backend.places[entity.name]
        cache, self._scanner = Cache(self._place), Scanner(self._place)
        backend.forked += [cache.begin, self._scanner.begin]
        self._reads = JsonReads(backend, self._place, cache, governed=False)
        self.governed = JsonReads(backend, self._place, cache, governed=True)
        """The same reads, each refused unless control lets this backend answer."""

    # reading

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        return self._reads.read(keys)

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor* in the order of the file."""
        return self._backend.look(lambda moment: self._scanner.page(moment, cursor, limit))

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        return self._reads.find(query)

    def count(self, query: Query) -> int:
        """Return how many records the filters find."""
        return self._reads.count(query)

    def size(self) -> Size:
        """Return the file's bytes, and how many records there are where that is known."""

        def work(moment: Moment) -> Size:
            shelf = moment.shelf(self._place.file)
            known = shelf.count(self.entity.name)
            records = None if known is None else known + waiting(moment, self._place)
            return Size(records, shelf.file.size)

        return self._backend.look(work)

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

    def apply_if_newer(
        self, changes: Sequence[Versioned], *, epoch: int | None = None
    ) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and operations."""
        return applying.apply_if_newer(self._backend, self._place, changes, epoch)
