"""The adapter itself: opening, transactions, what ``doctor`` is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar

import attrs

from fluxstore.adapter import Capability, Finding, Ledger, Opening, Use
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError
from fluxstore.testing.reference.collection import ReferenceCollection
from fluxstore.testing.reference.fence import let_write
from fluxstore.testing.reference.ledger import ReferenceLedger
from fluxstore.testing.reference.memory import FileMemory, Memory

_CAPABILITIES = frozenset(
    {
        Capability.DURABLE,
        Capability.TRANSACTIONS,
        Capability.ATOMIC_LEDGER,
        Capability.FENCING,
        Capability.KEY_ORDER,
        Capability.SNAPSHOT,
    }
)


@attrs.frozen
class Settings:
    """``path``: the file that keeps everything; without it, memory does until closing."""

    path: str | None = None


@attrs.frozen
class EntitySettings:
    """Nothing can be set for an entity."""


class ReferenceAdapter:
    """A backend in memory, or in one file."""

    name: ClassVar[str] = "reference"
    Settings: ClassVar[type] = Settings
    EntitySettings: ClassVar[type] = EntitySettings
    capabilities: frozenset[Capability] = _CAPABILITIES

    def __init__(self, opening: Opening) -> None:
        """Open the backend; ``ConfigError`` where a source's file is not there."""
        self.backend = opening.backend
        self.entities = opening.entities
        self.memory = self.open_memory(opening)
        self.ledger: Ledger = ReferenceLedger(self.memory)
        if not self.memory.durable:
            self.capabilities = _CAPABILITIES - {Capability.DURABLE}
        self._collections = {
            one.name: ReferenceCollection(one, self.entities, self.memory)
            for one in self.entities.values()
        }

    def open_memory(self, opening: Opening) -> Memory:
        """Return where the state is kept; an adapter made of this one says another place."""
        if opening.settings.path is None:
            return Memory(opening.backend, read_only=opening.use is Use.SOURCE)
        return FileMemory(opening.backend, file_of(opening), read_only=opening.use is Use.SOURCE)

    def collection(self, entity: Entity) -> ReferenceCollection:
        """Return the collection of *entity*."""
        return self._collections[entity.name]

    @contextmanager
    def transaction(self, governed: Sequence[Entity] = ()) -> Iterator[None]:
        """Make all commits of this thread one; other threads and processes wait to write."""
        with self.memory.transaction() as state:
            for entity in governed:
                let_write(state, entity)
            yield

    def snapshot(self) -> AbstractContextManager[None]:
        """Make this thread's reads those of one moment while the context lasts."""
        return self.memory.snapshot()

    def prepare(self, entities: Sequence[Entity]) -> None:
        """Do nothing: it is always ready."""

    def complete(self, entities: Sequence[Entity]) -> None:
        """Do nothing: every commit is complete."""

    def examine(self) -> Sequence[Finding]:
        """Return a finding where nothing is durable."""
        if self.memory.durable:
            return ()
        return (Finding(self.backend, "keeps records in memory only", "set path"),)

    def describe(self) -> str:
        """Return the file, or that it is memory."""
        return self.memory.describe()

    def close(self) -> None:
        """Let go of everything."""
        self.memory.close()


def file_of(opening: Opening) -> Path:
    """Return the file that ``path`` names; ``ConfigError`` where a source has none."""
    file = opening.folder / str(opening.settings.path)
    if opening.use is Use.SOURCE and not file.is_file():
        raise ConfigError("no such file", key=f"backends.{opening.backend}.path", file=str(file))
    return file
