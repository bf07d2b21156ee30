"""What the caller may choose of a migration, a validation or a rollback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path

import attrs

from fluxstore.calls import Lens, Move
from fluxstore.entity import Entity
from fluxstore.errors import UsageError
from fluxstore.migration.progress import Report, Stopped, never, silent


def _unheard(_: Entity, __: str, ___: tuple[str, ...]) -> None:
    """Tell nobody."""


def _positive(_: object, attribute: attrs.Attribute[float | None], value: float | None) -> None:
    if value is not None and not value > 0:
        raise UsageError(f"{attribute.name} must be more than 0, {value} found")


def _not_negative(_: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value < 0:
        raise UsageError(f"{attribute.name} must not be negative, {value} found")


def _share(_: object, attribute: attrs.Attribute[float | None], value: float | None) -> None:
    if value is not None and not 0 < value <= 1:
        raise UsageError(f"{attribute.name} must be more than 0 and at most 1, {value} found")


@attrs.frozen(kw_only=True)
class Options:
    """The caller's choices; every command takes those it knows."""

    entities: tuple[str, ...] = ()
    """Names of the entities to take; none means all."""
    resume: bool = False
    """Go on where a stopped or killed run stood; ``CursorError`` where that does not fit."""
    rate: float | None = attrs.field(default=None, validator=_positive)
    """At most so many records a second."""
    delete_extra: int = attrs.field(default=0, validator=_not_negative)
    """Delete records that are only in the target, unless there are more than this."""
    fail_fast: bool = False
    """Stop at the first record that would stay behind."""
    dry_run: bool = False
    """Look, and write nothing."""
    sample: float | None = attrs.field(default=None, validator=_share)
    """Compare this share of the keys only."""
    batch_seconds: float = 0.5
    """How long a batch may take at the target; its size follows from what batches have taken."""
    executor: Executor | None = None
    """Runs entities side by side, in threads of this process."""
    moves: Mapping[str, Move] = attrs.field(factory=dict)
    """Entity name to what moves its batches; ``target.merge`` where there is none."""
    lenses: Mapping[str, Lens] = attrs.field(factory=dict)
    """Entity name to what a validation looks at its records through."""
    diverged: Callable[[Entity, str, tuple[str, ...]], None] = _unheard
    """Hears of every difference that a validation confirms: entity, key, names of fields."""
    progress: Report = silent
    stopped: Stopped = never
    """Asked between batches: ``True`` finishes the batch and leaves a state to go on from."""
    scratch: Path | None = None
    """The folder for what does not fit in memory; the system's own unless given."""
    problems_file: Path | None = None
    """Where to list every record that stays behind, one JSON object a line."""
    extras_file: Path | None = None
    """Where to list every record that is only in the target."""
    differences_file: Path | None = None
    """Where to list every difference that a validation finds."""
