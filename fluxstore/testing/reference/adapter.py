"""The adapter itself: opening, transactions, what ``doctor`` is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import attrs

from fluxstore.adapter import Capability, Finding, Ledger, Opening, Use
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError
from fluxstore.testing.reference.collection import ReferenceCollection
from fluxstore.testing.reference.ledger import ReferenceLedger
from fluxstore.testing.reference.memory import FileMemory, Memory


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

    def __init__(self, opening: Opening) -> None:
        """Open the backend; ``ConfigError`` where a source's file is not there."""
        self.backend = opening.backend
        self.entities = opening.entities
        self.memory = _memory(opening)
        self.ledger: Ledger = ReferenceLedger(self.memory)
        self.capabilities = frozenset(
            {
                Capability.TRANSACTIONS,
                Capability.ATOMIC_LEDGER,
                Capability.FENCING,
                Capability.KEY_ORDER,
                *([Capability.DURABLE] if isinstance(self.memory, FileMemory) else ()),
            }
        )
        self._collections = {
            one.name: ReferenceCollection(one, self.entities, self.memory)
            for one in self.entities.values()
        }

    def collection(self, entity: Entity) -> ReferenceCollection:
        """Return the collection of *entity*."""
        return self._collections[entity.name]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all commits of this thread one; other threads and processes wait to write."""
        with self.memory.transaction():
            yield

    def prepare(self, entities: Sequence[Entity]) -> None:
        """Do nothing: it is always ready."""

    def complete(self, entities: Sequence[Entity]) -> None:
        """Do nothing: every commit is complete."""

    def examine(self) -> Sequence[Finding]:
        """Return a finding where nothing is durable."""
        if isinstance(self.memory, FileMemory):
            return ()
        return (Finding(self.backend, "keeps records in memory only", "set path"),)

    def describe(self) -> str:
        """Return the file, or that it is memory."""
        return str(self.memory.path) if isinstance(self.memory, FileMemory) else "memory"

    def close(self) -> None:
        """Let go of everything."""
        self.memory.close()


def _memory(opening: Opening) -> Memory:
    read_only = opening.use is Use.SOURCE
    path = opening.settings.path
    if path is None:
        return Memory(opening.backend, read_only=read_only)
    file = opening.folder / path
    if read_only and not file.is_file():
        raise ConfigError("no such file", key=f"backends.{opening.backend}.path", file=str(file))
    return FileMemory(opening.backend, file, read_only=read_only)
