"""Carrying keys of one entity from a backend to its follower: what is there now, if it is newer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from fluxstore.adapter import Adapter, Crossed, Mark
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import CheckError, ConstraintError, FluxstoreError, UnreadableRecordError
from fluxstore.migration import quarantine
from fluxstore.migration.current import current
from fluxstore.migration.spool import at_source
from fluxstore.records import Key, Reason, Rejected, Versioned

LATER = (Reason.UNIQUE, Reason.REFERENCE)
"""What is in the way of a record and may be out of it later."""
REFUSALS = (ConstraintError, CheckError, UnreadableRecordError)


@attrs.frozen
class Waiting:
    """A key that a rule of the follower holds back; its mark stays."""

    entity: str
    key: Key
    text: str
    """The key as text."""
    rule: str
    """``unique``, ``reference`` or ``check``."""
    problem: str


@attrs.frozen
class Carried:
    """What came of carrying some keys."""

    applied: int = 0
    """Changes that the follower took."""
    newer: int = 0
    """Changes that the follower had already, or something newer."""
    cleared: int = 0
    """Marks that are gone."""
    absent: tuple[Key, ...] = ()
    """Keys of which nothing can be carried (yet): ``Current.absent``."""
    waiting: tuple[Waiting, ...] = ()
    """Keys that a rule of the follower holds back."""
    quarantined: tuple[Rejected, ...] = ()
    """Records that the follower cannot hold, or that the origin cannot read."""

    def __add__(self, other: Carried) -> Carried:
        """Return what came of both."""
        return Carried(
            *(getattr(self, name) + getattr(other, name) for name in attrs.fields_dict(Carried))
        )


def carry(
    origin: Adapter, follower: Adapter, entity: Entity, wanted: Sequence[Mark | Key], *, epoch: int
) -> Carried:
    """Carry what *origin* has under the marks (or keys) *wanted* to *follower*, in *epoch*.

    One unit at the follower where nothing is in the way; around a record that is refused the rest
    goes on. Clears exactly the marks of what was carried. ``StalePhaseError`` where the follower
    is not follower in *epoch*: then every mark is still there.
    """
    marks = {one.key: one for one in wanted if isinstance(one, Mark)}
    found = current(origin, entity, [one.key if isinstance(one, Mark) else one for one in wanted])
    applying = Applying(follower, entity, epoch, origin.collection(entity).place())
    applying.run(found.changes)
    impossible = (*found.unreadable, *applying.impossible)
    quarantine.put_in(follower.ledger, entity, impossible)
    return Carried(
        applied=applying.applied,
        newer=len(applying.settled) - applying.applied,
        cleared=clear(origin, entity, applying.settled, marks, epoch=epoch),
        absent=found.absent,
        waiting=tuple(applying.waiting),
        quarantined=impossible,
    )


def clear(
    origin: Adapter,
    entity: Entity,
    settled: Sequence[Versioned],
    marks: Mapping[Key, Mark],
    *,
    epoch: int,
) -> int:
    """Clear the marks of what the follower has now; one that is newer stays. Return how many.

    The operations that came with it are owed no more.
    """
    done = [Mark(entity.name, change.key, change.version) for change in settled]
    older = [
        mark
        for change in settled
        if (mark := marks.get(change.key)) is not None and mark.version < change.version
    ]
    return origin.ledger.clear([*done, *older], crossed(entity, settled, epoch)) if done else 0


def crossed(entity: Entity, settled: Sequence[Versioned], epoch: int) -> list[Crossed]:
    """Return the operations that the follower has got with changes that it took in *epoch*."""
    return [Crossed(entity.name, one.key, one.op_ids, epoch) for one in settled if one.op_ids]


class Applying:
    """Changes on their way into a follower's collection; what is refused is found by halving."""

    def __init__(self, follower: Adapter, entity: Entity, epoch: int, place: str) -> None:
        """Begin with nothing applied; *place* is where the records come from."""
        self._collection = follower.collection(entity)
        self._entity, self._epoch, self._place = entity, epoch, place
        self.applied = 0
        self.settled: list[Versioned] = []
        """Changes that are there now, or overtaken by something newer."""
        self.waiting: list[Waiting] = []
        self.impossible: list[Rejected] = []
        """Records that the follower cannot hold, whatever else changes."""

    def run(self, changes: Sequence[Versioned]) -> None:
        """Apply everything that can be applied."""
        if not changes:
            return
        try:
            applied = self._collection.apply_if_newer(changes, epoch=self._epoch)
        except REFUSALS as error:
            self._around(changes, error)
        else:
            self.applied += sum(applied)
            self.settled += changes

    def _around(self, changes: Sequence[Versioned], error: FluxstoreError) -> None:
        if len(changes) > 1:
            middle = len(changes) // 2
            self.run(changes[:middle])
            self.run(changes[middle:])
        else:
            self._judge(changes[0], error)

    def _judge(self, change: Versioned, error: FluxstoreError) -> None:
        found = self._foreseen(change)
        if found is not None and found.problem.reason not in LATER:
            self.impossible.append(found)
        elif isinstance(error, ConstraintError):
            text = Codec.of(self._entity).key_text(change.key)
            waiting = Waiting(self._entity.name, change.key, text, error.rule, error.problem)
            self.waiting.append(waiting)
        else:  # the file, say, cannot be read at all: that is nothing about this record
            raise error

    def _foreseen(self, change: Versioned) -> Rejected | None:
        """Return what the follower says of the record by itself, as a problem of the origin."""
        if change.record is None:
            return None
        codec, record = Codec.of(self._entity), change.record
        for found in self._collection.foresee([record]):
            return at_source(found, record, codec, self._place)
        return None
