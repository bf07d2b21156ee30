"""The way back in phase ``off``: the source's records are replaced by the target's.

First a backup: without one nothing is changed. Then the same copy as ``migrate``, the other way
round: what never crossed stays at the source as it is, what only the source has goes, and what a
file has beside its records comes back from the target's ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.errors import PlanError
from fluxstore.migration.migrate import Migration, Way
from fluxstore.migration.options import Options
from fluxstore.migration.plan import LEASE, End, Plan, has_snapshot, make_plan, with_backup
from fluxstore.migration.report import MigrationReport
from fluxstore.migration.scratch import Scratch
from fluxstore.records import Reason, Rejected


def rollback(
    source: End,
    target: End,
    entities: Entities,
    *,
    backups: Path,
    into: End | None = None,
    options: Options | None = None,
) -> MigrationReport:
    """Replace the records of *source* by those of *target*; the report is of that copy.

    A backup of the source is made below *backups* first: ``UnsupportedError`` where its adapter
    makes none, and whatever the backup raises, leave everything as it was. With *into* an empty
    backend is filled instead (``PlanError`` where it is not empty), and *source* is not touched.
    """
    options = options or Options()
    restored = into or source
    with ExitStack() as held:
        for end in (target, restored) if not options.dry_run else ():
            held.enter_context(end.adapter.ledger.lease(LEASE))
        if (snapshot := has_snapshot(target.adapter)) is not None:
            held.enter_context(snapshot.snapshot())
            options = attrs.evolve(options, executor=None)  # a moment is of one thread's reads
        skipped = _refused(target, entities, options)
        plan = _plan(target, restored, entities, options, set(skipped))
        if into is not None:
            _require_empty(plan, into)
        way = _way(source, target, backups if into is None else None)
        scratch = held.enter_context(Scratch(options.scratch))
        report = Migration(plan, options, scratch, way).run()
    return attrs.evolve(report, notices=(*report.notices, *skipped.values()))


def _plan(
    target: End, restored: End, entities: Entities, options: Options, skipped: set[str]
) -> Plan:
    chosen = options.entities or tuple(entities)
    for name in chosen:
        entities[name]
    left = tuple(name for name in chosen if name not in skipped)
    if not left:
        raise PlanError("no entity is left to roll back", next_step="mend the refused files first")
    return make_plan(target, restored, entities, only=left)


def _way(source: End, target: End, backups: Path | None) -> Way:
    def kept(entity: Entity) -> Sequence[Rejected]:
        return target.adapter.ledger.quarantine(entity.name)

    if backups is None:
        return Way(kept=kept, delete_all=True)
    adapter = with_backup(source.adapter, source.name, otherwise="roll back --into another folder")
    return Way(back_up=lambda: adapter.backup(backups), kept=kept, delete_all=True)


def _require_empty(plan: Plan, into: End) -> None:
    for entity in plan.entities:
        page = into.collection(entity).scan(None, 1)
        if page.records or page.rejected:
            raise PlanError(
                f"{into.collection(entity).place()} has records already",
                next_step="name an empty folder",
            )


def _refused(target: End, entities: Entities, options: Options) -> dict[str, str]:
    """Return, by entity, a notice for each file that never crossed at all: it stays as it is."""
    found = {}
    for name in options.entities or tuple(entities):
        rejected = target.adapter.ledger.quarantine(name)
        files = [one.problem for one in rejected if one.problem.reason is Reason.FILE]
        if files and not target.collection(entities[name]).scan(None, 1).records:
            found[name] = f"{files[0].file} was refused by the migration and is left as it is"
    return found
