"""The offline copy: everything good of a source into a target, once or as often as one likes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.errors import GateError, QuarantineError
from fluxstore.migration import extras, scanning, survey
from fluxstore.migration.assess import save_problems
from fluxstore.migration.copy import EntityCopy, saved_cursor
from fluxstore.migration.extras import Extras
from fluxstore.migration.live import live_of
from fluxstore.migration.options import Options
from fluxstore.migration.plan import LEASE, End, Plan, has_snapshot, make_plan
from fluxstore.migration.progress import Meter, Stage, StoppedError, Throttle
from fluxstore.migration.report import Migrated, MigrationReport
from fluxstore.migration.scratch import Scratch
from fluxstore.migration.spool import SHOWN
from fluxstore.migration.survey import Survey, Surveyed
from fluxstore.records import Reason, Rejected

STAGES = (Stage(survey.STAGE, 1), Stage("copy", 2), Stage("compare", 0.05), Stage("complete", 0.2))


def migrate(
    source: End, target: End, entities: Entities, options: Options | None = None
) -> MigrationReport:
    """Copy every good record, quarantine the rest, and return what was done.

    ``LeaseError`` where another migration is at the target, ``PlanError`` and ``UsageError`` before
    anything is touched, ``GateError`` where a live migration is under way, ``CursorError`` for a
    ``resume`` that does not fit, ``QuarantineError`` with ``fail_fast``.
    """
    options = options or Options()
    refuse_live(source, target, [entities[name] for name in options.entities or entities])
    with ExitStack() as held:
        if not options.dry_run:
            held.enter_context(target.adapter.ledger.lease(LEASE))
        plan = make_plan(source, target, entities, only=options.entities)
        snapshot = has_snapshot(source.adapter)
        if snapshot is not None and options.executor is None:  # it is of one thread's reads
            held.enter_context(snapshot.snapshot())
        scratch = held.enter_context(Scratch(options.scratch))
        return Migration(plan, options, scratch).run()


def refuse_live(one: End, other: End, entities: Sequence[Entity]) -> None:
    """Raise ``GateError`` where one of two backends follows the other: no offline copy then."""
    found = live_of(one, other, entities)
    if found is not None:
        raise GateError(
            f"{found.follower.name} follows {found.authority.name} in phase {found.phase}, and an "
            "offline copy would overwrite what is written meanwhile",
            gate="control",
            next_step=f"fluxstore migrate --from {found.authority.name} --to {found.follower.name}",
        )


def _nothing() -> Path | None:
    return None


def _none(_: Entity) -> Sequence[Rejected]:
    return ()


@attrs.frozen
class Way:
    """What a rollback does otherwise than a migration."""

    back_up: Callable[[], Path | None] = _nothing
    """Called before the first write; what it raises stops everything."""
    kept: Callable[[Entity], Sequence[Rejected]] = _none
    """What must not be deleted though only the target of the plan has it."""
    delete_all: bool = False
    """Every record only in the target goes, however many there are."""


class Migration:
    """One run."""

    def __init__(
        self, plan: Plan, options: Options, scratch: Scratch, way: Way | None = None
    ) -> None:
        """Take the plan and what is particular to its way; nothing is touched yet."""
        self.plan, self.options, self.scratch = plan, options, scratch
        self._way = way or Way()
        self.meter = Meter(options.progress, STAGES)
        self._begun = time.monotonic()
        self._failed = threading.Event()
        self._surveyed: dict[str, Surveyed] = {}
        self._copies: dict[str, EntityCopy] = {}
        self._extras: dict[str, Extras] = {}
        self._deleted: dict[str, int] = {}
        self._backup: Path | None = None
        self._notices = list(plan.notices)

    def run(self) -> MigrationReport:
        """Do everything; a stop leaves a state to go on from."""
        self.scratch.require(self.plan.scratch_bytes)
        if self.options.resume:
            for entity in self.plan.entities:
                saved_cursor(self.plan, entity.name)
        try:
            self._survey()
            if not self.options.dry_run:
                self._write()
        except StoppedError:
            return self._report(stopped=True)
        return self._report(stopped=False)

    def _is_stopped(self) -> bool:
        return self._failed.is_set() or self.options.stopped()

    def _survey(self) -> None:
        self.meter.sizes({name: size.bytes for name, size in self.plan.sizes.items()})
        self._surveyed = Survey(
            self.plan,
            self.scratch,
            meter=self.meter,
            stopped=self._is_stopped,
            fail_fast=self.options.fail_fast,
            deleting=self._way.delete_all or self.options.delete_extra > 0,
            executor=self.options.executor,
        ).run()

    def _write(self) -> None:
        target = self.plan.target.adapter
        entities = [one.entity for one in self._surveyed.values() if one.refused is None]
        self._backup = self._way.back_up()
        target.prepare(entities)
        if not self.options.resume:
            target.ledger.drop_cursors(self.plan.migration)
        self._copy(entities)
        self._compare(entities)
        self._settle()
        self.meter.begin("complete")
        for entity in self.plan.entities:
            self._keep(entity)
        target.complete(entities)
        target.ledger.drop_cursors(self.plan.migration)
        self.meter.end()

    def _copy(self, entities: Sequence[Entity]) -> None:
        self.meter.sizes({name: float(one.read) for name, one in self._surveyed.items()})
        self.meter.begin("copy")
        throttle = Throttle(self.options.rate, self._is_stopped)
        self._copies = {entity.name: self._entity_copy(entity, throttle) for entity in entities}
        for level in levels(entities):
            tasks = [self._task(self._copies[entity.name]) for entity in level]
            scanning.side_by_side(self.options.executor, tasks)

    def _entity_copy(self, entity: Entity, throttle: Throttle) -> EntityCopy:
        return EntityCopy(
            self.plan,
            self._surveyed[entity.name],
            self.options,
            scratch=self.scratch,
            meter=self.meter,
            throttle=throttle,
            stopped=self._is_stopped,
        )

    def _task(self, copy: EntityCopy) -> Callable[[], None]:
        def run() -> None:
            try:
                copy.run()
            except BaseException:
                self._failed.set()  # the others need not go on
                raise

        return run

    def _compare(self, entities: Sequence[Entity]) -> None:
        """Find what is only in the target; delete it where that was asked for."""
        self.meter.begin("compare")
        finder = extras.Finder(self.plan, self.scratch, self.meter, self._is_stopped)
        for entity in entities:
            copy = self._copies[entity.name]
            crossed = None if copy.resumed else copy.written + copy.unchanged
            kept = self._way.kept(entity)
            found = finder.find(self._surveyed[entity.name], crossed, kept)
            self._extras[entity.name] = found
        allowed = None if self._way.delete_all else self.options.delete_extra
        self._notices += extras.notices(self._extras.values(), allowed)
        self._deleted = extras.delete(self.plan, self.scratch, self._extras, allowed=allowed)

    def _settle(self) -> None:
        """Try once more what was refused: what it referred to, or collided with, may have moved."""
        refused = [copy for copy in self._copies.values() if len(copy.pending)]
        left = settle(refused)
        if left and self.options.fail_fast:
            raise QuarantineError(str(left.problem), count=1)

    def _keep(self, entity: Entity) -> None:
        """Save what stays behind, and what the source's file has beside its records."""
        source, target = self.plan.source.adapter.ledger, self.plan.target.adapter.ledger
        problems, refused = self._surveyed[entity.name].problems, self._refused(entity.name)
        few = len(problems) + len(refused) <= SHOWN
        if not few or [*problems, *refused] != list(target.quarantine(entity.name)):
            target.set_quarantine(entity.name, chain(problems, refused))
        if self._surveyed[entity.name].refused is None:
            target.save_parts(entity.name, source.parts(entity.name))

    def _refused(self, name: str) -> list[Rejected]:
        copy = self._copies.get(name)
        return [rejected for _, rejected in copy.pending] if copy else []

    def _report(self, *, stopped: bool) -> MigrationReport:
        found, options = self._surveyed, self.options
        if options.problems_file is not None:
            save_problems(found, options.problems_file)
        if options.extras_file is not None:
            extras.save(list(self._extras.values()), options.extras_file)
        refused = {name: self._refused(name) for name in found}
        problems = [p for one in found.values() for p in one.problems.first]
        problems += [one.problem for rejected in refused.values() for one in rejected[:SHOWN]]
        return MigrationReport(
            migration=self.plan.migration,
            source=self.plan.source.to_json(),
            target=self.plan.target.to_json(),
            entities=tuple(self._migrated(one, len(refused[name])) for name, one in found.items()),
            problem_count=sum(len(one.problems) + len(refused[n]) for n, one in found.items()),
            problems=tuple(problems),
            extras=tuple(extra for one in self._extras.values() for extra in one.first()),
            seconds=time.monotonic() - self._begun,
            stopped=stopped,
            dry_run=options.dry_run,
            backup=self._backup,
            notices=tuple(self._notices),
            problems_file=options.problems_file,
            extras_file=options.extras_file,
        )

    def _migrated(self, one: Surveyed, refused: int) -> Migrated:
        name = one.entity.name
        copy = self._copies.get(name)
        made = Migrated(name, one.place, one.read, seconds=one.seconds, refused=one.refused)
        made = attrs.evolve(made, quarantined=one.quarantined + refused)
        if copy is None:
            return made
        return attrs.evolve(
            made,
            written=copy.written,
            unchanged=copy.unchanged,
            resumed=copy.resumed,
            extra=len(self._extras[name]) if name in self._extras else 0,
            deleted=self._deleted.get(name, 0),
            seconds=one.seconds + copy.seconds,
        )


def settle(copies: Sequence[EntityCopy]) -> Rejected | None:
    """Let everything cross that can; return the first that cannot.

    Records that refer to each other in a circle cross without their references first, where
    nothing else is in the way of any.
    """
    for _ in iter(lambda: retried(copies) or opened(copies), 0):
        pass
    for copy in copies:
        copy.undo_bare()
    return next((rejected for copy in copies for _, rejected in copy.pending), None)


def retried(copies: Sequence[EntityCopy]) -> int:
    """Return how many more the targets took."""
    before = sum(len(copy.pending) for copy in copies)
    for copy in copies:
        copy.retry()
    return before - sum(len(copy.pending) for copy in copies)


def opened(copies: Sequence[EntityCopy]) -> int:
    """Return how many crossed without their references."""
    reasons = {rejected.problem.reason for copy in copies for _, rejected in copy.pending}
    return sum(copy.cross_bare() for copy in copies) if reasons == {Reason.REFERENCE} else 0


def levels(entities: Sequence[Entity]) -> list[list[Entity]]:
    """Return *entities* (parents first) in groups whose members do not refer to each other."""
    depth: dict[str, int] = {}
    for entity in entities:
        parents = {str(field.rules.references) for field in entity.references} - {entity.name}
        depth[entity.name] = 1 + max((depth[name] for name in parents if name in depth), default=-1)
    groups: list[list[Entity]] = [[] for _ in range(len(entities))]
    for entity in entities:
        groups[depth[entity.name]].append(entity)
    return [group for group in groups if group]
