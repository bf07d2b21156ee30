"""Configured backends, opened."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from fluxstore import forks
from fluxstore.adapter import Adapter, Capability, Collection, Opening, Use
from fluxstore.calls import Closeable, S
from fluxstore.config import Config
from fluxstore.entity import Entity
from fluxstore.errors import UnsupportedError
from fluxstore.plugins import Plugins


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

    def __init__(
        self, opener: Callable[[str], Adapter], rebind: Callable[[], None] = lambda: None
    ) -> None:
        """Take the functions that open a backend by name, and bind every entity anew."""
        self._opener = opener
        self.rebind = rebind
        self.forget()
        forks.in_child(self.forget)
        self._open: dict[str, Adapter] = {}
        self._shared: dict[str, Closeable] = {}

    def forget(self) -> None:
        """Begin with a free lock, as a forked child must: who held it is not there."""
        self._lock = threading.RLock()

    def adapter(self, name: str) -> Adapter:
        """Return the open adapter of the backend *name*."""
        found = self._open.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._open:
                self._open[name] = self._opener(name)
            return self._open[name]

    def shared(self, name: str, make: Callable[[], S]) -> S:
        """Return the one *name*, made at first asking; closed before the backends are."""
        found = self._shared.get(name)
        if found is not None:  # without the lock: another backend may take long to open
            return cast(S, found)
        with self._lock:
            if name not in self._shared:
                self._shared[name] = make()
            return cast(S, self._shared[name])

    def of(self, entity: Entity) -> EntityBackends:
        """Return the same backends as one entity's collections."""
        return EntityBackends(self, entity)

    def close(self) -> None:
        """Close what is shared, then every backend, each even if another fails to."""
        failures: list[Exception] = []
        opened: tuple[dict[str, Any], ...] = (self._shared, self._open)
        for each in opened:  # what is shared uses the backends until it is closed
            while each:
                _, closing = each.popitem()
                try:
                    closing.close()
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

    def shared(self, name: str, make: Callable[[], S]) -> S:
        """Return the store's one *name*, made at first asking; closed before the backends are."""
        return self._backends.shared(name, make)

    def rebind(self) -> None:
        """Bind every entity of the store anew: the phase has changed. From any thread."""
        self._backends.rebind()
