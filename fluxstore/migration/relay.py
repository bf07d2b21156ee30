"""The relay: what the outbox's marks say may differ, carried from a backend to its follower.

A mark names a key, never a value: what travels is the *current* record with its version, so it
does not matter in which order, how often or by how many processes it is done. Only what a power
cut cannot take back is carried: a backend shows nobody a commit before it is durable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import attrs

from fluxstore.adapter import Adapter, Backlog, Mark
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import LeaseError, StalePhaseError
from fluxstore.migration import quarantine
from fluxstore.migration.carrying import Carried, Waiting, carry
from fluxstore.migration.conflicts import settle
from fluxstore.migration.progress import Stopped, never
from fluxstore.records import Key, Rejected, Version

__all__ = [
    "BATCH_KEYS",
    "Carried",
    "Drained",
    "Waiting",
    "backlog",
    "carry",
    "drain",
    "live_epoch",
    "relay_lease",
]

BATCH_KEYS = 500
_LEASE_PAUSE_SECONDS = 0.02
_CARRIED_FROM = ("authority", "sealed", "committing")


@attrs.frozen
class Drained:
    """What a drain did, and what it left."""

    applied: int
    """Changes that the follower took."""
    newer: int
    """Changes that the follower had already, or something newer."""
    cleared: int
    """Marks that are gone."""
    left: Backlog
    """Marks that are there now, whatever made them."""
    waiting: tuple[Waiting, ...] = ()
    """Keys that a rule of the follower holds back."""
    quarantined: tuple[Rejected, ...] = ()
    """Records that the follower cannot hold, or that the origin cannot read."""

    @property
    def is_empty(self) -> bool:
        """Whether no mark was left."""
        return self.left.marks == 0


def drain(
    origin: Adapter,
    follower: Adapter,
    entities: Sequence[Entity],
    *,
    epoch: int | None = None,
    limit: int | None = None,
    stopped: Stopped = never,
    patience_seconds: float = 0.0,
) -> Drained:
    """Carry marks of *entities* (parents first) until there are none, or *limit* were looked at.

    ``StalePhaseError``, and the marks stay, where the other side is no follower, or not in *epoch*
    where that is given. One drains at a time: ``LeaseError`` where another still does after
    *patience_seconds*. Ends as well where all that is left waits.
    """
    epochs = {one.name: live_epoch(origin, follower, one, epoch) for one in entities}
    with relay_lease(origin, entities, patience_seconds):
        passes = Passes(origin, follower, entities, epochs)
        passes.run(limit, stopped)
        for entity in entities:
            quarantine.reconcile(origin, follower, entity)
    return Drained(
        applied=passes.total.applied,
        newer=passes.total.newer,
        cleared=passes.total.cleared,
        left=backlog(origin, entities),
        waiting=passes.last.waiting,
        quarantined=passes.last.quarantined,
    )


class Passes:
    """Passes over the marks of some entities, for as long as they get anywhere."""

    def __init__(
        self,
        origin: Adapter,
        follower: Adapter,
        entities: Sequence[Entity],
        epochs: Mapping[str, int],
    ) -> None:
        """Begin with nothing carried."""
        self._origin, self._follower = origin, follower
        self._entities, self._epochs = entities, epochs
        self.total = self.last = Carried()
        """Of all passes; of the last one."""
        self._looked_at = 0

    def run(self, limit: int | None, stopped: Stopped) -> None:
        """Make passes until there is no mark, nothing moves, or *limit* were looked at."""
        cleared = 1
        while cleared and not stopped():
            before = self._looked_at
            self.last = Carried()
            for entity in self._entities:
                self._pass(entity, limit, stopped)
            if self.last.waiting:
                self._settle()
            self.total += self.last
            is_full = limit is not None and self._looked_at >= limit
            cleared = 0 if is_full or self._looked_at == before else self.last.cleared

    def _pass(self, entity: Entity, limit: int | None, stopped: Stopped) -> None:
        """Carry the marks that there are of *entity* now; one that stays is not tried again."""
        due = self._origin.ledger.backlog(entity.name).marks
        stuck: dict[Key, Version] = {}
        while due > 0 and not stopped():
            room = min(BATCH_KEYS, due)
            if limit is not None:
                room = min(room, max(limit - self._looked_at, 0))
            marks = self._origin.ledger.marks(entity.name, room + len(stuck))
            new = [mark for mark in marks if stuck.get(mark.key) != mark.version][:room]
            if not new:
                return
            due -= len(new)
            carried = self._carry(entity, new)
            if carried.cleared < len(new):
                stuck |= _left(entity, new, carried)

    def _carry(self, entity: Entity, marks: Sequence[Mark]) -> Carried:
        epoch = self._epochs[entity.name]
        carried = carry(self._origin, self._follower, entity, marks, epoch=epoch)
        self._looked_at += len(marks)
        self.last += carried
        return carried

    def _settle(self) -> None:
        """Try what waits together; what still waits is reported."""
        waiting = self.last.waiting
        settled = settle(self._origin, self._follower, self._entities, waiting, epochs=self._epochs)
        self.last = attrs.evolve(self.last, waiting=()) + settled


def _left(entity: Entity, marks: Sequence[Mark], carried: Carried) -> dict[Key, Version]:
    """Return the marks that stay: all of them, where not even one could be cleared."""
    text = Codec.of(entity).key_text
    spoilt = {one.problem.key for one in carried.quarantined}
    stay = {one.key for one in carried.waiting} | set(carried.absent)
    return {
        mark.key: mark.version
        for mark in marks
        if not carried.cleared or mark.key in stay or text(mark.key) in spoilt
    }


def live_epoch(origin: Adapter, follower: Adapter, entity: Entity, epoch: int | None = None) -> int:
    """Return the epoch in which *follower* follows *origin* for *entity*: the follower's own.

    During a seal, and after an unseal until the follower catches up, that is not the origin's; a
    relay that insisted on the origin's could not drain a sealed side. ``StalePhaseError`` where
    there is nothing to follow or nobody follows, or not in *epoch* where that is given.
    """
    ours, theirs = origin.ledger.control(entity.name), follower.ledger.control(entity.name)
    if ours is None or ours.role not in _CARRIED_FROM:
        found = "has no control" if ours is None else f"is {ours.role} in epoch {ours.epoch}"
        raise _stale(entity, f"marks are carried from the authority, and this side {found}")
    if theirs is None or theirs.role != "follower":
        found = "has no control" if theirs is None else f"is {theirs.role} in epoch {theirs.epoch}"
        raise _stale(entity, f"marks are carried to a follower, and the other side {found}")
    if epoch not in (None, theirs.epoch):
        raise _stale(entity, f"a follower in epoch {epoch} expected, epoch {theirs.epoch} found")
    return theirs.epoch


def _stale(entity: Entity, problem: str) -> StalePhaseError:
    return StalePhaseError(
        problem, entity=entity.name, next_step="marks stay; see `fluxstore status`"
    )


def backlog(origin: Adapter, entities: Sequence[Entity]) -> Backlog:
    """Return how many marks of all *entities* there are, and the age of the oldest."""
    found = [origin.ledger.backlog(one.name) for one in entities]
    oldest = max((one.seconds for one in found), default=0.0)
    return Backlog(sum(one.marks for one in found), oldest)


@contextmanager
def relay_lease(
    origin: Adapter, entities: Sequence[Entity], patience_seconds: float = 0.0
) -> Iterator[None]:
    """Hold the relay's lease for the context; ``LeaseError`` when patience is over.

    It keeps two relays from doing everything twice; what they do is safe without it.
    """
    name = f"relay-{entities[0].name if len(entities) == 1 else '*'}"
    until = time.monotonic() + patience_seconds
    with ExitStack() as held:
        while not _entered(held, origin.ledger.lease(name), raises=time.monotonic() >= until):
            time.sleep(_LEASE_PAUSE_SECONDS)
        yield


def _entered(held: ExitStack, lease: AbstractContextManager[None], *, raises: bool) -> bool:
    """Tell whether the lease is held now; ``LeaseError`` where patience is over."""
    try:
        held.enter_context(lease)
    except LeaseError:
        if raises:
            raise
        return False
    return True
