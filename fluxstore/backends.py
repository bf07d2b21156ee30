"""Configured backends, opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fluxstore.adapter import Adapter, Capability, Collection, Opening, Use
from fluxstore.config import Config
from fluxstore.entity import Entity
from fluxstore.errors import UnsupportedError
from fluxstore.plugins import Plugins

T = TypeVar("T")


def open_backend(config: Config, name: str, *, plugins: Plugins, use: Use) -> Adapter:
    """Return the backend *name*, open for *use*; the caller closes it."""
    backend = config.backend(name)
    opening = Opening(
        backend=name,
        settings=backend.settings,
        entities=config.entities,
        entity_settings=backend.entity_settings,
        folder=config.folder,
        use=use,
    )
    return plugins.adapter(backend.adapter)(opening)


def require(adapter: Adapter, capability: Capability, backend: str) -> None:
    """Raise ``UnsupportedError`` where *adapter* does not declare *capability*."""
    if capability not in adapter.capabilities:
        raise UnsupportedError(
            f"the adapter {adapter.name} does not offer {capability.value}",
            backend=backend,
            capability=capability.value,
        )


class OpenBackends:
    """The backends of one store, each opened when it is first asked for, all closed together."""

    def __init__(self, opener: Callable[[str], Adapter]) -> None:
        """Take the function that opens a backend by name."""
        self._opener = opener
        self._open: dict[str, Adapter] = {}

    def adapter(self, name: str) -> Adapter:
        """Return the open adapter of the backend *name*."""
        if name not in self._open:
            self._open[name] = self._opener(name)
        return self._open[name]

    def of(self, entity: Entity) -> EntityBackends:
        """Return the same backends as one entity's collections."""
        return EntityBackends(self, entity)

    def close(self) -> None:
        """Close every backend that was opened, each even if another fails to."""
        failures: list[Exception] = []
        for name in list(self._open):
            try:
                self._open.pop(name).close()
            except Exception as error:  # noqa: BLE001 - the others must be closed first
                failures.append(error)
        if failures:
            raise failures[0]


class EntityBackends:
    """One entity's collection in each backend: ``fluxstore.calls.Backends``."""

    def __init__(self, backends: OpenBackends, entity: Entity) -> None:
        """Look at *backends* as collections of *entity*."""
        self._backends = backends
        self._entity = entity

    def __getitem__(self, name: str) -> Collection:
        """Return the entity's collection in the backend *name*."""
        return self._backends.adapter(name).collection(self._entity)

    def adapter(self, name: str) -> Adapter:
        """Return the open adapter of the backend *name*."""
        return self._backends.adapter(name)
