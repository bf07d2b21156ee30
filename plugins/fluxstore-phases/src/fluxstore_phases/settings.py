"""``[policy]`` with ``adapter = "phases"``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import attrs

from fluxstore_phases.phases import Phase, phase_of


def _phase(_: object, attribute: attrs.Attribute[Any], value: str | int) -> None:
    try:
        phase_of(value)
    except ValueError as error:
        raise ValueError(f"{attribute.name}: {error}") from None


def _share(_: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name}: a share between 0 and 1 expected")


@attrs.frozen
class EntitySettings:
    """``[policy.entities.<entity>]``: a phase of its own, and whether stale answers are taken.

    What is ``None`` is as ``[policy]`` says.
    """

    phase: str | int | None = attrs.field(default=None, validator=attrs.validators.optional(_phase))
    stale_ok: bool | None = None


@attrs.frozen
class Settings:
    """Where the data comes from and goes to, and the phase that is wanted.

    ``phase`` is the *desired* phase; the ledgers hold the actual one, ``off`` where they hold none.
    """

    source: str
    target: str | None = None
    phase: str | int = attrs.field(default="off", validator=_phase)
    shadow_reads: float = attrs.field(default=0.0, validator=_share)
    follower_budget: timedelta = timedelta(milliseconds=250)
    on_follower_error: Literal["mark", "raise"] = "mark"
    seal_budget: timedelta = timedelta(seconds=30)
    retention: timedelta = timedelta(days=30)
    stale_ok: bool = False
    """Whether reads that do not say otherwise take a stale answer."""
    entities: dict[str, EntitySettings] = attrs.field(factory=dict)

    def wanted(self, scope: str) -> Phase:
        """Return the phase that is wanted of an entity, or of ``*``."""
        own = self._own(scope).phase
        return phase_of(self.phase if own is None else own)

    def has_own_phase(self, scope: str) -> bool:
        """Tell whether an entity is named with a phase of its own."""
        return self._own(scope).phase is not None

    def takes_stale(self, entity: str) -> bool:
        """Tell whether reads of *entity* take a stale answer where they do not say otherwise."""
        own = self._own(entity).stale_ok
        return self.stale_ok if own is None else own

    def _own(self, scope: str) -> EntitySettings:
        return self.entities.get(scope, EntitySettings())
