"""A live backfill between two reference backends, and how to act in the middle of it."""

from __future__ import annotations

from collections.abc import Callable

from governed import Pair, pair, parents_first
from moving import ENTITIES, Note, everything

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.migration.backfill import backfill
from fluxstore.migration.live import live_of
from fluxstore.migration.options import Options
from fluxstore.migration.relay import drain

HUNDRED = [Note(id=n, text=f"note {n}") for n in range(100)]


def loaded(*instances: object) -> Pair:
    """Return a pair whose authority had records before anybody followed it."""
    both = pair(is_governed=False)
    both.write(*instances)
    both.govern()
    return both


def run(both: Pair, **options):
    live = live_of(both.origin, both.follower, ENTITIES.values())
    assert live is not None
    return backfill(live, ENTITIES, Options(**options))


def drained(both: Pair) -> None:
    assert drain(*both.adapters, parents_first()).is_empty


def same(both: Pair, *classes: type) -> bool:
    return all(everything(both.origin, c) == everything(both.follower, c) for c in classes)


def before_merges(both: Pair, cls: type, act: Callable[[], None]) -> None:
    """Do *act* once, after the first page was read and sorted, before it is merged."""
    collection = both.follower.collection(entity_of(cls))
    merge = collection.merge

    def late(batch: Batch):
        collection.merge = merge
        act()
        return merge(batch)

    collection.merge = late
