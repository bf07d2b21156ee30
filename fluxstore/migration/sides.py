"""One side of a validation: the digests of every record of an entity, on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fluxstore.adapter import Page
from fluxstore.calls import Lens
from fluxstore.entity import Entity
from fluxstore.errors import UnreadableRecordError
from fluxstore.migration import identity, scanning
from fluxstore.migration.patience import Patience
from fluxstore.migration.plan import End, file_problem
from fluxstore.migration.progress import Meter, Stopped, check
from fluxstore.migration.scratch import DIGEST_BYTES, Scratch
from fluxstore.migration.spool import Problems
from fluxstore.records import Key, Problem, Record

PROVED_BYTES = DIGEST_BYTES + identity.PROOF_BYTES
_ENTRY_BYTES = PROVED_BYTES + identity.SPELLING_BYTES


class Side:
    """One entity in one backend, as a validation reads it."""

    def __init__(
        self,
        end: End,
        entity: Entity,
        *,
        scratch: Scratch,
        lens: Lens | None,
        share: float | None,
        patience: Patience | None = None,
    ) -> None:
        """Begin with nothing read; of all keys *share* is looked at, with *patience*."""
        self.end, self.entity = end, entity
        self.collection = end.collection(entity)
        self.place = self.collection.place()
        self.label = f"{entity.name} in {end.name}"
        self.digests = scratch.table(_ENTRY_BYTES)
        """(key, proof, spelling) of every record that can be decoded."""
        self.unreadable = scratch.table(DIGEST_BYTES)
        """Keys under which there is something that cannot be decoded."""
        self.rejected = Problems(scratch)
        self.refused: Problem | None = None
        self.records = 0
        self.key, self.named = identity.key_digest(entity), identity.text_digest(entity)
        self._record = identity.record_digest(entity)
        self._lens, self._looked_at, self._patience = lens, _chosen(share), patience

    def read(self, meter: Meter, stopped: Stopped) -> None:
        """Read everything; a file that is refused as a whole is remembered as such."""
        try:
            for page in self.pages(stopped):
                self._take(page)
                meter.passed(self.label, len(page.records), page.done)
                del page
        except UnreadableRecordError as error:
            self.refused = file_problem(self.entity, error, self.place)
        meter.passed(self.label, 0, 1.0)
        self.digests.rest()

    def pages(self, stopped: Stopped) -> Iterator[Page]:
        """Yield the backend's pages; ``StoppedError`` between two when asked to stop."""
        limit = scanning.page_records(self.collection.size())
        for page in scanning.pages(self.collection, lambda: limit, patience=self._patience):
            check(stopped)
            yield page
            del page

    def seen(self, record: Record) -> Record:
        """Return the record as the validation looks at it."""
        return record if self._lens is None else self._lens(record)

    def now(self, keys: Sequence[Key]) -> dict[Key, Record | UnreadableRecordError]:
        """Return what is under *keys* now; a missing one is absent."""
        try:
            return dict(self.collection.read(keys))
        except UnreadableRecordError as error:
            if len(keys) == 1:
                return {keys[0]: error}
        return {key: found for each in keys for key, found in self.now([each]).items()}

    def _take(self, page: Page) -> None:
        for rejected in page.rejected:
            self.rejected.add(rejected)
            self.unreadable.add(self.named(rejected.problem.key))
        seen: Iterable[Record] = page.records
        if self._lens is not None:
            seen = map(self._lens, seen)
        key, digest, add, looked_at = self.key, self._record, self.digests.add, self._looked_at
        for record in seen:
            own = key(record.key)
            if looked_at is None or looked_at(own):
                add(own + digest(record))
                self.records += 1


def _chosen(share: float | None) -> Callable[[bytes], bool] | None:
    """Return the choice of keys: the same ones on both sides and in every run."""
    if share is None or share >= 1:
        return None
    limit = int(share * 2**32)
    return lambda digest: int.from_bytes(digest[-4:], "big") < limit
