"""Reads of the side that answers; while that is being decided, the other side is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import random
from typing import TypeVar

import attrs

from fluxstore.adapter import Collection, Control, Ledger
from fluxstore.calls import Read
from fluxstore.entity import Entity
from fluxstore.errors import BackendUnavailableError, SealedError, StalePhaseError
from fluxstore.query import Found, Query
from fluxstore.records import Key, Record
from fluxstore_phases.phases import Side
from fluxstore_phases.shadow import Glance, Shadow

A = TypeVar("A")
T = TypeVar("T")
_MOST_RECORDS = 1000
"""An answer with more is not compared: it would wait in memory."""


@attrs.frozen
class Deciding:
    """Reads while a cutover is being decided: between C4½ and C6 of the protocol.

    The side that hands over has stopped taking writes, so what it holds is right until the other
    side has taken over. That one is asked after the read began; it must not have.
    """

    entity: str
    here: Ledger
    there: Callable[[], Ledger]

    def read(self, read: Callable[[A], T], asked: A) -> T:
        """Return what *read* says; ``StalePhaseError`` where this side does not answer now."""
        before = self.here.control(self.entity)
        if before is None or before.role != "committing" or self._has_taken_over():
            raise self._stale()
        answer = read(asked)
        if _place(self.here.control(self.entity)) != _place(before):
            raise self._stale()
        return answer

    def _has_taken_over(self) -> bool:
        try:
            found = self.there().control(self.entity)
        except BackendUnavailableError as error:
            raise SealedError(
                f"a cutover waits for the other side, which cannot be asked: {error}",
                entity=self.entity,
                next_step="it goes on once that backend answers",
            ) from error
        return found is None or found.role != "follower"

    def _stale(self) -> StalePhaseError:
        return StalePhaseError("the phase changed during a read", entity=self.entity)


def _place(control: Control | None) -> tuple[int, str] | None:
    return None if control is None else (control.epoch, control.role)


def governed(collection: Collection, deciding: Deciding) -> Read:
    """Return the reads of the side that answers, each refused once it does not any more."""
    reads = collection.governed

    def through(checked: Callable[[A], T], plain: Callable[[A], T]) -> Callable[[A], T]:
        def call(asked: A) -> T:
            try:
                return checked(asked)
            except SealedError:
                return deciding.read(plain, asked)

        return call

    return Read(
        get=through(reads.read, collection.read),
        find=through(reads.find, collection.find),
        count=through(reads.count, collection.count),
    )


def sampled(read: Read, shadow: Shadow, entity: Entity, *, side: Side, share: float) -> Read:
    """Return the same reads; *share* of them are compared with the other side later."""
    offer = shadow.offer

    def get(keys: Sequence[Key]) -> Mapping[Key, Record]:
        records = read.get(keys)
        if random() < share:  # noqa: S311 - a sample, not a secret
            offer(Glance(entity, side, keys))
        return records

    def find(query: Query) -> Found:
        found = read.find(query)
        if random() < share and _is_comparable(query, found):  # noqa: S311 - the same
            offer(Glance(entity, side, query=query, found=found))
        return found

    return attrs.evolve(read, get=get, find=find)


def _is_comparable(query: Query, found: Found) -> bool:
    """Tell whether the other side can be asked the same: a cursor is the backend's own."""
    return query.after is None and len(found.records) <= _MOST_RECORDS
