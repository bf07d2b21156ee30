"""Shadow reads: a share of what was read is compared with the other side, off the caller's path.

A caller pays for putting what it asked into a queue, whatever the other side does. A difference
counts only where no mark explains it, and two looks at the same version of the authority find it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from fluxstore.adapter import Adapter, Collection
from fluxstore.calls import Reports
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import FluxstoreError, StalePhaseError
from fluxstore.migration.relay import live_epoch
from fluxstore.query import Found, Query
from fluxstore.records import UNTOUCHED, Key, Record, Version
from fluxstore_phases.attendant import Attendant
from fluxstore_phases.divergences import Divergence, Divergences
from fluxstore_phases.phases import Side

log = logging.getLogger("fluxstore.phases")

CAPACITY = 1000
"""How many reads may wait to be compared; more are dropped, and counted."""
_TURN_SECONDS = 0.1
_AWAY_SECONDS = 5.0
_BETWEEN_LOOKS_SECONDS = 0.2
_GIVE_UP_SECONDS = 60.0
_MARKS_LOOKED_AT = 1000


@attrs.frozen
class Glance:
    """One read of an application that is to be compared: of keys, or of a query."""

    entity: Entity
    authority: Side
    keys: Sequence[Key] = ()
    query: Query | None = None
    found: Found | None = None


@attrs.define
class Suspect:
    """A record that differed, and has to be looked at again."""

    entity: Entity
    authority: Side
    key: Key
    due: float
    until: float
    version: Version | None = None
    """The authority's at the last look that found a difference."""


@attrs.frozen
class Pair:
    """One key at both sides: the follower's record was read first, then the authority's."""

    ours: Record | None
    theirs: Record | None
    version: Version
    """The authority's; a tombstone's where there is no record."""


class Shadow(Attendant):
    """Compares what was put into its queue."""

    def __init__(self, adapter: Callable[[Side], Adapter], *, reports: Reports | None) -> None:
        """Ask *adapter* for the two sides; tell *reports* of what differs."""
        self._adapter = adapter
        self._divergences = Divergences(reports)
        super().__init__("fluxstore-shadow")

    def forget(self) -> None:
        """Begin with an empty queue."""
        super().forget()
        self._queue: deque[Glance] = deque()
        self.dropped = 0
        self._suspects: dict[tuple[str, Key], Suspect] = {}
        self._trouble = ""

    def offer(self, glance: Glance) -> None:
        """Have a read compared some time; dropped where too many wait."""
        if len(self._queue) < CAPACITY:
            self._queue.append(glance)
        else:
            self.dropped += 1
        if not self.is_running():
            self.start()

    def turn(self) -> float:
        """Compare what was read, and look again at what differed."""
        try:
            while self._queue and not self.is_closing():
                self._compare(self._queue.popleft())
            self._look_again()
            self._divergences.keep(lambda side: self._adapter(side).ledger)
        except FluxstoreError as error:
            if str(error) != self._trouble:
                log.warning("shadow reads wait: %s", error)
            self._trouble = str(error)
            self._queue.clear()
            return _AWAY_SECONDS
        self._trouble = ""
        return _TURN_SECONDS

    def _compare(self, glance: Glance) -> None:
        keys = self._asked(glance)
        dropped, self.dropped = self.dropped, 0
        self._divergences.counted(glance.authority, compared=1, dropped=dropped)
        for key in differing(self._pairs(glance.entity, glance.authority, keys), glance.entity):
            self._suspect(glance, key)

    def _asked(self, glance: Glance) -> Sequence[Key]:
        """Return the keys to be compared: of a query, those that either side finds."""
        if glance.query is None or glance.found is None:
            return glance.keys
        there = self._collection(glance.entity, glance.authority.other).find(glance.query)
        both = (*glance.found.records, *there.records)
        return tuple(dict.fromkeys(record.key for record in both))

    def _suspect(self, glance: Glance, key: Key) -> None:
        now = time.monotonic()
        if len(self._suspects) < CAPACITY:
            self._suspects.setdefault(
                (glance.entity.name, key),
                Suspect(glance.entity, glance.authority, key, now, now + _GIVE_UP_SECONDS),
            )

    def _look_again(self) -> None:
        now = time.monotonic()
        due = [one for one in self._suspects.values() if one.due <= now]
        for (name, side), some in _by_entity(due).items():
            marked = self._marked(name, side)
            for one in some:
                if marked is None or one.key in marked:
                    self._later(one, None)
                else:
                    self._look(one)

    def _marked(self, entity: str, authority: Side) -> set[Key] | None:
        """Return the keys that may differ still; ``None`` where that may be any."""
        marks = self._adapter(authority).ledger.marks(entity, _MARKS_LOOKED_AT)
        return None if len(marks) == _MARKS_LOOKED_AT else {mark.key for mark in marks}

    def _look(self, one: Suspect) -> None:
        pairs = self._pairs(one.entity, one.authority, [one.key])
        if not differing(pairs, one.entity) or not self._is_current(one):
            del self._suspects[one.entity.name, one.key]
        elif one.version != pairs[one.key].version:
            self._later(one, pairs[one.key].version)
        else:
            del self._suspects[one.entity.name, one.key]
            self._divergences.add(self._described(one, pairs[one.key]), one.authority)

    def _is_current(self, one: Suspect) -> bool:
        """Tell whether the sides still have the roles that they had when it was read."""
        try:
            live_epoch(self._adapter(one.authority), self._adapter(one.authority.other), one.entity)
        except StalePhaseError as error:
            log.debug("what differed is not looked at any more: %s", error)
            return False
        return True

    def _later(self, one: Suspect, version: Version | None) -> None:
        now = time.monotonic()
        if now > one.until:
            del self._suspects[one.entity.name, one.key]
            return
        one.version, one.due = version, now + _BETWEEN_LOOKS_SECONDS

    def _described(self, one: Suspect, pair: Pair) -> Divergence:
        fields: tuple[str, ...] = ()
        if pair.ours is not None and pair.theirs is not None:
            fields = Codec.of(one.entity).differing(pair.ours, pair.theirs)
        return Divergence(one.entity, Codec.of(one.entity).key_text(one.key), fields, _kind(pair))

    # looking

    def _pairs(self, entity: Entity, authority: Side, keys: Sequence[Key]) -> Mapping[Key, Pair]:
        """Read the follower first: it is never ahead, so a newer record there is an error."""
        theirs = self._collection(entity, authority.other).read(keys)
        ours = self._collection(entity, authority).read(keys)
        gone = [key for key in keys if key not in ours]
        versions = self._adapter(authority).ledger.versions(entity.name, gone) if gone else {}
        return {
            key: Pair(
                ours.get(key),
                theirs.get(key),
                ours[key].version if key in ours else versions.get(key, UNTOUCHED),
            )
            for key in keys
        }

    def _collection(self, entity: Entity, side: Side) -> Collection:
        return self._adapter(side).collection(entity)


def differing(pairs: Mapping[Key, Pair], entity: Entity) -> Sequence[Key]:
    """Return the keys whose two records are not equal, field by field in canonical form."""
    same = Codec.of(entity).record_bytes
    return [
        key
        for key, pair in pairs.items()
        if (pair.ours and same(pair.ours)) != (pair.theirs and same(pair.theirs))
    ]


def _kind(pair: Pair) -> str:
    if pair.theirs is None:
        return "missing"
    if pair.ours is None:
        return "orphan"
    return "ahead" if pair.theirs.version > pair.version else "diverged"


def _by_entity(suspects: Iterable[Suspect]) -> Mapping[tuple[str, Side], Sequence[Suspect]]:
    found: dict[tuple[str, Side], list[Suspect]] = {}
    for one in suspects:
        found.setdefault((one.entity.name, one.authority), []).append(one)
    return found
