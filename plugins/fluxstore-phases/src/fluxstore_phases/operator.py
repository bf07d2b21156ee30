"""What the commands share: both sides open, the steps told, the desired phase written down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

from fluxstore.adapter import Adapter, Use
from fluxstore.cli import render
from fluxstore.errors import ConfigError, UsageError, shortened
from fluxstore_phases import POLICY
from fluxstore_phases.phases import Phase, Side, phase_of
from fluxstore_phases.settings import Settings
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import ALL

if TYPE_CHECKING:
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
    names = {Side.SOURCE: settings.source, Side.TARGET: str(settings.target)}
    found: dict[str, Adapter] = {}
    with ExitStack() as stack:

        def adapter(name: str) -> Adapter:
            if name not in found:
                found[name] = stack.enter_context(session.backend(name, Use.SERVE))
            return found[name]

        yield Sides(names, session.config.entities, adapter)


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
    settings = settings_of(session)
    own = settings.entities.get(scope)
    return phase_of(own.phase if own is not None else settings.phase)


def write_desired(session: Session, scope: str, phase: str) -> None:
    """Let the configuration ask for *phase*; a warning where it cannot be written."""
    from fluxstore.config.changing import change

    keys = ("policy", "phase") if scope == ALL else ("policy", "entities", scope, "phase")
    try:
        change(session.config.file, keys, phase)
    except ConfigError as error:
        session.warn(str(error))


def telling(session: Session, line: str) -> None:
    """Say on stderr what is being done, where somebody wants to hear it."""
    if not (session.quiet or session.json):
        render.write_lines([line], sys.stderr)


def record(session: Session, taken: Taken) -> None:
    """Write a step's phase into the configuration, and report it."""
    write_desired(session, taken.scope, taken.after)
    session.plugins.phase_changed(taken.scope, taken.after, taken.epoch)
