"""fluxstore.toml → a frozen ``Config``; every error names file, table and key."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import attrs

from fluxstore.calls import Routing
from fluxstore.config.loading import load_entities
from fluxstore.config.reading import FILE_NAME, filled, find_file, read_table
from fluxstore.config.structuring import structure, unknown_keys
from fluxstore.entity import Entities
from fluxstore.errors import ConfigError, FluxstoreError, PluginError
from fluxstore.plugins import Plugins

__all__ = ["FILE_NAME", "Backend", "Config", "Policy"]


@attrs.frozen
class Backend:
    """A configured, named adapter: ``[backends.<name>]``."""

    name: str
    adapter: str
    settings: Any
    entity_settings: Mapping[str, Any]
    failure: FluxstoreError | None = attrs.field(default=None, eq=False)
    """Why the adapter cannot be had; raised when the backend is asked for."""


@attrs.frozen
class Policy:
    """``[policy]``: the policy's name and its settings; ``settings.source`` names a backend."""

    name: str
    settings: Any


@attrs.frozen
class _Top:
    entities: list[str] = attrs.field(factory=list)
    backends: dict[str, Any] = attrs.field(factory=dict)
    policy: dict[str, Any] | None = None
    executor: dict[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class Executor:
    """``[executor]``: how tasks run side by side; a kind that a plugin offers."""

    kind: str = "local"


@attrs.frozen
class Config:
    """Everything the configuration file says."""

    file: Path
    entities: Entities
    backends: Mapping[str, Backend]
    policy: Policy | None = None
    executor: Executor = Executor()

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.file.parent

    @classmethod
    def load(cls, file: Path | str | None = None, *, plugins: Plugins | None = None) -> Config:
        """Return the configuration in *file* (default: of the working directory).

        Raises ``ConfigError``; nothing is opened.
        """
        plugins = plugins or Plugins.load()
        path = Path(file) if file is not None else find_file(Path.cwd())
        path = path.absolute()
        top = _top(read_table(path), path)
        entities = load_entities(tuple(top.entities), path, plugins.entities())
        backends = {
            name: _backend(name, table, path, entities, plugins)
            for name, table in top.backends.items()
        }
        return cls(
            file=path,
            entities=entities,
            backends=backends,
            policy=_policy(top.policy, path, backends, entities, plugins),
            executor=structure(top.executor, Executor, file=path, key="executor"),
        )

    def backend(self, name: str) -> Backend:
        """Return the backend *name*; ``ConfigError`` with near names, or why it cannot be had."""
        found = self.backends.get(name)
        if found is None:
            raise ConfigError(
                f"no backend {name!r}{_near(name, self.backends)}",
                file=str(self.file),
                key="backends",
            )
        if found.failure is not None:
            raise found.failure
        return found

    def routing(self, backend: str | None = None) -> Routing:
        """Return what bind hooks are told; *backend* overrides the policy."""
        if backend is not None:
            return Routing(self.backend(backend).name)
        if self.policy is not None:
            source = self.policy.settings.source
            return Routing(source, self.policy.name, self.policy.settings)
        if len(self.backends) == 1:
            return Routing(next(iter(self.backends)))
        names = ", ".join(self.backends) or "none"
        raise ConfigError(
            f"which backend serves? configured: {names}",
            file=str(self.file),
            key="policy",
            next_step='write [policy] with source = "…", or say fluxstore.open(…, backend="…")',
        )


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; configured: {', '.join(known) or 'none'}"


def _top(table: Mapping[str, Any], file: Path) -> _Top:
    extra = set(table) - {attribute.name for attribute in attrs.fields(_Top)}
    if extra:
        raise ConfigError(unknown_keys(extra, _Top), file=str(file))
    return structure(table, _Top, file=file, key="")


def _backend(name: str, table: Any, file: Path, entities: Entities, plugins: Plugins) -> Backend:
    key = f"backends.{name}"
    if not isinstance(table, dict) or not isinstance(table.get("adapter"), str):
        raise ConfigError('a table with adapter = "…" expected', file=str(file), key=key)
    table = filled(table, file, key)
    adapter, own = table.pop("adapter"), table.pop("entities", {})
    try:
        cls = plugins.adapter(adapter)
    except PluginError as error:
        return Backend(name, adapter, None, {}, failure=error)
    settings: Any = structure(table, cls.Settings, file=file, key=key)
    return Backend(name, adapter, settings, _entity_settings(own, cls, file, key, entities))


def _entity_settings(
    own: Any, cls: Any, file: Path, key: str, entities: Entities
) -> dict[str, Any]:
    if not isinstance(own, dict):
        raise ConfigError("a table expected", file=str(file), key=f"{key}.entities")
    _known(own, entities, file, key)
    return {
        name: structure(table, cls.EntitySettings, file=file, key=f"{key}.entities.{name}")
        for name, table in own.items()
    }


def _known(own: Mapping[str, Any], entities: Entities, file: Path, key: str) -> None:
    for name in own:
        if name not in entities:
            raise ConfigError(
                f"no entity {name!r}{_near(name, entities)}",
                file=str(file),
                key=f"{key}.entities",
            )


def _policy(
    table: dict[str, Any] | None,
    file: Path,
    backends: Mapping[str, Backend],
    entities: Entities,
    plugins: Plugins,
) -> Policy | None:
    if table is None:
        return None
    table = filled(table, file, "policy")
    name = table.pop("adapter", None)
    if not isinstance(name, str):
        raise ConfigError('adapter = "phases" expected', file=str(file), key="policy")
    settings: Any = structure(table, plugins.policy(name), file=file, key="policy")
    _known(getattr(settings, "entities", {}), entities, file, "policy")
    for role in ("source", "target"):
        named = getattr(settings, role, None)
        if named is not None and named not in backends:
            raise ConfigError(
                f"no backend {named!r}{_near(named, backends)}",
                file=str(file),
                key=f"policy.{role}",
            )
    return Policy(name, settings)
