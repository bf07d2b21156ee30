"""What the commands share: both sides open, the steps told, the desired phase written down."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from fluxstore.cli import policy
from fluxstore.entity import Entities
from fluxstore.errors import ConfigError, UsageError, shortened
from fluxstore_phases import POLICY
from fluxstore_phases.phases import Phase, Side
from fluxstore_phases.settings import Settings
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import ALL

log = logging.getLogger("fluxstore.phases")

if TYPE_CHECKING:
    from fluxstore.calls import Opener, Reports
    from fluxstore.cli.session import Session
    from fluxstore_phases.steps import Taken


def settings_of(session: Session) -> Settings:
    """Return the policy's settings; ``ConfigError`` where another policy, or none, is in force."""
    config = session.config
    if config.policy is None or config.policy.name != POLICY:
        raise ConfigError(
            "this command is the policy's of phases",
            file=str(config.file),
            key="policy.adapter",
            next_step=f'write [policy] with adapter = "{POLICY}", a source and a target',
        )
    settings = cast(Settings, config.policy.settings)
    if settings.target is None or settings.target == settings.source:
        raise ConfigError(
            "a target beside the source expected",
            file=str(config.file),
            key="policy.target",
            next_step='write target = "…" with the name of another backend',
        )
    return settings


@contextmanager
def opened(session: Session) -> Iterator[Sides]:
    """Yield both sides; each is opened when it is first asked for, and closed at the end."""
    settings = settings_of(session)
    with policy.opener(session) as backends:
        yield sides_of(settings, session.config.entities, backends)


def sides_of(settings: Settings, entities: Entities, backends: Opener) -> Sides:
    """Return both sides of the migration that *settings* name."""
    names = {Side.SOURCE: settings.source, Side.TARGET: settings.target or settings.source}
    return Sides(names, entities, backends)


def chosen_scope(session: Session, entity: str) -> str:
    """Return the scope that ``--entity`` names, or ``*``; ``UsageError`` for no entity."""
    if not entity:
        return ALL
    if entity not in session.config.entities:
        known = ", ".join(session.config.entities)
        raise UsageError(f"no entity {shortened(entity)!r}", next_step=f"entities: {known}")
    return entity


def desired(session: Session, scope: str) -> Phase:
    """Return the phase that the configuration asks for."""
    return settings_of(session).wanted(scope)


def keys_of(scope: str) -> Sequence[str]:
    """Return where the configuration says which phase *scope* is wanted in."""
    return ("policy", "phase") if scope == ALL else ("policy", "entities", scope, "phase")


def record(session: Session, taken: Taken) -> None:
    """Write a step's phase into the configuration, and report it."""
    policy.writing(session)(keys_of(taken.scope), taken.after)
    report(session.plugins, taken.scope, taken.after, epoch=taken.epoch)


def report(reports: Reports | None, scope: str, phase: str, *, epoch: int) -> None:
    """Tell plugins of a phase that is in force; one that fails to hear of it changes nothing."""
    if reports is None:
        return
    try:
        reports.phase_changed(scope, phase, epoch)
    except Exception:
        log.exception("a plugin failed to hear of phase %s", phase)
