"""One entity of a live backfill: untouched records are merged, touched ones carried."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from fluxstore.adapter import Batch, Collection, Cursor, Merged, Page
from fluxstore.errors import MigrationError, StalePhaseError
from fluxstore.migration.carrying import Carried, Waiting, carry
from fluxstore.migration.copy import EntityCopy
from fluxstore.migration.current import readable
from fluxstore.migration.live import Live
from fluxstore.migration.patience import Patience
from fluxstore.migration.steering import Steering
from fluxstore.records import UNTOUCHED, Key, Record, Versioned

T = TypeVar("T")
FENCE_SECONDS = 0.1
"""How long a batch may keep other writes of its entity at the follower waiting."""
_SCANS = 5
_CARRIED_AT_ONCE = 500


class LiveCopy(EntityCopy):
    """Copies one entity while writers are at work.

    A record that nobody has touched is merged, unless the follower knows a version of its key. Who
    touched what is asked *after* a page was read: what has no version then had none when it was
    read. Everything else is carried as the relay carries it, so it does not matter what was read.
    """

    def __init__(self, live: Live, steering: Steering, *args: Any, **options: Any) -> None:
        """Take the roles, and the rest as ``EntityCopy`` does."""
        super().__init__(*args, throttle=steering, **options)
        self.live = live
        self._steering = steering
        self._waiting: dict[Key, Waiting] = {}
        self._acquitted: set[Key] = set()

    def _pages(self) -> Iterator[tuple[Page, str | None]]:
        """Yield all pages, again from the start where the source's order was lost in between."""
        for _ in range(_SCANS - 1):
            try:
                yield from super()._pages()
                return
            except MigrationError:  # its file was replaced: what is there already stays
                self._resume, self.resumed = False, 0
        yield from super()._pages()

    def _batch(self, records: Sequence[Record], cursor: Cursor | None) -> None:
        ledger = self.live.authority.adapter.ledger
        keys = [record.key for record in records]
        touched = ledger.versions(self.entity.name, keys)
        done = ledger.owed(self.entity.name, [key for key in keys if key not in touched])
        untouched = [one for one in records if one.key not in touched]
        if done:  # the cursor comes after everything that it covers
            super()._batch(untouched, None)
            self._carry_operations(done)
            untouched = []
        super()._batch(untouched, cursor)
        if touched:
            self.carry(list(touched))

    def _carry_operations(self, done: Mapping[Key, Sequence[str]]) -> None:
        """Let the follower know what was done in phase off to records that nobody touched since.

        Who repeats such an operation after a cutover is recognised. What the follower has under a
        key is as new as an untouched record at least, so nothing is written but the operations.
        """
        collection = self.live.follower.adapter.collection(self.entity)
        there = collection.read(list(done))
        changes = [
            Versioned(key, UNTOUCHED, record, tuple(done[key])) for key, record in there.items()
        ]
        self._take(collection, changes)

    def carry_deletes(self) -> None:
        """Let the follower know what was deleted in phase off, and may still be repeated.

        Those records are gone, and nothing else tells of them. What has a version was carried with
        it; one that comes anew is newer than any that nobody touched.
        """
        authority = self.live.authority.adapter
        collection = self.live.follower.adapter.collection(self.entity)
        after: Key | None = None
        while keys := authority.ledger.operated(self.entity.name, after, _CARRIED_AT_ONCE):
            after = keys[-1]
            known, _ = readable(authority, self.entity, keys)
            touched = authority.ledger.versions(self.entity.name, keys)
            gone = [key for key in keys if key not in known and key not in touched]
            done = authority.ledger.owed(self.entity.name, gone) if gone else {}
            changes = [
                Versioned(key, attrs.evolve(UNTOUCHED, deleted=True), None, tuple(op_ids))
                for key, op_ids in done.items()
            ]
            if changes:
                self._take(collection, changes)

    def _take(self, collection: Collection, changes: Sequence[Versioned]) -> None:
        self.in_epoch(lambda epoch: collection.apply_if_newer(changes, epoch=epoch))

    def carry(self, keys: Sequence[Key]) -> None:
        """Carry what the authority has under *keys* now."""
        for at in range(0, len(keys), _CARRIED_AT_ONCE):
            self._carry(keys[at : at + _CARRIED_AT_ONCE])

    def _carry(self, keys: Sequence[Key]) -> None:
        adapters, entity = self.live.adapters, self.entity
        self.took(self.in_epoch(lambda epoch: carry(*adapters, entity, keys, epoch=epoch)))

    def took(self, carried: Carried) -> None:
        """Count what was carried."""
        self.written += carried.applied
        self.unchanged += carried.newer
        self._waiting |= {one.key: one for one in carried.waiting}

    def take_waiting(self) -> list[Waiting]:
        """Return the touched records that a rule holds back, and forget them."""
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting

    def acquit(self, record: Record) -> None:
        """Copy a record after all that the survey took for one that stays behind."""
        self._acquitted.add(record.key)
        self._batch([record], None)

    def is_acquitted(self, key: Key) -> bool:
        """Tell whether the record *key* crosses though the survey has listed it."""
        return key in self._acquitted

    def _stays(self, record: Record) -> bool:
        return record.key not in self._acquitted and super()._stays(record)

    def _merge(self, batch: Batch) -> Merged:
        begun = time.monotonic()
        merged = self.in_epoch(
            lambda epoch: super(LiveCopy, self)._merge(attrs.evolve(batch, epoch=epoch))
        )
        self._steering.felt(len(batch.records), time.monotonic() - begun)
        return merged

    def in_epoch(self, call: Callable[[int], T]) -> T:
        """Return what *call* makes of the entity's epoch; again where that was in vain.

        An epoch may have begun meanwhile, and a backend that is away may come back: what a batch
        or a key does can be done twice.
        """
        patiently = Patience(self._stopped, self._steering.rest)
        while True:
            try:
                return patiently(lambda: call(self.live.epochs[self.entity.name]))
            except StalePhaseError:
                self._renew()

    def _renew(self) -> None:
        """Look at the roles again; ``StalePhaseError`` where that tells nothing new."""
        before, self.live = self.live, self.live.again()
        if self.live.epochs == before.epochs:
            raise StalePhaseError(
                f"{self.live.follower.name} takes nothing though both sides are at one epoch",
                entity=self.entity.name,
                next_step="run it again",
            )
