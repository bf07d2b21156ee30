"""What a backend says of some keys now: each as a change that can be applied elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from fluxstore.adapter import Adapter
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import UnreadableRecordError
from fluxstore.records import UNTOUCHED, Key, Problem, Reason, Record, Rejected, Versioned


@attrs.frozen
class Current:
    """The state of some keys of one entity at one backend."""

    changes: tuple[Versioned, ...]
    """Records and tombstones, each with its version and the operations that have not crossed."""
    unreadable: tuple[Rejected, ...] = ()
    """What is there and cannot be decoded."""
    absent: tuple[Key, ...] = ()
    """Keys of which nothing can be carried: their record is gone and no tombstone is there yet, or
    nobody has touched it: without a version it could bring back what is deleted there."""


def current(origin: Adapter, entity: Entity, keys: Sequence[Key]) -> Current:
    """Return what *origin* says of *keys* now.

    The order matters. A record comes with its version in one read; the tombstone of a key that is
    absent is looked up after that; the operations that have not crossed last, so that none of a
    version that travels is left behind (one more than the version has is done as well: it is
    committed).
    """
    distinct = list(dict.fromkeys(keys))
    records, unreadable = readable(origin, entity, distinct)
    spoilt = {one.problem.key for one in unreadable}
    text = Codec.of(entity).key_text
    missing = [k for k in distinct if k not in records and text(k) not in spoilt]
    versions = origin.ledger.versions(entity.name, missing) if missing else {}
    gone = [key for key in missing if key in versions and versions[key].deleted]
    done = origin.ledger.owed(entity.name, [*records, *gone])
    changes = [
        Versioned(key, record.version, record, tuple(done.get(key, ())))
        for key, record in records.items()
        if record.version != UNTOUCHED
    ]
    changes += [Versioned(key, versions[key], None, tuple(done.get(key, ()))) for key in gone]
    carried = {change.key for change in changes}
    absent = tuple(k for k in distinct if k not in carried and text(k) not in spoilt)
    return Current(tuple(changes), tuple(unreadable), absent)


def readable(
    adapter: Adapter, entity: Entity, keys: Sequence[Key]
) -> tuple[Mapping[Key, Record], list[Rejected]]:
    """Return the records of *keys*, and those that cannot be decoded as problems."""
    collection = adapter.collection(entity)
    try:
        return collection.read(keys), []
    except UnreadableRecordError:
        return _one_by_one(adapter, entity, keys)


def _one_by_one(
    adapter: Adapter, entity: Entity, keys: Iterable[Key]
) -> tuple[Mapping[Key, Record], list[Rejected]]:
    collection = adapter.collection(entity)
    records: dict[Key, Record] = {}
    rejected: list[Rejected] = []
    for key in keys:
        try:
            records |= collection.read([key])
        except UnreadableRecordError as error:
            rejected += _rejected(entity, key, error, collection.place())
    return records, rejected


def _rejected(
    entity: Entity, key: Key, error: UnreadableRecordError, place: str
) -> Iterator[Rejected]:
    yield Rejected(
        Problem(
            entity=entity.name,
            reason=Reason.UNREPRESENTABLE,
            expected=error.problem,
            key=Codec.of(entity).key_text(key),
            field=error.field,
            file=error.file or place,
        )
    )
