"""Recording what real code does, as events of the model.

A backend is wrapped so that each of its verbs that matters to the protocol is told in the order in
which it took effect: one lock around everything makes that order certain. Who did it is told by the
name of the thread. What has no effect that the protocol knows (a leg whose mark is gone already, a
change of a phase's name alone) is no event.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from conducted import ENTITY
from protocol_model.explorer import Event
from protocol_model.state import SIDES

from fluxstore.adapter import Control, Mark, Opening
from fluxstore.errors import RecordNotFoundError, StalePhaseError
from fluxstore.records import Delete, Version, Versioned
from fluxstore.testing.reference import ReferenceAdapter

LATE = (("follower", "authority"), ("sealed", "committing"))
"""Changes of role that the model sends as messages: each is sent, and arrives."""
LEG, CARRIERS = "fluxstore-leg", 6
"""How a leg's thread is called; how many may carry a key at once."""


class Recorder:
    """Events in the order in which they took effect."""

    def __init__(self, keys: int) -> None:
        """Begin with nothing; *keys* is how many the scenario has."""
        self.lock = threading.RLock()
        self._told: list[tuple[float, Event]] = []
        self._keys = keys
        self._turn = dict.fromkeys(range(keys), 0)
        self._committed: dict[tuple[int, int, Version], int] = {}
        """Side, key and version to the place of the commit that made it."""
        self._under_way: dict[tuple[int, int, Version], str] = {}
        """Side, key and version to the model's relay that has applied it."""
        self.reading: dict[tuple[str, int, int], str] = {}
        """Thread, side and key to the model's relay that it is, having read a marked record."""
        self.is_filling = False
        """Whether what is scanned is scanned by a backfill that has not finished."""

    def tell(
        self,
        actor: str,
        verb: str | None,
        side: int | None,
        key: Any = None,
        *,
        at: float | None = None,
    ) -> None:
        """Add an event, where it happened or *at* an earlier place."""
        where = None if side is None else SIDES[side]
        event = Event(actor, verb, where, None if key is None else int(key[1:]))
        self._told.append((len(self._told) if at is None else at, event))

    @property
    def events(self) -> list[Event]:
        """Everything, in order."""
        return [event for _, event in sorted(self._told, key=lambda told: told[0])]

    def commit(self, actor: str, verb: str, side: int, key: str, version: Version | None) -> None:
        """Add a commit, and remember which version it made."""
        if version is not None:
            self._committed[side, int(key[1:]), version] = len(self._told)
        self.tell(actor, verb, side, key)

    def relay(self, key: str) -> str:
        """Return a relay of the model that may carry *key*: each in its turn."""
        number = int(key[1:])
        self._turn[number] = (self._turn[number] + 1) % CARRIERS
        return f"relay {self._keys * self._turn[number] + number}"

    def reads(self, side: int, key: str, *, marked: bool) -> None:
        """Add that this thread has read a record in order to carry it, where it is *marked*."""
        self.reading.pop(self.place(side, key), None)
        if marked:
            self.reading[self.place(side, key)] = relay = self.relay(key)
            self.tell(relay, "reads", side, key)

    def applies(self, side: int, change: Versioned, verb: str) -> None:
        """Add what came of carrying; a leg's record was read when its commit returned it."""
        origin = 1 - side
        place = origin, int(change.key[1:]), change.version
        relay = self.reading.pop(self.place(origin, change.key), None)
        is_leg = threading.current_thread().name.startswith(LEG)
        if relay is None and is_leg and place in self._committed:
            relay = self.relay(change.key)
            self.tell(relay, "reads", origin, change.key, at=self._committed[place] + 0.5)
        if relay is None or (is_leg and verb == "is refused"):
            return  # without an effect that the model knows
        self.tell(relay, verb, side, change.key)
        self._under_way[place] = relay

    def clears(self, side: int, mark: Mark) -> None:
        """Add that a mark was cleared."""
        relay = self._under_way.pop((side, int(mark.key[1:]), mark.version), None)
        if relay is not None:
            self.tell(relay, "clears", side, mark.key)

    def place(self, side: int, key: str) -> tuple[str, int, int]:
        """Return where it is kept whether this thread carries a mark of *key*."""
        return threading.current_thread().name, side, int(key[1:])

    def tell_all_read(self, side: int) -> None:
        """Add that a backfill has read every record."""
        for number in range(self._keys):
            self.tell("backfill 0", "reads", side, f"k{number}")


class Watched:
    """Something whose verbs are recorded; all others pass."""

    def __init__(self, honest: Any, side: int, recorder: Recorder) -> None:
        self._honest, self._side, self._recorder = honest, side, recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)


class WatchedCollection(Watched):
    """A collection: commits, legs, batches, and what carriers read."""

    def read(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        """Read; a carrier's look at a record that is marked is the model's *reads*."""
        with self._recorder.lock:
            found = self._honest.read(keys)
            if not threading.current_thread().name.startswith("writer"):
                self._carrying(keys)
            return found

    def _carrying(self, keys: Sequence[Any]) -> None:
        marked = {mark.key for mark in self._honest_ledger().marks(ENTITY.name, 100)}
        for key in keys:
            self._recorder.reads(self._side, key, marked=key in marked)

    def _honest_ledger(self) -> Any:
        return BOTH[self._side].honest_ledger

    def scan(self, cursor: str | None, limit: int) -> Any:
        """Scan; a backfill's look at all records is the model's *reads* of each."""
        with self._recorder.lock:
            page = self._honest.scan(cursor, limit)
            if self._recorder.is_filling and page.cursor is None:
                self._recorder.tell_all_read(self._side)
            return page

    def merge(self, batch: Any) -> Any:
        """Merge; the model's *merges*, which ends the backfill of so few records."""
        with self._recorder.lock:
            merged = self._honest.merge(batch)
            if batch.epoch is not None and self._recorder.is_filling:
                self._recorder.tell("backfill 0", "merges", self._side)
                self._recorder.is_filling = False
            return merged

    def commit(self, changes: Sequence[Any], **options: Any) -> Mapping[Any, Any]:
        """Commit; the model's *adds*, *deletes*, *finds nothing*."""
        actor = threading.current_thread().name
        with self._recorder.lock:
            verb = "deletes" if isinstance(changes[0], Delete) else "adds"
            try:
                made = self._honest.commit(changes, **options)
            except RecordNotFoundError:
                if verb == "deletes":
                    self._recorder.tell(actor, "finds nothing", self._side, changes[0].key)
                raise
            key = changes[0].key
            version = self._honest_ledger().versions(ENTITY.name, [key]).get(key)
            self._recorder.commit(actor, verb, self._side, key, version)
            return made

    def apply_if_newer(self, changes: Sequence[Versioned], **options: Any) -> Sequence[bool]:
        """Apply; the model's *applies* or *is refused*, of a carrier whose mark was there."""
        with self._recorder.lock:
            try:
                applied = self._honest.apply_if_newer(changes, **options)
            except StalePhaseError:
                self._told(changes, "is refused")
                raise
            self._told(changes, "applies")
            return applied

    def _told(self, changes: Sequence[Versioned], verb: str) -> None:
        for change in changes:
            self._recorder.applies(self._side, change, verb)


class WatchedLedger(Watched):
    """A ledger: cleared marks, and changes of control."""

    def clear(self, marks: Sequence[Any], crossed: Sequence[Any] = ()) -> int:
        """Clear; the model's *clears*, whether or not the mark still was there."""
        with self._recorder.lock:
            cleared = self._honest.clear(marks, crossed)
            for mark in marks:
                self._recorder.clears(self._side, mark)
            return cleared

    def set_control(
        self, entity: str, expected: Control | None, control: Control | None, **options: Any
    ) -> bool:
        """Compare and set; the model's steps of the migrator."""
        with self._recorder.lock:
            done = self._honest.set_control(entity, expected, control, **options)
            if done and control is not None and not _is_same(expected, control):
                self._changed(expected, control)
            return done

    def _changed(self, expected: Control | None, control: Control) -> None:
        was = expected.role if expected is not None else None
        self._recorder.tell("migrator", None, self._side)
        if (was, control.role) in LATE:
            self._recorder.tell("message", "arrives", self._side)


def _is_same(expected: Control | None, control: Control) -> bool:
    """Tell whether only the phase's name differs, or the beginning is written down."""
    if expected is None:
        return control.phase == "off"
    return (expected.epoch, expected.role) == (control.epoch, control.role)


class RecordedAdapter(ReferenceAdapter):
    """A reference backend that is one side of a recorded run: ``source`` or ``target``."""

    recorder: Recorder

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        side = SIDES.index(opening.backend)
        self.honest_ledger = self.ledger
        self.ledger = WatchedLedger(self.ledger, side, self.recorder)
        honest = super().collection(ENTITY)
        self._watched: Any = WatchedCollection(honest, side, self.recorder)
        BOTH[side] = self

    def collection(self, entity: Any) -> Any:
        return self._watched


BOTH: dict[int, RecordedAdapter] = {}
"""The sides of the run that is being recorded."""
