"""Ending differences: a plan that people can read and edit first.

A plan is a file of JSON lines: a header, then one line a difference with both values, what is to
be done on which side, and the rule behind it. Writes stand parents first, deletes children first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import attrs

from fluxstore.entity import Entities
from fluxstore.errors import PlanError
from fluxstore.migration.confirm import validate_live
from fluxstore.migration.differences import Difference, Kind
from fluxstore.migration.live import Live
from fluxstore.migration.options import Options
from fluxstore.migration.plan import End, migration_of
from fluxstore.migration.report import ValidationReport
from fluxstore.migration.scratch import Lines, Scratch
from fluxstore.migration.spool import converters
from fluxstore.migration.verify import validate
from fluxstore.records import Record

FORMAT = 1
PLAN_KIND = "fluxstore repair plan"


class Towards(StrEnum):
    """Which side is made like the other."""

    TARGET = "target"
    SOURCE = "source"


class Action(StrEnum):
    """What is done with a record."""

    WRITE = "write"
    DELETE = "delete"
    NONE = "none"
    """Nothing: it is to be mended by hand, or the reader decided so."""


_ONLY = {Towards.TARGET: Kind.ORPHAN, Towards.SOURCE: Kind.MISSING}
"""The kind of difference that only the side to be changed has."""
_BY_HAND = {
    Kind.UNDECODABLE: "what cannot be decoded is mended by hand",
    Kind.AHEAD: "the follower has a version that its authority never gave: find out who wrote it",
}


@attrs.frozen
class RepairLine:
    """One line of a plan."""

    entity: str
    key: str
    difference: Kind
    side: Towards
    action: Action
    rule: str
    source: dict[str, Any] | None
    target: dict[str, Any] | None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the line as a JSON object."""
        return attrs.asdict(self, recurse=False)

    @property
    def wanted(self) -> dict[str, Any] | None:
        """What the changed side is to hold: the other side's record, or nothing."""
        other = self.source if self.side is Towards.TARGET else self.target
        return other if self.action is Action.WRITE else None


@attrs.frozen
class RepairPlanned:
    """What a plan proposes, and the validation behind it."""

    path: Path
    writes: int
    deletes: int
    by_hand: int
    validation: ValidationReport

    @property
    def exit_code(self) -> int:
        """What the validation found."""
        return self.validation.exit_code

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "path": str(self.path),
            "writes": self.writes,
            "deletes": self.deletes,
            "by_hand": self.by_hand,
            "exit_code": self.exit_code,
            "validation": self.validation.to_json(),
        }


def plan_repair(
    source: End,
    target: End,
    entities: Entities,
    *,
    path: Path,
    towards: Towards = Towards.TARGET,
    options: Options | None = None,
) -> RepairPlanned:
    """Compare both backends and write to *path* what would make one like the other.

    The file holds whole records, personal data included: only its owner may read it.
    """
    options = options or Options()
    with Scratch(options.scratch) as scratch:
        planner = _Planner(entities, towards, scratch)
        report = validate(source, target, entities, options, each=planner.take)
        planner.write(path, source, target)
    return _planned(path, planner, report)


def plan_live_repair(
    live: Live, entities: Entities, *, path: Path, options: Options | None = None
) -> RepairPlanned:
    """Compare a follower with its authority, and write to *path* what would make it like that.

    Writers may be at work: only what is certainly different is in the plan.
    """
    options = options or Options()
    with Scratch(options.scratch) as scratch:
        planner = _Planner(entities, Towards.TARGET, scratch)
        report = validate_live(live, entities, options, each=planner.take)
        planner.write(path, live.authority, live.follower, epoch=live.epoch)
    return _planned(path, planner, report)


def _planned(path: Path, planner: _Planner, report: ValidationReport) -> RepairPlanned:
    counts = planner.counts
    return RepairPlanned(
        path, counts[Action.WRITE], counts[Action.DELETE], counts[Action.NONE], report
    )


class _Planner:
    """Sorts differences into the lines of a plan."""

    def __init__(self, entities: Entities, towards: Towards, scratch: Scratch) -> None:
        self._towards = towards
        self._to_json = {name: converters(one)[0] for name, one in entities.items()}
        self._order = [one.name for one in entities.parents_first()]
        self._lines: dict[tuple[Action, str], Lines] = {
            (action, name): scratch.lines() for action in Action for name in self._order
        }

    @property
    def counts(self) -> dict[Action, int]:
        """How many lines there are of each action."""
        return {
            action: sum(len(lines) for (one, _), lines in self._lines.items() if one is action)
            for action in Action
        }

    def take(self, difference: Difference, source: Record | None, target: Record | None) -> None:
        to_json = self._to_json[difference.entity]
        action, rule = self._decide(difference)
        line = RepairLine(
            entity=difference.entity,
            key=difference.key,
            difference=difference.kind,
            side=self._towards,
            action=action,
            rule=rule,
            source=None if source is None else to_json(source),
            target=None if target is None else to_json(target),
            detail=difference.detail,
        )
        self._lines[action, difference.entity].add(line.to_json())

    def _decide(self, difference: Difference) -> tuple[Action, str]:
        other = "source" if self._towards is Towards.TARGET else "target"
        if difference.kind in _BY_HAND:
            return Action.NONE, _BY_HAND[difference.kind]
        if difference.kind is _ONLY[self._towards]:
            return Action.DELETE, f"the {other} does not have it, and the {other} counts"
        return Action.WRITE, f"the {other} has it so, and the {other} counts"

    def write(self, path: Path, source: End, target: End, *, epoch: int | None = None) -> None:
        header = {
            "kind": PLAN_KIND,
            "format": FORMAT,
            "migration": migration_of(source, target),
            "source": source.to_json(),
            "target": target.to_json(),
            "towards": self._towards.value,
            "epoch": epoch,
            "created": datetime.now(UTC).isoformat(),
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in (header, *self._in_order()):
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _in_order(self) -> Iterator[dict[str, Any]]:
        """Yield writes with parents first, then deletes with children first."""
        for action, names in (
            (Action.NONE, self._order),
            (Action.WRITE, self._order),
            (Action.DELETE, list(reversed(self._order))),
        ):
            for name in names:
                yield from self._lines[action, name]


def read_header(path: Path, kind: str, migration: str) -> dict[str, Any]:
    """Return the first line of a plan or a log; ``PlanError`` where it is of something else."""
    try:
        with path.open(encoding="utf-8") as file:
            header = json.loads(file.readline())
    except (OSError, ValueError) as error:
        raise PlanError(f"{path} cannot be read: {error}", next_step=f"name a {kind}") from error
    if not isinstance(header, dict) or (header.get("kind"), header.get("format")) != (kind, FORMAT):
        raise PlanError(f"{path} is no {kind} of format {FORMAT}")
    if header["migration"] != migration:
        raise PlanError(
            f"{path} is of {header['migration']}, these backends are {migration}",
            next_step="name the backends it was made for",
        )
    made: dict[str, Any] = header
    return made


def read_lines(path: Path, entities: Entities) -> Iterator[RepairLine]:
    """Yield the lines of a plan; ``PlanError`` names the line that cannot be meant."""
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if number > 1 and text.strip():
                yield _line(path, number, text, entities)


def _line(path: Path, number: int, text: str, entities: Entities) -> RepairLine:
    try:
        value = json.loads(text)
        line = RepairLine(
            **{
                **value,
                "difference": Kind(value["difference"]),
                "side": Towards(value["side"]),
                "action": Action(value["action"]),
            }
        )
        if line.entity not in entities:
            raise ValueError(f"no entity {line.entity}")
        if line.action is Action.WRITE and line.wanted is None:
            raise ValueError("nothing to write")
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(
            f"{path} line {number} cannot be meant: {error}",
            next_step="leave lines out, or set their action to none; nothing else can be edited",
        ) from error
    return line
