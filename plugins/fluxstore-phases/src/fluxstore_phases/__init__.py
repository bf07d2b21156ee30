"""The policy of a migration in phases: which backend answers, and which are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fluxstore.calls import Backends, Opener, Read, Rollback, Routing, Status, Write
from fluxstore.entity import Entity
from fluxstore.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer

    from fluxstore_phases.sides import Sides

POLICY = "phases"


@hookimpl
def fluxstore_register_policies(register: Callable[[str, Any], None]) -> None:
    """Offer the policy ``phases``."""
    register(POLICY, "fluxstore_phases.settings:Settings")


@hookimpl
def fluxstore_register_commands(app: typer.Typer) -> None:
    """Add ``phase`` and ``finalize``."""
    from fluxstore_phases import commands

    app.add_typer(commands.group, name="phase")
    app.command("finalize")(commands.finalize)


@hookimpl
def fluxstore_bind_read(entity: Entity, collections: Backends, settings: Routing) -> Read | None:
    """Read as the entity's phase says, where this policy is in force."""
    if settings.policy != POLICY:
        return None
    from fluxstore_phases import routes

    return routes.bind_read(entity, collections, settings)


@hookimpl
def fluxstore_bind_write(entity: Entity, collections: Backends, settings: Routing) -> Write | None:
    """Write as the entity's phase says, where this policy is in force."""
    if settings.policy != POLICY:
        return None
    from fluxstore_phases import routes

    return routes.bind_write(entity, collections, settings)


@hookimpl
def fluxstore_bind_rollback(backends: Opener, settings: Routing) -> Rollback | None:
    """Bring the authority back through the phases, where a migration is under way."""
    sides = _sides(backends, settings)
    if sides is None:
        return None
    from fluxstore_phases import returning

    return returning.bind(sides, settings.settings, settings)


@hookimpl
def fluxstore_bind_status(backends: Opener, settings: Routing) -> Status | None:
    """Say where the migration stands."""
    sides = _sides(backends, settings)
    if sides is None:
        return None
    from fluxstore_phases import reporting

    return reporting.bind(sides, settings.settings)


def _sides(backends: Opener, settings: Routing) -> Sides | None:
    """Return both sides where this policy is in force and has a target."""
    if settings.policy != POLICY or settings.settings.target is None:
        return None
    from fluxstore_phases import operator

    return operator.sides_of(settings.settings, settings.entities, backends)
