"""``[policy]`` with ``adapter = "phases"``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import attrs

from fluxstore_phases.phases import phase_of


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
    """``[policy.entities.<entity>]``: a phase of its own."""

    phase: str | int = attrs.field(validator=_phase)


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
    entities: dict[str, EntitySettings] = attrs.field(factory=dict)
