"""What an application opens: ``store[Task]`` with the same verbs whichever backend answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

import attrs

from fluxstore.adapter import Capability, Use
from fluxstore.backends import OpenBackends, open_backend, require
from fluxstore.bound import Binding, Bound, patiently
from fluxstore.calls import Routing, Write
from fluxstore.config import Config
from fluxstore.entity import Entity, entity_of
from fluxstore.errors import RoutingError
from fluxstore.plugins import Plugins
from fluxstore.stale import in_transaction
from fluxstore.verbs import Records

T = TypeVar("T")
_LOOKS = 4


class Store:
    """All entities of an application. Safe to share between threads; close it, or use ``with``."""

    def __init__(self, config: Config, plugins: Plugins, routing: Routing) -> None:
        """Bind every entity; hooks are asked again only when a phase changes."""
        self._config = config
        self._bound: dict[str, Bound] = {}
        self._follows = routing.policy is not None
        self._backends = OpenBackends(
            lambda name: open_backend(config, name, plugins=plugins, use=Use.SERVE), self._rebind
        )
        try:
            for name, entity in config.entities.items():
                self._bound[name] = self._bind(entity, plugins, routing)
        except BaseException:
            self._backends.close()
            raise
        self._records: dict[str, Records[Any]] = {
            name: Records(entity, self._bound[name].read(), self._bound[name].write())
            for name, entity in config.entities.items()
        }

    def _bind(self, entity: Entity, plugins: Plugins, routing: Routing) -> Bound:
        collections = self._backends.of(entity)
        return Bound(
            lambda: Binding(
                plugins.bind_read(entity, collections, routing),
                plugins.bind_write(entity, collections, routing),
            ),
            follows=self._follows,
        )

    def _rebind(self) -> None:
        for bound in list(self._bound.values()):
            bound.renew(bound.binding)

    @overload
    def __getitem__(self, entity: type[T]) -> Records[T]: ...
    @overload
    def __getitem__(self, entity: str) -> Records[Any]: ...
    def __getitem__(self, entity: type[Any] | str) -> Records[Any]:
        """Return the records of an entity, by class or name; ``EntityNotFoundError`` if none."""
        if isinstance(entity, str):
            found = self._records.get(entity)
            return found if found is not None else self._records[self._config.entities[entity].name]
        return self._records[self._config.entities[entity_of(entity).name].name]

    @contextmanager
    def transaction(self, entities: Iterable[type[Any] | str] | None = None) -> Iterator[None]:
        """Make all writes of this thread one transaction while the context lasts.

        It covers *entities*, or all. ``RoutingError`` where they have more than one authority,
        ``UnsupportedError`` where the authority has no transactions; an exception undoes
        everything.
        """
        names = list(self._bound) if entities is None else [self._name(one) for one in entities]
        patient = patiently if self._follows else _at_once
        with patient(lambda: self._entered(names), self._rebind), in_transaction():
            yield

    def _entered(self, names: Sequence[str]) -> ExitStack:
        """Return the contexts of a transaction, entered: what follows it, then the transaction."""
        writes = self._writes_of_one(names)
        backend = writes[0].authority
        adapter = self._backends.adapter(backend)
        require(adapter, Capability.TRANSACTIONS, backend)
        with ExitStack() as stack:
            for around in dict.fromkeys(write.around for write in writes):
                stack.enter_context(around())
            stack.enter_context(adapter.transaction([self._config.entities[n] for n in names]))
            return stack.pop_all()

    def _writes_of_one(self, names: Sequence[str]) -> list[Write]:
        """Return the writes of entities that have one authority.

        Where there seem to be two, a phase change may have come between two bindings: they are
        bound anew before anybody is told so.
        """
        authorities: set[str] = set()
        for _ in range(_LOOKS):
            writes = [self._bound[name].binding.write for name in names]
            authorities = {write.authority for write in writes}
            if len(authorities) == 1:
                return writes
            self._rebind()
        found = ", ".join(sorted(authorities)) or "none"
        raise RoutingError(f"one authority expected for a transaction, found {found}")

    def _name(self, entity: type[Any] | str) -> str:
        named = entity if isinstance(entity, str) else entity_of(entity).name
        return self._config.entities[named].name

    @property
    def entities(self) -> Mapping[str, Entity]:
        """Every entity by name."""
        return self._config.entities

    def close(self) -> None:
        """Let go of every backend; what was acknowledged is durable already."""
        self._backends.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()


def _at_once(call: Callable[[], T], _: Callable[[], None]) -> T:
    return call()


def open(  # noqa: A001 - fluxstore.open is the name of the API
    config: str | Path | Config | None = None,
    *,
    backend: str | None = None,
    plugins: Plugins | None = None,
) -> Store:
    """Open the store that a configuration describes.

    *config* is the TOML file (default: ``fluxstore.toml`` of the working directory) or a
    ``Config``. *backend* uses one backend and no policy. Raises ``ConfigError``, ``PluginError``
    or ``BackendUnavailableError``; then nothing stays open.
    """
    plugins = plugins or Plugins.load()
    found = config if isinstance(config, Config) else Config.load(config, plugins=plugins)
    routing = attrs.evolve(found.routing(backend), entities=found.entities, reports=plugins)
    return Store(found, plugins, routing)
