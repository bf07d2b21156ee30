"""Plugins: found through entry points, loaded one by one, asked through typed methods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

import attrs
import pluggy

from fluxstore import hookspecs, routing
from fluxstore.adapter import Adapter, Collection
from fluxstore.calls import (
    Backends,
    Lens,
    Move,
    Opener,
    Read,
    Rollback,
    Routing,
    Status,
    Write,
)
from fluxstore.entity import Entity
from fluxstore.errors import (
    AdapterConflictError,
    AdapterNotFoundError,
    PluginLoadError,
    printable,
)
from fluxstore.records import Record

if TYPE_CHECKING:
    import typer

IMPORT_SECONDS = 5.0
_CORE = "core"


@attrs.frozen
class Installed:
    """One installed plugin: what it is, and why it failed where it did."""

    name: str
    distribution: str
    version: str
    failure: str = ""


@attrs.frozen
class Offer:
    """Something a plugin offers under a name: an adapter, a policy, an executor."""

    kind: str
    name: str
    what: Any = attrs.field(repr=False)
    plugin: Installed

    def load(self) -> Any:
        """Return the class or callable itself, importing it now where it was given as text."""
        if not isinstance(self.what, str):
            return self.what
        module, _, attribute = self.what.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginLoadError(
                f"its {self.kind} {self.name!r} does not import: {error}",
                plugin=self.plugin.name,
                distribution=self.plugin.distribution,
                next_step="reinstall the distribution or uninstall it",
            ) from error


class Plugins:
    """Every plugin of this process; broken ones are listed and left alone."""

    def __init__(self) -> None:
        """Begin with the core's own implementations only; ``load`` adds what is installed."""
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._offers: list[Offer] = []
        self._entities: list[type] = []
        self._installed: dict[str, Installed] = {}
        self._registering = Installed(_CORE, "fluxstore-core", "")
        hook = self._manager.hook
        for kind in ("adapter", "policy", "executor"):
            caller = getattr(hook, f"fluxstore_register_{_plural(kind)}")
            caller.call_historic(kwargs={"register": self._registrar(kind)})
        hook.fluxstore_register_entities.call_historic(kwargs={"register": self._entities.append})
        self._manager.register(routing, name=_CORE)

    @classmethod
    def load(cls) -> Plugins:
        """Return all installed plugins, each loaded from its entry point on its own."""
        made = cls()
        for point in entry_points(group=hookspecs.GROUP):
            made._load(point)
        return made

    def add(self, plugin: object, *, name: str, distribution: str = "") -> None:
        """Register *plugin*, a module or an object with hook implementations."""
        self._register(plugin, Installed(name, distribution or name, ""))

    def _load(self, point: EntryPoint) -> None:
        dist = point.dist
        found = Installed(point.name, dist.name if dist else "?", dist.version if dist else "?")
        plugin, failure = _import_within(point, IMPORT_SECONDS)
        if failure:
            self._fail(found, failure)
        else:
            self._register(plugin, found)

    def _register(self, plugin: object, found: Installed) -> None:
        identity = f"{found.distribution}:{found.name}"
        self._installed[identity] = found
        offers, entities = len(self._offers), len(self._entities)
        self._registering = found
        try:
            self._manager.register(plugin, name=identity)
            self._check_names(plugin)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its own failure
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            del self._offers[offers:], self._entities[entities:]
            self._fail(found, f"{type(error).__name__}: {error}")

    def _check_names(self, plugin: object) -> None:
        known = {name for name in dir(hookspecs) if name.startswith("fluxstore_")}
        for name in dir(plugin):
            if name.startswith("fluxstore_") and name not in known and _is_hook(plugin, name):
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise LookupError(f"there is no hook {name}{hint}")

    def _fail(self, found: Installed, failure: str) -> None:
        identity = f"{found.distribution}:{found.name}"
        self._installed[identity] = attrs.evolve(found, failure=printable(failure)[:300])

    def _registrar(self, kind: str) -> Callable[[str, Any], None]:
        def register(name: str, what: Any) -> None:
            self._offers.append(Offer(kind, name, what, self._registering))

        return register

    # what is there

    def installed(self) -> tuple[Installed, ...]:
        """Return every plugin found, those that failed included."""
        return tuple(self._installed.values())

    def offers(self, kind: str) -> tuple[Offer, ...]:
        """Return what is offered as *kind*: adapter, policy or executor."""
        return tuple(offer for offer in self._offers if offer.kind == kind)

    def entities(self) -> tuple[type, ...]:
        """Return the entity classes that plugins offer."""
        return tuple(self._entities)

    def adapter(self, name: str) -> type[Adapter]:
        """Return the adapter class *name*; ``AdapterNotFoundError`` says what to install."""
        return cast("type[Adapter]", self._only("adapter", name).load())

    def policy(self, name: str) -> type:
        """Return the settings class of the policy *name*."""
        return cast(type, self._only("policy", name).load())

    def executor(self, name: str) -> Callable[[int], Any]:
        """Return what makes an executor of a number of workers."""
        return cast("Callable[[int], Any]", self._only("executor", name).load())

    def _only(self, kind: str, name: str) -> Offer:
        found = [offer for offer in self.offers(kind) if offer.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            self._conflict(kind, name, found)
        known = tuple(sorted({offer.name for offer in self.offers(kind)}))
        failed = [f"{one.name} ({one.failure})" for one in self.installed() if one.failure]
        broken = f"; failed to load: {', '.join(failed)}" if failed else ""
        raise AdapterNotFoundError(
            f"no {kind} {name!r} is installed; installed: {', '.join(known) or 'none'}{broken}",
            adapter=name,
            installed=known,
            next_step=f"pip install fluxstore-{printable(name)[:60]}",
        )

    def _conflict(self, kind: str, name: str, found: Iterable[Offer]) -> None:
        distributions = tuple(sorted(offer.plugin.distribution for offer in found))
        raise AdapterConflictError(
            f"{kind} {name!r} is offered by {' and by '.join(distributions)}; neither is taken",
            adapter=name,
            distributions=distributions,
            next_step="uninstall one of them",
        )

    # one typed method in front of each hook

    def register_commands(self, app: typer.Typer) -> None:
        """Let every plugin add its commands to *app*; one that fails is listed, the rest go on."""
        for implementation in self._manager.hook.fluxstore_register_commands.get_hookimpls():
            try:
                implementation.function(*(app for _ in implementation.argnames))
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its own failure
                found = self._installed[implementation.plugin_name]
                self._fail(found, f"{type(error).__name__}: {error}")

    def bind_read(self, entity: Entity, collections: Backends, settings: Routing) -> Read:
        """Return how *entity* is read."""
        return cast(
            Read,
            self._manager.hook.fluxstore_bind_read(
                entity=entity, collections=collections, settings=settings
            ),
        )

    def bind_write(self, entity: Entity, collections: Backends, settings: Routing) -> Write:
        """Return how *entity* is written."""
        return cast(
            Write,
            self._manager.hook.fluxstore_bind_write(
                entity=entity, collections=collections, settings=settings
            ),
        )

    def bind_migrate(self, entity: Entity, source: Collection, target: Collection) -> Move:
        """Return how a batch of *entity* is moved."""
        return cast(
            Move,
            self._manager.hook.fluxstore_bind_migrate(entity=entity, source=source, target=target),
        )

    def bind_validate(self, entity: Entity, collections: Backends) -> Lens:
        """Return what a validation looks at *entity*'s records through: all lenses, chained."""
        lenses = self._manager.hook.fluxstore_bind_validate(entity=entity, collections=collections)
        if not lenses:
            return _as_it_is
        return lambda record: reduce(lambda seen, lens: lens(seen), lenses, record)

    def bind_rollback(self, backends: Opener, settings: Routing) -> Rollback | None:
        """Return how the authority comes back, or ``None`` where no policy says so."""
        return cast(
            "Rollback | None",
            self._manager.hook.fluxstore_bind_rollback(backends=backends, settings=settings),
        )

    def bind_status(self, backends: Opener, settings: Routing) -> Status | None:
        """Return what says where the policy stands, or ``None`` where none does."""
        return cast(
            "Status | None",
            self._manager.hook.fluxstore_bind_status(backends=backends, settings=settings),
        )

    def diverged(self, entity: Entity, key: str, fields: tuple[str, ...]) -> None:
        """Report a record that differs."""
        self._manager.hook.fluxstore_diverged(entity=entity, key=key, fields=fields)

    def phase_changed(self, entity: str, phase: str, epoch: int) -> None:
        """Report a change of phase."""
        self._manager.hook.fluxstore_phase_changed(entity=entity, phase=phase, epoch=epoch)

    def migrated(self, report: object) -> None:
        """Report a migration's end."""
        self._manager.hook.fluxstore_migrated(report=report)

    def validated(self, report: object) -> None:
        """Report a validation's end."""
        self._manager.hook.fluxstore_validated(report=report)

    def watch_hooks(self, before: Callable[[str], None]) -> Callable[[], None]:
        """Call *before* with the name of each hook that is called; return what ends that."""
        return self._manager.add_hookcall_monitoring(
            lambda name, _methods, _kwargs: before(name), lambda *_: None
        )


def _plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _is_hook(plugin: object, name: str) -> bool:
    return hasattr(getattr(plugin, name), f"{hookspecs.GROUP}_impl")


def _as_it_is(record: Record) -> Record:
    return record


def _import_within(point: EntryPoint, seconds: float) -> tuple[Any, str]:
    """Return (plugin, failure): an import may raise, exit or hang, and must take nobody with it."""
    outcome: list[tuple[Any, str]] = []

    def load() -> None:
        try:
            outcome.append((point.load(), ""))
        except BaseException as error:  # noqa: BLE001 - SystemExit too: it is the plugin's failure
            outcome.append((None, f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=load, name=f"load {point.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    return outcome[0] if outcome else (None, f"its import did not end within {seconds:g} s")
