"""The ledger: what is kept beside the records, in the same state."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from fluxstore.adapter import Backlog, Control, Crossed, Cursor, Mark, Part, Touch
from fluxstore.records import Key, Rejected, Version
from fluxstore.testing.reference.fence import (
    cleared,
    control_of,
    cross,
    forget,
    last_touch,
    owed,
)
from fluxstore.testing.reference.memory import Memory


class ReferenceLedger:
    """The ledger of one backend."""

    def __init__(self, memory: Memory) -> None:
        """Keep everything in *memory*."""
        self._memory = memory

    def controls(self) -> Mapping[str, Control]:
        """Return every control record by entity (or ``*``)."""
        return dict(self._memory.current().controls)

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        return control_of(self._memory.current(), entity)

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Compare and set; a transaction is exclusive, so none is open meanwhile."""
        with self._memory.transaction(patience_seconds) as state:
            if state.controls.get(entity) != expected:
                return False
            if purge:
                forget(state, entity)
            state.controls.pop(entity, None)
            if control is not None:
                state.controls[entity] = control
            return True

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        known = self._memory.current().versions.get(entity, {})
        return {key: known[key] for key in keys if key in known}

    def touched(self, entity: str, after: int, limit: int) -> Sequence[Touch]:
        """Return up to *limit* touched keys beyond *after*, the last written last."""
        found = self._memory.current().touches.get(entity, {}).items()
        return [Touch(key, number) for key, number in found if number > after][:limit]

    def last_touch(self, entity: str) -> int:
        """Return the place of the last key that was written; a transaction is exclusive."""
        return last_touch(self._memory.current(), entity)

    def operations(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return the ids of the operations that changed *keys*; all of them may be repeated."""
        known = self._memory.current().ops.get(entity, {})
        return {key: known[key] for key in keys if key in known}

    def owed(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return those of them that are not known to have crossed."""
        state = self._memory.current()
        found = {key: owed(state, entity, key) for key in keys}
        return {key: op_ids for key, op_ids in found.items() if op_ids}

    def operated(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys that operations have changed, in an order of their own."""
        keys = sorted(self._memory.current().ops.get(entity, {}), key=repr)
        return [key for key in keys if after is None or repr(key) > repr(after)][:limit]

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks, the oldest first."""
        marks = list(self._memory.current().marks.get(entity, {}).items())
        return [Mark(entity, key, version) for key, (version, _) in marks[:limit]]

    def backlog(self, entity: str) -> Backlog:
        """Return how many marks there are, and how old the oldest is."""
        marks = self._memory.current().marks.get(entity, {})
        now = time.time()
        oldest = min((made for _, made in marks.values()), default=now)
        return Backlog(len(marks), max(0.0, now - oldest))

    def clear(self, marks: Sequence[Mark], crossed: Sequence[Crossed] = ()) -> int:
        """Clear each mark that still is the one given; return how many."""
        with self._memory.transaction() as state:
            for one in crossed:
                cross(state, one)
            return sum(cleared(state, mark) for mark in marks)

    def fact(self, name: str) -> Any:
        """Return the JSON value that is kept under *name*, or ``None``."""
        return copy.deepcopy(self._memory.current().facts.get(name))

    def set_fact(self, name: str, value: Any) -> None:
        """Keep a JSON value under *name*; ``None`` forgets it."""
        with self._memory.transaction() as state:
            state.facts.pop(name, None)
            if value is not None:
                state.facts[name] = copy.deepcopy(value)

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
