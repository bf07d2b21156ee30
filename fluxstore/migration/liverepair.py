"""Carrying out a repair plan while writers are at work, and taking it back.

Only the follower is changed. What its authority has a newer version of is carried by version, as
the relay carries it. The rest is compared and written in one transaction of the follower that keeps
every leg and relay out: with the row that the plan was made of, so nothing that has come since is
overwritten. The authority may have moved on; then its mark is on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import attrs

from fluxstore.adapter import Batch, Merged
from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity
from fluxstore.errors import ConstraintError, PlanError
from fluxstore.migration.apply import (
    UNDO_KIND,
    Document,
    RepairReport,
    Step,
    Steps,
    appending,
    backwards,
    batches,
    note,
    without_version,
)
from fluxstore.migration.current import current, readable
from fluxstore.migration.live import Live
from fluxstore.migration.options import Options
from fluxstore.migration.plan import LEASE, migration_of
from fluxstore.migration.repair import PLAN_KIND, Action, read_header, read_lines
from fluxstore.migration.spool import converters
from fluxstore.records import Key, Problem, Reason, Versioned


def apply_live_plan(
    path: Path, live: Live, entities: Entities, *, log: Path, options: Options | None = None
) -> RepairReport:
    """Carry out the plan in *path* at the follower; what was there before goes to *log*.

    A record that was written since the plan was made is left alone and counted as ``moved``.
    ``PlanError``, with nothing touched, for a plan of other backends or of phase ``off``.
    """
    header = read_header(path, PLAN_KIND, migration_of(live.authority, live.follower))
    if header.get("epoch") is None:
        raise PlanError(
            f"{path} was made in phase off, and records are written at both sides now",
            next_step="plan the repair again",
        )
    lines = [line for line in read_lines(path, entities) if line.action is Action.NONE]

    def steps() -> Iterator[Step]:
        for line in read_lines(path, entities):
            if line.action is not Action.NONE:
                yield Step(line.entity, line.key, line.side, line.target, line.wanted)

    repair = LiveRepair(live, entities, options or Options(), carries=True)
    return attrs.evolve(repair.run(steps, log), by_hand=len(lines))


def undo_live(
    log: Path, live: Live, entities: Entities, options: Options | None = None
) -> RepairReport:
    """Put the follower's records back as *log* says they were, but for those written since."""
    read_header(log, UNDO_KIND, migration_of(live.authority, live.follower))
    repair = LiveRepair(live, entities, options or Options(), carries=False)
    return repair.run(lambda: backwards(log), None)


class LiveRepair:
    """Steps at a follower, each made only where nothing has come since."""

    def __init__(self, live: Live, entities: Entities, options: Options, *, carries: bool) -> None:
        """Take the roles; *carries* says that what the authority has newer goes instead."""
        self._live, self._entities, self._options = live, entities, options
        self._carries = carries
        self._counts: Counter[str] = Counter()
        self._refused: list[Problem] = []
        self._is_first = True

    def run(self, steps: Steps, log: Path | None) -> RepairReport:
        """Make the steps, those that were refused once more while that helps."""
        migration = migration_of(self._live.authority, self._live.follower)
        with ExitStack() as held:
            if not self._options.dry_run:
                held.enter_context(self._live.follower.adapter.ledger.lease(LEASE))
            is_writing = log is not None and not self._options.dry_run
            file = held.enter_context(appending(log, migration)) if is_writing and log else None
            self._walk(steps, file)
            before = 0
            while self._refused and len(self._refused) != before and not self._options.stopped():
                before = len(self._refused)
                self._walk(steps, file)
        return RepairReport(
            written=self._counts["written"],
            deleted=self._counts["deleted"],
            already=self._counts["already"],
            by_hand=0,
            refused=tuple(self._refused),
            log=log,
            dry_run=self._options.dry_run,
            stopped=self._options.stopped(),
            moved=self._counts["moved"],
        )

    def _walk(self, steps: Steps, file: TextIO | None) -> None:
        """Make all steps; what an earlier walk has done is as it should be, and not counted."""
        self._refused = []
        self._counts["moved"] = 0
        for batch in batches(steps()):
            if self._options.stopped():
                return
            self._make(batch, file)
        self._is_first = False

    def _make(self, steps: Sequence[Step], file: TextIO | None) -> None:
        """Make steps together, or one by one where one of them meets a rule."""
        try:
            self._make_together(steps, file)
        except ConstraintError as error:
            if len(steps) == 1:
                self._refused.append(self._problem(steps[0], error))
                return
            for step in steps:
                self._make([step], file)

    def _problem(self, step: Step, error: ConstraintError) -> Problem:
        place = self._live.follower.collection(self._entities[step.entity]).place()
        return Problem(step.entity, Reason(error.rule), error.problem, step.key, file=place)

    def _make_together(self, steps: Sequence[Step], file: TextIO | None) -> None:
        entity = self._entities[steps[0].entity]
        key_of = Codec.of(entity).key_of_text
        by_key = {key_of(step.key): step for step in steps}
        newer = self._newer(entity, list(by_key))
        follower, epoch = self._live.follower, self._live.epochs[entity.name]
        with follower.adapter.transaction():
            follower.collection(entity).merge(Batch((), epoch=epoch))  # keeps everybody else out
            due, counts = self._due(entity, by_key)
            if due and not self._options.dry_run:
                counts += self._write(entity, due, newer, file=file)
        self._counts += counts

    def _due(
        self, entity: Entity, by_key: Mapping[Key, Step]
    ) -> tuple[dict[Key, Step], Counter[str]]:
        """Return the steps whose record still is as it was, and how many others there are."""
        now = self._documents(entity, list(by_key))
        due: dict[Key, Step] = {}
        counts: Counter[str] = Counter()
        for key, step in by_key.items():
            if without_version(now.get(key)) == without_version(step.after):
                counts["already"] += self._is_first
            elif now.get(key) != step.before:
                counts["moved"] += 1
            else:
                due[key] = step
        return due, counts

    def _newer(self, entity: Entity, keys: Sequence[Key]) -> Mapping[Key, Versioned]:
        """Return what the authority has under *keys*, with versions, where it is to be carried."""
        if not self._carries:
            return {}
        return {one.key: one for one in current(self._live.authority.adapter, entity, keys).changes}

    def _documents(self, entity: Entity, keys: Sequence[Key]) -> dict[Key, Document]:
        to_json = converters(entity)[0]
        records, _ = readable(self._live.follower.adapter, entity, keys)
        return {key: to_json(record) for key, record in records.items()}

    def _write(
        self,
        entity: Entity,
        due: Mapping[Key, Step],
        newer: Mapping[Key, Versioned],
        *,
        file: TextIO | None,
    ) -> Counter[str]:
        to_json = converters(entity)[0]
        after = {key: step.after for key, step in due.items()}
        for key in due.keys() & newer.keys():
            record = newer[key].record
            after[key] = None if record is None else to_json(record)
        if file is not None:
            note(file, [attrs.evolve(step, after=after[key]) for key, step in due.items()])
        applied = self._apply(entity, [newer[key] for key in due if key in newer])
        rest = {key: step for key, step in due.items() if key not in applied}
        # What the authority has changed since and the follower does not take is on its way there.
        still = [step for key, step in rest.items() if after[key] == step.after]
        merged = self._merge(entity, still)
        self._refused += [rejected.problem for rejected in merged.refused]
        gone = sum(after[key] is None for key in applied)
        return Counter(
            deleted=gone + merged.deleted,
            written=len(applied) - gone + merged.written,
            moved=len(rest) - len(still),
        )

    def _apply(self, entity: Entity, changes: Sequence[Versioned]) -> set[Key]:
        """Return the keys of what the follower did not have yet and has taken."""
        collection = self._live.follower.collection(entity)
        epoch = self._live.epochs[entity.name]
        done = collection.apply_if_newer(changes, epoch=epoch) if changes else ()
        return {one.key for one, is_new in zip(changes, done, strict=True) if is_new}

    def _merge(self, entity: Entity, steps: Sequence[Step]) -> Merged:
        from_json, key_of = converters(entity)[1], Codec.of(entity).key_of_text
        records = [from_json(step.after) for step in steps if step.after is not None]
        deletes = [key_of(step.key) for step in steps if step.after is None]
        if not steps:
            return Merged()
        return self._live.follower.collection(entity).merge(Batch(records, deletes=deletes))
