"""Carrying out a repair plan, and taking it back: each first checks that nothing has moved.

Before a batch is written, what was there goes to a log (fsync), so that ``undo`` can restore it
even after a kill in between.
"""

from __future__ import annotations

import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import attrs

from fluxstore.adapter import Batch, Collection
from fluxstore.codec import Codec
from fluxstore.entity import Entities
from fluxstore.errors import MigrationError, PlanError
from fluxstore.migration.migrate import refuse_live
from fluxstore.migration.options import Options
from fluxstore.migration.plan import LEASE, End, migration_of
from fluxstore.migration.repair import (
    FORMAT,
    PLAN_KIND,
    Action,
    Towards,
    read_header,
    read_lines,
)
from fluxstore.migration.report import DIFFERENT, OK, QUARANTINED, to_json
from fluxstore.migration.spool import converters
from fluxstore.records import Problem

UNDO_KIND = "fluxstore repair log"
_BATCH = 200
_NAMED = 5
Document: TypeAlias = dict[str, Any] | None
Steps: TypeAlias = Callable[[], Iterable["Step"]]
"""Called for each walk over the steps: they are read from a file, not kept."""


@attrs.frozen
class Step:
    """One record on one side: what is there before, and what is to be there after."""

    entity: str
    key: str
    side: Towards
    before: Document
    after: Document

    def reversed(self) -> Step:
        """Return the step back."""
        return attrs.evolve(self, before=self.after, after=self.before)


@attrs.frozen
class RepairReport:
    """What applying or undoing did."""

    written: int
    deleted: int
    already: int
    """Records that were as wanted before anything was done."""
    by_hand: int
    """Lines that ask for nothing."""
    refused: tuple[Problem, ...]
    log: Path | None
    """Where ``undo`` finds what was there before."""
    dry_run: bool = False
    stopped: bool = False
    moved: int = 0
    """Records that had been written since, and were left alone: live only."""

    @property
    def exit_code(self) -> int:
        """4 where a record was refused, 5 where some are left as they were, else 0."""
        if self.refused:
            return QUARANTINED
        return DIFFERENT if self.by_hand or self.moved else OK

    def to_json(self) -> Any:
        """Return the report as JSON values."""
        return to_json(self)


def apply_plan(
    path: Path,
    source: End,
    target: End,
    entities: Entities,
    *,
    log: Path,
    options: Options | None = None,
) -> RepairReport:
    """Carry out the plan in *path*; what was there before goes to *log*.

    ``PlanError``, with nothing touched, where any record is no longer as the plan has it. A plan
    that was interrupted is applied again: what is done already is left alone.
    """
    ends = {Towards.SOURCE: source, Towards.TARGET: target}
    migration = migration_of(source, target)
    refuse_live(source, target, list(entities.values()))
    read_header(path, PLAN_KIND, migration)
    by_hand = sum(line.action is Action.NONE for line in read_lines(path, entities))

    def steps() -> Iterator[Step]:
        for line in read_lines(path, entities):
            if line.action is not Action.NONE:
                before = line.target if line.side is Towards.TARGET else line.source
                documents = without_version(before), without_version(line.wanted)
                yield Step(line.entity, line.key, line.side, *documents)

    walk = Walk(ends, entities, options=options or Options(), migration=migration)
    return attrs.evolve(walk.run(steps, log), by_hand=by_hand)


def undo(
    log: Path, source: End, target: End, entities: Entities, options: Options | None = None
) -> RepairReport:
    """Restore what *log* says was there before a plan was applied.

    ``PlanError``, with nothing touched, where a record has changed since.
    """
    ends = {Towards.SOURCE: source, Towards.TARGET: target}
    migration = migration_of(source, target)
    read_header(log, UNDO_KIND, migration)
    walk = Walk(ends, entities, options=options or Options(), migration=migration)
    return walk.run(lambda: backwards(log), None)


class Walk:
    """Steps, checked all together and then made one batch after the other."""

    def __init__(
        self, ends: dict[Towards, End], entities: Entities, *, options: Options, migration: str
    ) -> None:
        """Take both ends."""
        self._ends, self._entities, self._options = ends, entities, options
        self._migration = migration
        self._counts: Counter[str] = Counter()
        self._refused: list[Problem] = []

    def run(self, steps: Steps, log: Path | None) -> RepairReport:
        """Make all steps, or none where one is not as it was."""
        touched = sorted({(step.side, step.entity) for step in steps()})
        sides = sorted({side for side, _ in touched})
        stopped = False
        with ExitStack() as held:
            if not self._options.dry_run:
                for side in sides:
                    held.enter_context(self._ends[side].adapter.ledger.lease(LEASE))
            self._check(steps())
            if not self._options.dry_run:
                stopped = self._make_all(steps, log)
                for side in sides:
                    self._complete(side, {name for each, name in touched if each is side})
        return RepairReport(
            written=self._counts["written"],
            deleted=self._counts["deleted"],
            already=self._counts["already"],
            by_hand=0,
            refused=tuple(self._refused),
            log=log,
            dry_run=self._options.dry_run,
            stopped=stopped,
        )

    def _complete(self, side: Towards, names: set[str]) -> None:
        entities = [one for one in self._entities.parents_first() if one.name in names]
        self._ends[side].adapter.complete(entities)

    def _check(self, steps: Iterable[Step]) -> None:
        moved: list[str] = []
        count = 0
        for batch in batches(steps):
            for step, now in self._now(batch):
                fits = now in (step.before, step.after)
                count += not fits
                moved += [] if fits or count > _NAMED else [f"{step.entity} {step.key}"]
                self._counts["already"] += now == step.after
        if count:
            raise PlanError(
                f"{count} records have changed since, nothing was done: {', '.join(moved)}",
                next_step="plan the repair again",
            )

    def _make_all(self, steps: Steps, log: Path | None) -> bool:
        """Make the steps, those that were refused once more while that helps.

        A record may refer to one that is written after it. Returns whether it was stopped.
        """
        with ExitStack() as held:
            file = held.enter_context(appending(log, self._migration)) if log else None
            before: list[Problem] | None = None
            while before is None or (self._refused and len(self._refused) != len(before)):
                before, self._refused = self._refused, []
                if self._make(steps(), file):
                    return True
        return False

    def _make(self, steps: Iterable[Step], file: TextIO | None) -> bool:
        for batch in batches(steps):
            if self._options.stopped():
                return True
            now = self._now(batch)
            if any(there not in (step.before, step.after) for step, there in now):
                raise MigrationError(
                    f"{batch[0].entity} changed while it was repaired; what was done is in the log",
                    next_step="stop what writes there, then plan again or undo",
                )
            self._merge([step for step, there in now if there != step.after], file)
        return False

    def _merge(self, steps: Sequence[Step], file: TextIO | None) -> None:
        if not steps:
            return
        if file is not None:
            note(file, steps)
        entity = self._entities[steps[0].entity]
        from_json, key_of = converters(entity)[1], Codec.of(entity).key_of_text
        merged = self._collection(steps[0]).merge(
            Batch(
                [from_json(step.after) for step in steps if step.after is not None],
                deletes=[key_of(step.key) for step in steps if step.after is None],
            )
        )
        self._counts["written"] += merged.written
        self._counts["deleted"] += merged.deleted
        self._refused += [rejected.problem for rejected in merged.refused]

    def _now(self, steps: Sequence[Step]) -> list[tuple[Step, Document]]:
        """Return each step with what is there now."""
        entity = self._entities[steps[0].entity]
        codec, as_json = Codec.of(entity), converters(entity)[0]
        keys = [codec.key_of_text(step.key) for step in steps]
        there = self._collection(steps[0]).read(keys)
        return [
            (step, without_version(as_json(there[key])) if key in there else None)
            for step, key in zip(steps, keys, strict=True)
        ]

    def _collection(self, step: Step) -> Collection:
        return self._ends[step.side].collection(self._entities[step.entity])


def without_version(document: Document) -> Document:
    """Return a record's JSON without its version, which is its backend's own."""
    if document is None:
        return None
    return {name: part for name, part in document.items() if name != "version"}


def batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Yield steps of one kind together: one entity, one side, writes or deletes."""
    alike = groupby(steps, lambda step: (step.entity, step.side, step.after is None))
    for _, group in alike:
        while some := list(islice(group, _BATCH)):
            yield some


@contextmanager
def appending(log: Path, migration: str) -> Iterator[TextIO]:
    """Open a log: a new one with its header, one of an interrupted run to go on."""
    new = not _mended(log)
    if not new:
        read_header(log, UNDO_KIND, migration)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        if new:
            header = {"kind": UNDO_KIND, "format": FORMAT, "migration": migration}
            file.write(json.dumps(header) + "\n")
        yield file


def _mended(log: Path) -> bool:
    """Cut off a line that a kill left unfinished; tell whether there is anything before it."""
    if not log.exists():
        return False
    with log.open("rb+") as file:
        whole = 0
        while (line := file.readline()).endswith(b"\n"):
            whole += len(line)
        file.truncate(whole)
    return whole > 0


def note(file: TextIO, steps: Iterable[Step]) -> None:
    """Write *steps* to a log, durably: what it says may be done from then on."""
    file.writelines(json.dumps(attrs.asdict(step), ensure_ascii=False) + "\n" for step in steps)
    file.flush()
    os.fsync(file.fileno())


def backwards(log: Path) -> Iterator[Step]:
    """Yield the way back, the last step first; a line cut off by a kill was never acted on."""
    places = array("Q")
    with log.open("rb") as file:
        while line := file.readline():
            places.append(file.tell() - len(line))
        for place in reversed(places[1:]):
            file.seek(place)
            line = file.readline()
            if line.endswith(b"\n"):
                value = json.loads(line)
                yield Step(**{**value, "side": Towards(value["side"])}).reversed()
