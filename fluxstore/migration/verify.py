"""Comparing two backends, both ways: every difference with file, key, field and class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.migration import scanning
from fluxstore.migration.compare import Joined, held_keys, join
from fluxstore.migration.differences import Difference, Kind
from fluxstore.migration.locate import Each, Locator
from fluxstore.migration.options import Options
from fluxstore.migration.patience import Patience
from fluxstore.migration.plan import End, Plan, has_snapshot, make_plan
from fluxstore.migration.progress import Meter, Stage
from fluxstore.migration.report import Validated, ValidationReport
from fluxstore.migration.scratch import Scratch
from fluxstore.migration.sides import Side
from fluxstore.migration.spool import SHOWN
from fluxstore.records import Problem, Record, Rejected

_STAGES = (Stage("compare", 20), Stage("locate", 1))


def validate(
    source: End,
    target: End,
    entities: Entities,
    options: Options | None = None,
    *,
    each: Each | None = None,
) -> ValidationReport:
    """Compare what both backends hold; *each* hears of every difference, with both records.

    Nothing is written. ``StoppedError`` when asked to stop: there is no half of a validation.
    """
    options = options or Options()
    plan = make_plan(source, target, entities, only=options.entities, check=False)
    with ExitStack() as held:
        scratch = held.enter_context(Scratch(options.scratch))
        scratch.require(2 * plan.scratch_bytes)
        listing = Listing(options, each)
        held.enter_context(listing)
        return Validation(plan, options, scratch, listing).run()


class Listing:
    """Where differences go: the first thousand to the report, all to a file and to listeners."""

    def __init__(self, options: Options, each: Each | None) -> None:
        """Take the caller's choices."""
        self.first: list[Difference] = []
        self._options, self._each = options, each
        self._file: TextIO | None = None

    def __enter__(self) -> Listing:
        """Open the file, where one was named."""
        path: Path | None = self._options.differences_file
        self._file = path.open("w", encoding="utf-8") if path is not None else None
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()

    def add(
        self, entity: Entity, difference: Difference, source: Record | None, target: Record | None
    ) -> None:
        """Take one difference."""
        if len(self.first) < SHOWN:
            self.first.append(difference)
        if self._file is not None:
            self._file.write(json.dumps(difference.to_json(), ensure_ascii=False) + "\n")
        names = tuple(one.field for one in difference.fields)
        self._options.diverged(entity, difference.key, names)
        if self._each is not None:
            self._each(difference, source, target)


class Validation:
    """One run."""

    is_live = False
    """Whether writers are at work while it reads."""

    def __init__(self, plan: Plan, options: Options, scratch: Scratch, listing: Listing) -> None:
        """Take the plan."""
        self._plan, self._options, self._scratch, self._listing = plan, options, scratch, listing
        self._meter = Meter(options.progress, _STAGES)
        self._notices: list[str] = []
        self._quarantined: list[Problem] = []

    def run(self) -> ValidationReport:
        """Compare everything."""
        started = datetime.now(UTC)
        pairs = [
            (self._side(self._plan.source, e), self._side(self._plan.target, e))
            for e in self._plan.entities
        ]
        self._read(pairs)
        self._meter.begin("locate")
        found = tuple(self._validated(*pair) for pair in pairs)
        self._meter.end()
        return ValidationReport(
            migration=self._plan.migration,
            source=self._plan.source.to_json(),
            target=self._plan.target.to_json(),
            entities=found,
            differences=tuple(self._listing.first),
            quarantined=tuple(self._quarantined),
            epoch=self._epoch(),
            started=started,
            ended=datetime.now(UTC),
            sample=self._options.sample,
            live=self.is_live,
            notices=tuple(self._notices),
            differences_file=self._options.differences_file,
        )

    def _side(self, end: End, entity: Entity) -> Side:
        lens = self._options.lenses.get(entity.name)
        return Side(
            end,
            entity,
            scratch=self._scratch,
            lens=lens,
            share=self._options.sample,
            patience=self._patience(),
        )

    def _patience(self) -> Patience | None:
        """Return none: what is read at one moment cannot be read on after an outage."""
        return None

    def _read(self, pairs: list[tuple[Side, Side]]) -> None:
        """Take all digests, each backend's at one moment; what differs is read again later."""
        sides = [side for pair in pairs for side in pair]
        sizes = {side.label: float(self._plan.sizes[side.entity.name].bytes) for side in sides}
        self._meter.sizes(sizes)
        self._meter.begin("compare")
        tasks = [lambda side=side: side.read(self._meter, self._options.stopped) for side in sides]
        with ExitStack() as held:
            for end in (self._plan.source, self._plan.target):
                snapshot = has_snapshot(end.adapter)
                if snapshot is not None and self._options.executor is None:
                    held.enter_context(snapshot.snapshot())
            scanning.side_by_side(self._options.executor, tasks)

    def _validated(self, source: Side, target: Side) -> Validated:
        entity = source.entity
        made = Validated(entity.name, source.place, target.place)
        refused = source.refused or target.refused
        if refused is not None:
            return attrs.evolve(made, refused=refused)
        quarantine = list(self._quarantine(entity))
        self._quarantined += [rejected.problem for rejected in quarantine][:SHOWN]
        held = held_keys(entity, quarantine, self._scratch)
        joined = join(source, target, held, self._scratch, is_live=self.is_live)
        locator = self._locator(source, target)
        locator.run(joined, held)
        self._notice_moved(entity, joined, locator)
        return attrs.evolve(
            made,
            source_records=source.records,
            target_records=target.records,
            equal=joined.equal + locator.settled,
            missing=locator.told[Kind.MISSING],
            orphan=locator.told[Kind.ORPHAN],
            diverged=locator.told[Kind.DIVERGED],
            ahead=locator.told[Kind.AHEAD],
            lagging=locator.lagging,
            undecodable=locator.told[Kind.UNDECODABLE],
            quarantined=joined.quarantined,
            union=joined.union,
            source_root=joined.source_root.hex(),
            target_root=joined.target_root.hex(),
        )

    def _locator(self, source: Side, target: Side) -> Locator:
        def each(difference: Difference, one: Record | None, other: Record | None) -> None:
            self._listing.add(source.entity, difference, one, other)

        return Locator(source, target, meter=self._meter, stopped=self._options.stopped, each=each)

    def _quarantine(self, entity: Entity) -> Iterator[Rejected]:
        """Yield what either backend knows to have stayed behind at the other."""
        for end in (self._plan.target, self._plan.source):
            yield from end.adapter.ledger.quarantine(entity.name)

    def _notice_moved(self, entity: Entity, joined: Joined, locator: Locator) -> None:
        seen = locator.settled + sum(
            locator.told[kind] for kind in (Kind.MISSING, Kind.ORPHAN, Kind.DIVERGED)
        )
        wanted = len(joined.missing) + len(joined.orphans) + len(joined.diverged)
        if seen != wanted:
            self._notices.append(
                f"{entity.name}: records changed while they were compared; validate again"
            )
        elif locator.settled and joined.source_root.hex() != joined.target_root.hex():
            self._notices.append(
                f"{entity.name}: {locator.settled:,} records became equal while they were compared"
            )

    def _epoch(self) -> int:
        controls = [self._plan.source.adapter.ledger.control(e.name) for e in self._plan.entities]
        return max((control.epoch for control in controls if control is not None), default=0)
