"""Records that nobody touched since phase off, and that hold what a touched one wants to have.

Two records swapped a unique value after an offline copy, in phase off, and one of them was written
since: it is carried, and meets the other at the follower, with the value that it had when it was
copied. That one has no version, so nothing would carry it. It is written as it is at the authority:
then it has a version and a mark, and both can cross together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fluxstore.adapter import Adapter
from fluxstore.entity import Entity
from fluxstore.errors import RecordNotFoundError, SealedError, StalePhaseError
from fluxstore.evaluate import reading
from fluxstore.query import Filter, Operator, Query
from fluxstore.records import Intent, Key, Put, Versioned


def touch(
    origin: Adapter, follower: Adapter, entity: Entity, changes: Sequence[Versioned]
) -> list[Key]:
    """Give a version to records that stand in the way of *changes* and have none; return them.

    Their values stay what they are. Nothing is touched where *origin* takes no writes now.
    """
    held = list(dict.fromkeys(_held(follower, entity, changes)))
    if not held:
        return []
    there, known = origin.collection(entity).read(held), origin.ledger.versions(entity.name, held)
    untouched = [key for key in held if key in there and key not in known]
    return [key for key in untouched if _touched(origin, entity, key)]


def _held(follower: Adapter, entity: Entity, changes: Iterable[Versioned]) -> Iterator[Key]:
    """Yield the keys of other records at *follower* that have a unique value of *changes*."""
    collection = follower.collection(entity)
    records = [change.record for change in changes if change.record is not None]
    for record in records:
        for group in entity.unique:
            values = [reading(entity, entity.field(name))(record.values) for name in group]
            if None in values:
                continue
            wanted = zip(group, values, strict=True)
            filters = tuple(Filter(name, Operator.EQ, value) for name, value in wanted)
            found = collection.find(Query(filters=filters, limit=1))
            yield from (one.key for one in found.records if one.key != record.key)


def _touched(origin: Adapter, entity: Entity, key: Key) -> bool:
    try:
        origin.collection(entity).commit([Put(key, {}, Intent.CHANGE)])
    except (RecordNotFoundError, SealedError, StalePhaseError):
        return False  # it is gone, or the next pass finds out who answers
    return True
