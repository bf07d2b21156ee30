"""What a leg carries, and how: the very record that was committed, or what is there now.

A commit says what each of its records is now and in which version, so nothing has to be read again.
Where that is not enough (deletes, transactions, a refusal) the relay's ``carry`` looks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import attrs

from fluxstore.adapter import Adapter, Crossed, Mark
from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity
from fluxstore.errors import (
    CheckError,
    ConstraintError,
    FluxstoreError,
    StalePhaseError,
    UnreadableRecordError,
)
from fluxstore.migration.carrying import crossed
from fluxstore.migration.conflicts import settle
from fluxstore.migration.relay import BATCH_KEYS, Carried, Waiting, carry, live_epoch
from fluxstore.records import Key, Record, Version, Versioned

log = logging.getLogger("fluxstore.phases")

_REFUSALS = (ConstraintError, CheckError, UnreadableRecordError)
_REMEMBERED = 10_000
_MARKS_LOOKED_AT = 200


@attrs.frozen
class Written:
    """Keys of one entity that were committed in one epoch by one operation.

    ``records`` are what they are now, for the keys of which that is sure.
    """

    entity: Entity
    epoch: int
    keys: tuple[Key, ...]
    records: Mapping[Key, Record] = attrs.field(factory=dict)
    op_id: str = ""

    def unsure(self) -> Written:
        """Return the same keys, to be looked at: more may have become of them meanwhile."""
        return Written(self.entity, self.epoch, self.keys)


@attrs.define
class Parcel:
    """What goes to the follower together: keys of one entity in one epoch."""

    entity: Entity
    epoch: int
    known: dict[Key, Versioned] = attrs.field(factory=dict)
    """Committed records with the operations that made them what they are since another version."""
    first: dict[Key, Version] = attrs.field(factory=dict)
    """Of each known key, the first version that its operations tell of."""
    looked_at: dict[Key, None] = attrs.field(factory=dict)
    """Keys whose state has to be read."""

    def add(self, written: Written) -> None:
        """Put in what a call has written."""
        for key in written.keys:
            record = written.records.get(key)
            if record is None or key in self.looked_at:
                self.known.pop(key, None)
                self.looked_at[key] = None
            else:
                self._add(key, record, written.op_id)

    def _add(self, key: Key, record: Record, op_id: str) -> None:
        before = self.known.get(key)
        if before is None:
            self.first[key] = record.version
            self.known[key] = Versioned(key, record.version, record, (op_id,))
        elif before.version < record.version and _follows(record.version, before.version):
            op_ids = (*before.op_ids, op_id)
            self.known[key] = Versioned(key, record.version, record, op_ids)
        else:  # two calls came here in another order than they were committed in
            del self.known[key]
            self.looked_at[key] = None


@attrs.define
class Receipt:
    """What the follower has taken, to be noted at the origin."""

    marks: list[Mark] = attrs.field(factory=list)
    """To be cleared."""
    crossed: list[Crossed] = attrs.field(factory=list)
    """Operations that are owed no more."""

    def add(self, other: Receipt) -> None:
        """Put in what another one says."""
        self.marks += other.marks
        self.crossed += other.crossed


def parcels(written: Iterable[Written]) -> Sequence[Parcel]:
    """Return what was *written* by entity and epoch, in the order of coming."""
    found: dict[tuple[str, int], Parcel] = {}
    for one in written:
        place = one.entity.name, one.epoch
        found.setdefault(place, Parcel(one.entity, one.epoch)).add(one)
    return tuple(found.values())


def _follows(version: Version, before: Version) -> bool:
    return (version.epoch, version.seq) == (before.epoch, before.seq + 1)


class Carriage:
    """Carries parcels, and remembers what the follower has taken."""

    def __init__(
        self,
        origin: Callable[[], Adapter],
        follower: Callable[[], Adapter],
        *,
        entities: Entities,
    ) -> None:
        """Open the two sides when they are first needed."""
        self._origin, self._follower, self._entities = origin, follower, entities
        self._taken: dict[tuple[str, Key], Version] = {}

    def carry(self, parcel: Parcel) -> tuple[str, Receipt]:
        """Carry *parcel*; return what holds a record of it back, and what the follower took.

        Raises what the backends raise; then marks stay.
        """
        settled = self._apply(parcel)
        marks = [Mark(parcel.entity.name, one.key, one.version) for one in settled]
        receipt = Receipt(marks, crossed(parcel.entity, settled, parcel.epoch))
        carried = [self._look(parcel, keys) for keys in _batches(tuple(parcel.looked_at))]
        waiting = [*chain(*(one.waiting for one in carried))]
        left = self._settled(parcel.entity, waiting) if waiting else ()
        refused = [*chain(*(one.quarantined for one in carried))]
        problems = [*(f"{one.rule}: {one.problem}" for one in left)]
        problems += [str(one.problem) for one in refused]
        return next(iter(problems), ""), receipt

    def note(self, receipt: Receipt) -> bool:
        """Note at the origin what the follower took; tell whether that could be done."""
        try:
            self._origin().ledger.clear(receipt.marks, receipt.crossed)
        except FluxstoreError as error:
            log.debug("marks of what was carried stay: %s", error)
            return False
        return True

    def _apply(self, parcel: Parcel) -> Sequence[Versioned]:
        """Apply what is known; what a rule refuses is looked at one by one afterwards."""
        if not parcel.known:
            return ()
        changes = self._complete(parcel)
        try:
            self._follower().collection(parcel.entity).apply_if_newer(changes, epoch=parcel.epoch)
        except _REFUSALS as error:
            log.debug("refused together, looked at singly: %s", error)
            parcel.looked_at.update(dict.fromkeys(parcel.known))
            return ()
        self._remember(parcel.entity, changes)
        return changes

    def _complete(self, parcel: Parcel) -> Sequence[Versioned]:
        """Return the changes, each with every operation that the follower may not have."""
        taken, name = self._taken, parcel.entity.name
        unsure = [
            key
            for key in parcel.known
            if not ((before := taken.get((name, key))) and _follows(parcel.first[key], before))
        ]
        found = self._origin().ledger.owed(name, unsure) if unsure else {}
        return [
            attrs.evolve(one, op_ids=tuple(dict.fromkeys((*found.get(one.key, ()), *one.op_ids))))
            for one in parcel.known.values()
        ]

    def _remember(self, entity: Entity, changes: Sequence[Versioned]) -> None:
        if len(self._taken) >= _REMEMBERED:
            self._taken.clear()
        for one in changes:
            self._taken[entity.name, one.key] = one.version

    def _look(self, parcel: Parcel, keys: Sequence[Key]) -> Carried:
        for key in keys:
            self._taken.pop((parcel.entity.name, key), None)
        return carry(self._origin(), self._follower(), parcel.entity, keys, epoch=parcel.epoch)

    def _settled(self, entity: Entity, waiting: Sequence[Waiting]) -> Sequence[Waiting]:
        """Carry what waits together with marked records that it may wait for; return what is left.

        A delete waits for what its cascade took, a child for its parent: their marks were made in
        the same transaction.
        """
        origin, follower = self._origin(), self._follower()
        epochs = dict(self._epochs(entity))
        related = [one for one in self._entities.parents_first() if one.name in epochs]
        known = {(one.entity, one.key) for one in waiting}
        marked = [
            Waiting(one.name, mark.key, Codec.of(one).key_text(mark.key), "reference", "")
            for one in related
            for mark in origin.ledger.marks(one.name, _MARKS_LOOKED_AT)
            if (one.name, mark.key) not in known
        ]
        settled = settle(origin, follower, related, [*waiting, *marked], epochs=epochs)
        return [one for one in settled.waiting if (one.entity, one.key) in known]

    def _epochs(self, entity: Entity) -> Iterator[tuple[str, int]]:
        """Yield what *entity*'s rules reach and follows now, each with its epoch."""
        for one in related_to(entity, self._entities):
            try:
                yield one.name, live_epoch(self._origin(), self._follower(), one)
            except StalePhaseError as error:
                log.debug("%s does not follow now: %s", one.name, error)


def related_to(entity: Entity, entities: Entities) -> Sequence[Entity]:
    """Return *entity* and all that refer to it or that it refers to, however indirectly."""
    found, open_ = {entity.name: entity}, [entity]
    while open_:
        one = open_.pop()
        names = {str(field.rules.references) for field in one.references}
        names |= {child.name for child, _ in entities.referring_to(one.name)}
        new = [entities[name] for name in sorted(names - found.keys())]
        found |= {each.name: each for each in new}
        open_ += new
    return tuple(found.values())


def _batches(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for at in range(0, len(keys), BATCH_KEYS):
        yield keys[at : at + BATCH_KEYS]
