"""Reading one entity's records from a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from fluxstore import evaluate
from fluxstore.entity import Entity
from fluxstore.query import Found, Query
from fluxstore.records import UNTOUCHED, Key, Record
from fluxstore.testing.reference.memory import State


class ReferenceReads:
    """One entity's records, as ``state()`` has them when it is asked.

    Each read looks at one state only, control included: ``state`` may refuse.
    """

    def __init__(self, entity: Entity, state: Callable[[], State]) -> None:
        """Know the entity, and how to ask for the state."""
        self.entity = entity
        self._state = state

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        state = self._state()
        table = state.records.get(self.entity.name, {})
        return {key: self._versioned(state, table[key]) for key in keys if key in table}

    def find(self, query: Query) -> Found:
        """Return what *query* asks for."""
        return evaluate.find(self.entity, self.everything().values(), query)

    def count(self, query: Query) -> int:
        """Return how many records the filters find."""
        return evaluate.count(self.entity, self.everything().values(), query)

    def everything(self) -> dict[Key, Record]:
        """Return all records by key."""
        state = self._state()
        table = state.records.get(self.entity.name, {})
        return {key: self._versioned(state, record) for key, record in table.items()}

    def _versioned(self, state: State, record: Record) -> Record:
        version = state.versions.get(self.entity.name, {}).get(record.key, UNTOUCHED)
        return attrs.evolve(record, version=version)
