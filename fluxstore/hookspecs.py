"""The hooks. Hooks bind, calls run: none of these is called by a read or a write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

from fluxstore.adapter import Collection
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

if TYPE_CHECKING:
    import typer

GROUP = "fluxstore"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec(historic=True)
def fluxstore_register_adapters(register: Callable[[str, Any], None]) -> None:
    """Offer adapters by name.

    When: once per plugin, when plugins are loaded; historic, so order does not matter.
    In: ``register(name, adapter)``, where *adapter* is the class, or ``"module:Class"`` to import
    it only when a configuration names it (a driver is slow to import).
    Return: nothing; an answer is ignored.
    Who: all implementations. Two of one name: neither is taken, and asking for it names both.

    Example::

        @hookimpl
        def fluxstore_register_adapters(register):
            register("mine", "fluxstore_mine.adapter:MineAdapter")
    """


@hookspec(historic=True)
def fluxstore_register_policies(register: Callable[[str, Any], None]) -> None:
    """Offer policies by name.

    When: once per plugin, when plugins are loaded; historic.
    In: ``register(name, settings)``, where *settings* is the frozen attrs class of ``[policy]``'s
    keys (or ``"module:Class"``); it has a ``source``, the backend that is read while nothing moves.
    Return: nothing.
    Who: all implementations. The same plugin implements the bind hooks for its own policy and
    returns ``None`` from them where ``routing.policy`` is another.

    Example::

        @hookimpl
        def fluxstore_register_policies(register):
            register("mirror", "fluxstore_mirror:Settings")
    """


@hookspec(historic=True)
def fluxstore_register_entities(register: Callable[[type], None]) -> None:
    """Offer entities beside those of the application's own modules.

    When: once per plugin, when plugins are loaded; historic.
    In: ``register(cls)`` for a class made by ``@entity``.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_register_entities(register):
            register(AuditEntry)
    """


@hookspec(historic=True)
def fluxstore_register_commands(app: typer.Typer) -> None:
    """Add commands to the command line.

    When: once per plugin, only in the command line; historic.
    In: *app*, the Typer application; use ``app.command()`` or ``app.add_typer(group, name=…)``.
    A command gets the options of all commands; what it returns, a mapping, is printed as lines, or
    as JSON with ``--json``. Its ``ctx.obj`` is the ``fluxstore.cli.session.Session``, with
    ``config``, ``plugins`` and ``backend(name, use)``.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_register_commands(app):
            app.command("mine")(mine_command)
    """


@hookspec(historic=True)
def fluxstore_register_executors(register: Callable[[str, Any], None]) -> None:
    """Offer ways to run tasks side by side.

    When: once per plugin, when plugins are loaded; historic.
    In: ``register(name, make)``, where ``make(workers)`` returns a ``concurrent.futures.Executor``
    (or ``"module:name"`` of such a callable). A task may run again when a worker dies.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_register_executors(register):
            register("process", concurrent.futures.ProcessPoolExecutor)
    """


@hookspec(firstresult=True)
def fluxstore_bind_read(entity: Entity, collections: Backends, settings: Routing) -> Read | None:
    """Decide how an entity is read.

    When: once an entity when a store opens, and again when its phase changes.
    In: *collections*, the entity's collection in each backend by name; *settings*, the policy.
    Return: a ``Read``; ``None`` means *ask the next plugin*. Wrap the hook (``wrapper=True``) to
    observe reads: what is not installed costs nothing, not even a branch.
    Who: the first answer counts; the core's own comes last.

    Example::

        @hookimpl(wrapper=True)
        def fluxstore_bind_read(entity):
            return (yield).each(timed(entity.name))
    """


@hookspec(firstresult=True)
def fluxstore_bind_write(entity: Entity, collections: Backends, settings: Routing) -> Write | None:
    """Decide how an entity is written.

    When: once an entity when a store opens, and again when its phase changes.
    In: *collections*, the entity's collection in each backend by name; *settings*, the policy.
    Return: a ``Write``; ``None`` means *ask the next plugin*.
    Who: the first answer counts; the core's own comes last.

    Example::

        @hookimpl(wrapper=True)
        def fluxstore_bind_write(entity):
            return (yield).each(audited(entity.name))
    """


@hookspec(firstresult=True)
def fluxstore_bind_migrate(entity: Entity, source: Collection, target: Collection) -> Move | None:
    """Decide how a batch of an entity is moved.

    When: once an entity when a migration starts.
    In: *source* and *target*, the entity's collections.
    Return: a ``Move``, which takes a ``Batch`` and returns ``Merged``; ``None`` means *ask the next
    plugin*.
    Who: the first answer counts; the core's own (``target.merge``) comes last.

    Example::

        @hookimpl(wrapper=True)
        def fluxstore_bind_migrate(entity):
            move = yield
            return lambda batch: move(encrypted(batch))
    """


@hookspec
def fluxstore_bind_validate(entity: Entity, collections: Backends) -> Lens | None:
    """Decide through what a validation looks at an entity's records.

    When: once an entity when a validation starts.
    In: *collections*, the entity's collection in each backend by name.
    Return: a ``Lens``, which takes a ``Record`` and returns what is to be compared; ``None`` for
    no opinion.
    Who: all answers count, chained in order.

    Example::

        @hookimpl
        def fluxstore_bind_validate(entity):
            return decrypted if entity.name == "users" else None
    """


@hookspec(firstresult=True)
def fluxstore_bind_rollback(backends: Opener, settings: Routing) -> Rollback | None:
    """Decide how the authority comes back to the source.

    When: once when ``fluxstore rollback`` runs without ``--into``.
    In: *backends*, which opens a backend by name; *settings*, the policy and all entities.
    Return: a ``Rollback``, which takes a ``Retreat`` and returns ``Told``; ``None`` means *ask the
    next plugin*. Where nobody answers, the source's records are replaced by the target's.
    Who: the first answer counts.

    Example::

        @hookimpl(wrapper=True)
        def fluxstore_bind_rollback(backends, settings):
            rollback = yield
            return rollback and announced(rollback)
    """


@hookspec(firstresult=True)
def fluxstore_bind_status(backends: Opener, settings: Routing) -> Status | None:
    """Decide what ``status`` says of the policy.

    When: once when ``fluxstore status`` runs; what is returned may be called again and again.
    In: *backends*, which opens a backend by name; *settings*, the policy and all entities.
    Return: a ``Status``, which returns ``Told``; ``None`` means *ask the next plugin*.
    Who: the first answer counts; without one, ``status`` tells of backends and past commands only.

    Example::

        @hookimpl
        def fluxstore_bind_status(settings):
            return mirrored if settings.policy == "mirror" else None
    """


@hookspec
def fluxstore_diverged(entity: Entity, key: str, fields: tuple[str, ...]) -> None:
    """Hear that a record differs between backends.

    When: when a validation or a shadow read has confirmed it, once a record.
    In: the key as text and the names of the differing fields; no values.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_diverged(entity, key, fields):
            counter.labels(entity.name).inc()
    """


@hookspec
def fluxstore_phase_changed(entity: str, phase: str, epoch: int) -> None:
    """Hear that the phase of an entity (or of ``*``, all) changed.

    When: after the change is durable. An exception does not undo it.
    In: the entity's name or ``*``, the new phase's name and its epoch.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_phase_changed(entity, phase, epoch):
            log.info("phase", entity=entity, phase=phase, epoch=epoch)
    """


@hookspec
def fluxstore_migrated(report: Any) -> None:
    """Hear that a migration ended, whether or not records stayed behind.

    When: once, after everything it wrote is durable.
    In: its ``MigrationReport``.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_migrated(report):
            post(report.to_json())
    """


@hookspec
def fluxstore_validated(report: Any) -> None:
    """Hear that a validation ended.

    When: once, whether or not differences were found.
    In: its ``ValidationReport``.
    Return: nothing.
    Who: all implementations.

    Example::

        @hookimpl
        def fluxstore_validated(report):
            post(report.to_json())
    """
