"""The ledger: what is kept beside the records, in the same state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from fluxstore.adapter import Control, Cursor, Mark, Part
from fluxstore.entity import Entity
from fluxstore.errors import SealedError, StalePhaseError
from fluxstore.records import UNTOUCHED, Key, Rejected, Version
from fluxstore.testing.reference.memory import Memory, State
from fluxstore.testing.reference.rules import Touched


class ReferenceLedger:
    """The ledger of one backend."""

    def __init__(self, memory: Memory) -> None:
        """Keep everything in *memory*."""
        self._memory = memory

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        return control_of(self._memory.current(), entity)

    def set_control(self, entity: str, expected: Control | None, control: Control) -> bool:
        """Compare and set; writers wait, for a transaction is exclusive."""
        with self._memory.transaction() as state:
            if state.controls.get(entity) != expected:
                return False
            state.controls[entity] = control
            return True

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        known = self._memory.current().versions.get(entity, {})
        return {key: known[key] for key in keys if key in known}

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks, the oldest first."""
        marks = self._memory.current().marks.get(entity, {})
        return [Mark(entity, key, version) for key, version in list(marks.items())[:limit]]

    def clear(self, marks: Sequence[Mark]) -> int:
        """Clear each mark that still is the one given; return how many."""
        with self._memory.transaction() as state:
            return sum(_cleared(state, mark) for mark in marks)

    def cursor(self, migration: str, entity: str) -> Cursor | None:
        """Return where a migration stands, saved by the last merged batch."""
        return self._memory.current().cursors.get((migration, entity))

    def drop_cursors(self, migration: str) -> None:
        """Forget where a migration stands."""
        with self._memory.transaction() as state:
            for name in [name for name in state.cursors if name[0] == migration]:
                del state.cursors[name]

    def quarantine(self, entity: str) -> Sequence[Rejected]:
        """Return what is in quarantine of *entity*."""
        return self._memory.current().quarantine.get(entity, ())

    def set_quarantine(self, entity: str, rejected: Iterable[Rejected]) -> None:
        """Replace the quarantine of *entity*."""
        with self._memory.transaction() as state:
            state.quarantine[entity] = tuple(rejected)

    def parts(self, entity: str) -> Iterator[Part]:
        """Return the saved parts in the order of name and number."""
        return iter(self._memory.current().parts.get(entity, ()))

    def save_parts(self, entity: str, parts: Iterable[Part]) -> int:
        """Replace the parts of *entity*; return how many are new or differ."""
        with self._memory.transaction() as state:
            before = set(map(repr, state.parts.get(entity, ())))
            after = sorted(parts, key=lambda part: (part.name, part.number))
            state.parts[entity] = tuple(after)
            return sum(repr(part) not in before for part in after)

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the lease *name* while the context lasts; ``LeaseError`` if another holds it."""
        return self._memory.lease(name)


def control_of(state: State, entity: str) -> Control | None:
    """Return the control record that governs *entity*."""
    return state.controls.get(entity) or state.controls.get("*")


def fence(state: State, entity: Entity) -> None:
    """Let an application's write pass only where this backend is the authority, or alone."""
    control = control_of(state, entity.name)
    if control is None or control.role == "authority":
        return
    if control.role in ("sealed", "committing"):
        raise SealedError("writes wait for a cutover to end", entity=entity.name)
    raise StalePhaseError(
        f"this backend is {control.role} since epoch {control.epoch}",
        entity=entity.name,
        next_step="read the phase again and write to the authority",
    )


def note(state: State, touched: Touched) -> None:
    """Give each touched record its next version, and a mark where there is a follower.

    Without a control record nothing is noted but what had a version already: versions are sparse.
    """
    for (entity, key), existed in touched.items():
        control = control_of(state, entity)
        versions = state.versions.setdefault(entity, {})
        if control is None and key not in versions:
            continue
        old = versions.get(key, UNTOUCHED if existed else Version(0, 0))
        epoch = control.epoch if control else old.epoch
        gone = key not in state.table(entity)
        versions[key] = Version(epoch, old.seq + 1, deleted=gone)
        if control is not None and control.phase != "off":
            _mark(state, entity, key, versions[key])


def _mark(state: State, entity: str, key: Key, version: Version) -> None:
    marks = state.marks.setdefault(entity, {})
    marks.pop(key, None)
    marks[key] = version


def _cleared(state: State, mark: Mark) -> bool:
    marks = state.marks.get(mark.entity, {})
    found = marks.get(mark.key)
    if found is None or (found.epoch, found.seq) != (mark.version.epoch, mark.version.seq):
        return False
    del marks[mark.key]
    return True
