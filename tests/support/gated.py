"""A store for asyncio on one reference backend in a file, whose commits can be held midway."""

from __future__ import annotations

import asyncio
import threading
from collections import UserDict
from collections.abc import Iterator, KeysView
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fluxstore
from fluxstore import Plugins, entity, field, hookimpl
from fluxstore.adapter import Opening
from fluxstore.testing.reference import FileMemory, ReferenceAdapter, file_of

PATIENCE_SECONDS = 20


@entity("projects")
class Project:
    id: str
    name: str = ""


@entity("tasks")
class Task:
    id: str
    project_id: str = field(references="projects", on_delete="cascade")
    title: str = ""


class Gate:
    """Holds a commit in the middle, its lock taken, until it is opened."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        self._open.set()
        self.error: Exception | None = None

    def pass_through(self) -> None:
        self.reached.set()
        assert self._open.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error

    @contextmanager
    def shut(self) -> Iterator[None]:
        self.reached.clear()
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, PATIENCE_SECONDS)

    def open(self) -> None:
        self._open.set()


class Setup:
    """A configuration of one reference backend in a file; counts openings, and has a gate."""

    def __init__(self, folder: Path) -> None:
        gate = self.gate = Gate()
        counted = self.open_adapters = set[int]()

        class GatedMemory(FileMemory):
            def save(self, state: Any) -> None:
                gate.pass_through()
                super().save(state)

        class Counted(ReferenceAdapter):
            def open_memory(self, opening: Opening) -> FileMemory:
                counted.add(id(self))
                return GatedMemory(opening.backend, file_of(opening))

            def close(self) -> None:
                counted.discard(id(self))
                super().close()

        class Offers:
            @hookimpl
            def fluxstore_register_adapters(self, register: Any) -> None:
                register("reference", Counted)

            @hookimpl
            def fluxstore_register_entities(self, register: Any) -> None:
                register(Project)
                register(Task)

        self.plugins = Plugins()
        self.plugins.add(Offers(), name="offers")
        self.file = folder / "fluxstore.toml"
        self.file.write_text('[backends.main]\nadapter = "reference"\npath = "store"\n')

    def aopen(self, **named: Any) -> Any:
        return fluxstore.aopen(self.file, plugins=self.plugins, **named)

    def records(self) -> dict[str, Any]:
        """Return what a reader of its own finds in the file."""
        with fluxstore.open(self.file, plugins=self.plugins) as store:
            return {f"{one.id}": one for cls in (Project, Task) for one in store[cls].find()}


class Slow(UserDict[str, Any]):
    """Changes for an ``update`` that keep its thread busy until the gate is opened."""

    def __init__(self, gate: Gate, **changes: Any) -> None:
        super().__init__(changes)
        self._gate = gate

    def keys(self) -> KeysView[str]:
        self._gate.pass_through()
        return super().keys()
