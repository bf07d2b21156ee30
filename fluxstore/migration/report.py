"""What the commands of a migration return: frozen facts, with ``to_json`` and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from fluxstore.adapter import Finding
from fluxstore.migration.differences import Difference
from fluxstore.migration.spool import problem_to_json
from fluxstore.records import Problem

OK, QUARANTINED, DIFFERENT, BLOCKED = 0, 4, 5, 3


def to_json(value: Any) -> Any:
    """Return a report, or a part of one, as JSON values."""
    for kind, convert in _CONVERT:
        if isinstance(value, kind):
            return convert(value)
    if attrs.has(type(value)):
        return {name: to_json(getattr(value, name)) for name in _names(type(value))}
    return value


def _names(cls: type) -> list[str]:
    """Return what of a report's class is told: its fields, and its properties."""
    told = [name for name, what in vars(cls).items() if isinstance(what, property)]
    return [*attrs.fields_dict(cls), *told]


_CONVERT: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Problem, problem_to_json),
    (Enum, lambda value: value.value),
    (Mapping, lambda value: {str(name): to_json(part) for name, part in value.items()}),
    (list | tuple, lambda value: [to_json(part) for part in value]),
    (datetime, datetime.isoformat),
    (Path, str),
)


def rate(records: int, seconds: float) -> float:
    """Return records per second; 0 where nothing was measured."""
    return round(records / seconds, 1) if seconds > 0 else 0.0


@attrs.frozen
class Assessed:
    """What a migration would meet in one entity."""

    entity: str
    place: str
    read: int
    would_cross: int
    quarantined: int
    """Records that would stay behind."""
    bytes: int
    seconds: float
    refused: Problem | None = None
    """Why the whole file would be refused."""


@attrs.frozen
class AssessReport:
    """What a migration would meet; nothing was written."""

    migration: str
    source: Mapping[str, str]
    target: Mapping[str, str]
    entities: tuple[Assessed, ...]
    problem_count: int
    problems: tuple[Problem, ...]
    """The first thousand of each entity; all are in ``problems_file`` where one was named."""
    findings: tuple[Finding, ...]
    seconds: float
    estimated_seconds: float
    """How long ``migrate`` will take, judged by how fast the source was read."""
    problems_file: Path | None = None

    @property
    def exit_code(self) -> int:
        """4 where anything would stay behind, 3 where something blocks the migration, else 0."""
        if self.problem_count:
            return QUARANTINED
        return BLOCKED if any(f.blocks and not f.offline for f in self.findings) else OK

    def to_json(self) -> Any:
        """Return the report as JSON values."""
        return to_json(self)


@attrs.frozen
class Migrated:
    """What came of one entity: ``read = resumed + written + unchanged + quarantined``.

    (Where a run was stopped, ``left`` records are missing from the right side.)
    """

    entity: str
    place: str
    read: int
    written: int = 0
    unchanged: int = 0
    quarantined: int = 0
    resumed: int = 0
    """Records that an earlier run had copied."""
    extra: int = 0
    """Records only in the target."""
    deleted: int = 0
    """Of the records only in the target, those that were deleted."""
    seconds: float = 0.0
    refused: Problem | None = None
    """Why the whole file was refused."""

    @property
    def records_per_second(self) -> float:
        """Records read, checked and copied, per second."""
        return rate(self.read - self.resumed, self.seconds)


@attrs.frozen
class Extra:
    """A record only in the target."""

    entity: str
    key: str


@attrs.frozen
class MigrationReport:
    """What a migration did."""

    migration: str
    source: Mapping[str, str]
    target: Mapping[str, str]
    entities: tuple[Migrated, ...]
    problem_count: int
    problems: tuple[Problem, ...]
    """The first thousand of each entity; all of them are in the target's quarantine."""
    extras: tuple[Extra, ...]
    """The first thousand of each entity; all are in ``extras_file`` where one was named."""
    seconds: float
    stopped: bool = False
    """The caller asked to stop; the next run goes on with ``resume``."""
    dry_run: bool = False
    backup: Path | None = None
    """Where a rollback has put what it was about to replace."""
    notices: tuple[str, ...] = ()
    """What the reader should know beside the numbers."""
    problems_file: Path | None = None
    extras_file: Path | None = None

    @property
    def quarantined(self) -> int:
        """Records that stayed behind, of all entities."""
        return sum(one.quarantined for one in self.entities)

    @property
    def extra(self) -> int:
        """Records only in the target that are still there."""
        return sum(one.extra - one.deleted for one in self.entities)

    @property
    def exit_code(self) -> int:
        """4 where anything stayed behind, 5 where the target has more than the source, else 0."""
        if self.problem_count:
            return QUARANTINED
        return DIFFERENT if self.extra else OK

    def to_json(self) -> Any:
        """Return the report as JSON values."""
        return to_json(self)


@attrs.frozen
class Validated:
    """What comparing one entity found."""

    entity: str
    source_place: str
    target_place: str
    source_records: int = 0
    target_records: int = 0
    equal: int = 0
    missing: int = 0
    orphan: int = 0
    diverged: int = 0
    undecodable: int = 0
    quarantined: int = 0
    """Keys known to stay behind: neither equal nor a difference."""
    lagging: int = 0
    """Keys that were on their way while they were compared: no difference either."""
    ahead: int = 0
    """Records whose version at the follower is newer than the authority's."""
    union: int = 0
    """Different keys on both sides together."""
    source_root: str = ""
    """SHA-256 over all records of the source, whatever their order (``compare.Root``)."""
    target_root: str = ""
    refused: Problem | None = None
    """Why a file could not be compared at all."""

    @property
    def differences(self) -> int:
        """Records that are not the same on both sides."""
        return self.missing + self.orphan + self.diverged + self.ahead + self.undecodable

    @property
    def accuracy(self) -> float:
        """Equal records, as a share of all keys."""
        return self.equal / self.union if self.union else float(self.refused is None)


@attrs.frozen
class ValidationReport:
    """What comparing two backends found."""

    migration: str
    source: Mapping[str, str]
    target: Mapping[str, str]
    entities: tuple[Validated, ...]
    differences: tuple[Difference, ...]
    """The first thousand; all are in ``differences_file`` where one was named."""
    quarantined: tuple[Problem, ...]
    """What is known to stay behind; the first thousand of each entity."""
    epoch: int
    started: datetime
    ended: datetime
    sample: float | None = None
    """The share of keys that was compared; ``None`` for all."""
    live: bool = False
    """Whether writers were at work: the source is the authority, the target its follower."""
    notices: tuple[str, ...] = ()
    """What the reader should know beside the numbers."""
    differences_file: Path | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.started).total_seconds()

    @property
    def difference_count(self) -> int:
        """Differences of all entities."""
        return sum(one.differences for one in self.entities)

    @property
    def accuracy(self) -> float:
        """Equal records, as a share of all keys."""
        union = sum(one.union for one in self.entities)
        refused = any(one.refused for one in self.entities)
        return sum(one.equal for one in self.entities) / union if union else float(not refused)

    @property
    def exit_code(self) -> int:
        """4 where something stays behind or was refused, 5 for differences, else 0."""
        if any(one.quarantined or one.refused for one in self.entities):
            return QUARANTINED
        return DIFFERENT if self.difference_count else OK

    def to_json(self) -> Any:
        """Return the report as JSON values."""
        return to_json(self)
