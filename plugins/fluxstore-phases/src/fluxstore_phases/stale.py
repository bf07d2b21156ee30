"""Answers of the follower, for who takes them where the authority cannot be reached.

Callers say so, or ``[policy]`` says so of an entity. Where the follower is only being filled, or
is a follower no more, it has none to give. Each is counted: in the follower's ledger, for the
authority's cannot be asked.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fluxstore.adapter import Adapter, Ledger
from fluxstore.calls import Read
from fluxstore.entity import Entity
from fluxstore.errors import FluxstoreError, LeaseError, StalePhaseError
from fluxstore_phases.attendant import Attendant
from fluxstore_phases.phases import Side

log = logging.getLogger("fluxstore.phases")

FACT = "stale_reads"
"""The follower's fact: ``{"count": …, "entities": {…}, "last": …}``; ``last`` is its clock."""
_BETWEEN_SECONDS = 1.0
A = TypeVar("A")
T = TypeVar("T")


class StaleReads(Attendant):
    """Gives stale answers and counts them; what was counted is written down soon after."""

    def __init__(self, adapter: Callable[[Side], Adapter]) -> None:
        """Ask *adapter* for the side that follows."""
        self._adapter = adapter
        super().__init__("fluxstore-stale-reads")

    def forget(self) -> None:
        """Begin with nothing counted."""
        super().forget()
        self._counts: dict[Side, Counter[str]] = {side: Counter() for side in Side}

    def of(self, entity: Entity, follower: Side) -> Read:
        """Return reads of *follower*; ``StalePhaseError`` once it does not follow any more."""

        def through(pick: Callable[[Any], Callable[[A], T]]) -> Callable[[A], T]:
            def call(asked: A) -> T:
                adapter = self._adapter(follower)
                control = adapter.ledger.control(entity.name)
                if control is None or control.role != "follower":
                    raise StalePhaseError("does not follow any more", entity=entity.name)
                answer = pick(adapter.collection(entity))(asked)
                self._count(entity, follower)
                return answer

            return call

        return Read(
            get=through(lambda collection: collection.read),
            find=through(lambda collection: collection.find),
            count=through(lambda collection: collection.count),
        )

    def _count(self, entity: Entity, follower: Side) -> None:
        if not any(counts.total() for counts in self._counts.values()):
            log.warning("the authority is away: %s is answered as the follower has it", entity.name)
        self._counts[follower][entity.name] += 1
        if not self.is_running():
            self.start()

    def turn(self) -> float | None:
        """Write down what was counted."""
        waiting = [side for side, counts in self._counts.items() if counts.total()]
        for side in waiting:
            self._keep(side)
        return _BETWEEN_SECONDS if waiting else None

    def close(self, seconds: float = 10.0) -> None:
        """End; what was counted is written down first."""
        super().close(seconds)
        for side in [side for side, counts in self._counts.items() if counts.total()]:
            self._keep(side)

    def _keep(self, side: Side) -> None:
        counted = Counter(self._counts[side])
        try:
            _add(self._adapter(side).ledger, counted)
        except LeaseError as error:
            log.debug("stale answers are counted later: %s", error)
        except FluxstoreError as error:
            log.warning("%d stale answers are not counted yet: %s", counted.total(), error)
        else:
            self._counts[side].subtract(counted)


def _add(ledger: Ledger, counted: Counter[str]) -> None:
    """Add to the fact; several processes do, one after the other."""
    with ledger.lease(FACT):
        before = ledger.fact(FACT) or {}
        entities = Counter(before.get("entities", {})) + counted
        ledger.set_fact(
            FACT, {"count": entities.total(), "entities": dict(entities), "last": time.time()}
        )


def told(ledgers: Iterable[Ledger]) -> dict[str, Any] | None:
    """Return how many stale answers all *ledgers* know of; ``None`` where none was given."""
    found: list[dict[str, Any]] = []
    for ledger in ledgers:
        try:
            fact = ledger.fact(FACT)
        except FluxstoreError as error:
            log.info("a side that is away may know of more stale answers: %s", error)
            continue
        found += [fact] if fact else []
    if not found:
        return None
    entities: Counter[str] = sum((Counter(one["entities"]) for one in found), Counter())
    return {
        "count": entities.total(),
        "entities": dict(entities),
        "age_seconds": round(max(0.0, time.time() - max(one["last"] for one in found)), 1),
    }
