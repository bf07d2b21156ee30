"""``repair``: differences ended by a plan that is read first, and can be taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fluxstore.cli import ends, history, render, summaries
from fluxstore.cli.ends import EntityNames, From, To
from fluxstore.cli.files import free_name
from fluxstore.cli.moving import DryRun, choices
from fluxstore.cli.render import Styled, count
from fluxstore.cli.session import Session
from fluxstore.errors import GateError, UsageError

if TYPE_CHECKING:
    from fluxstore.adapter import Use
    from fluxstore.migration.apply import RepairReport
    from fluxstore.migration.live import Live
    from fluxstore.migration.plan import End
    from fluxstore.migration.repair import RepairPlanned, Towards

PLAN_NAME = "repair.jsonl"


def repair(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help=f"The plan (or log); default: {PLAN_NAME} here."),
    ] = None,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Compare, and write what to do.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do what the plan says.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take an applied plan back.")] = False,
    source: From = "",
    target: To = "",
    entity: EntityNames = [],  # noqa: B006 - Typer reads the default and never changes it
    towards: Annotated[
        str,
        typer.Option(
            metavar="SIDE", help="Which side is changed in phase off: target (default) or source."
        ),
    ] = "",
    dry_run: DryRun = False,
) -> render.Answer:
    """End differences in three steps: write a plan and read it, apply it, or take it back.

    The plan is a file of JSON lines with both values of every record: leave lines out, or set
    their action to none. It is applied only where nothing has moved since, and what was there
    before goes to a log beside it, for --undo. Later than phase off, with writers at work, the
    follower is made like its authority, and a record that was written since is left alone.
    """
    session = Session.of(ctx)
    asked = [name for name, wanted in (("plan", plan), ("apply", apply), ("undo", undo)) if wanted]
    if len(asked) != 1:
        raise UsageError("one of --plan, --apply and --undo expected")
    path = file or Path(PLAN_NAME)
    if plan:
        side = _side(towards) if towards else None
        return _planned(_plan(session, (source, target), tuple(entity), path=path, towards=side))
    return _change(session, (source, target), path, undo=undo, dry_run=dry_run)


def _side(towards: str) -> Towards:
    from fluxstore.migration.repair import Towards

    if towards not in list(Towards):
        raise UsageError(f"--towards {towards!r}", next_step="say target or source")
    return Towards(towards)


def _plan(
    session: Session,
    way: tuple[str, str],
    entity: tuple[str, ...],
    *,
    path: Path,
    towards: Towards | None,
) -> RepairPlanned:
    from fluxstore.adapter import Use
    from fluxstore.migration.repair import Towards, plan_live_repair, plan_repair

    _refuse_foreign_file(path)
    with ends.opened(session, *way, entity, uses=(Use.SOURCE, Use.SOURCE)) as both:
        if both.live() is None:
            lenses = ends.lenses(session, both)
            with choices(session, entities=both.entities, lenses=lenses) as options:
                return plan_repair(
                    both.source,
                    both.target,
                    both.config.entities,
                    path=path,
                    towards=towards or Towards.TARGET,
                    options=options,
                )
    with ends.served(session, *way, entity) as (both, live):
        _refuse_authority(live, both, towards)
        with choices(session, lenses=ends.lenses(session, both)) as options:
            return plan_live_repair(live, both.config.entities, path=path, options=options)


def _refuse_authority(live: Live, both: ends.Ends, towards: Towards | None) -> None:
    """Raise where the side to be changed is the one that counts."""
    changed = {"source": both.source.name, "target": both.target.name}.get(towards or "")
    if changed == live.authority.name:
        raise GateError(
            f"--towards {towards}: {changed} is the authority in phase {live.phase}, and what it "
            "has counts",
            gate="control",
            next_step="write to it through the application, or leave --towards out",
        )


def _refuse_foreign_file(path: Path) -> None:
    """Raise where *path* holds anything but an earlier plan, which is made anew."""
    from fluxstore.migration.repair import PLAN_KIND

    if path.exists() and _header(path).get("kind") != PLAN_KIND:
        raise UsageError(f"{path}: is there and is no repair plan", next_step="name another file")
    path.unlink(missing_ok=True)
    log = log_of(path)
    if log.exists():  # it undoes the earlier plan, not this one
        log.rename(free_name(log))


def log_of(plan: Path) -> Path:
    """Return where applying *plan* logs what was there before."""
    return plan.with_name(f"{plan.name}.log")


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            header = json.loads(file.readline(65536))
    except (OSError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}


def _planned(planned: RepairPlanned) -> render.Answer:
    found = planned.validation
    more = f"all are in {planned.path}"
    problems = summaries.first(found.differences, found.difference_count, more)
    way = summaries.options_of(found)
    lines: list[str] = []
    if not found.difference_count:
        lines = [Styled("nothing to repair: no record differs", "green")]
    else:
        hand = f", {count(planned.by_hand, 'record')} to mend by hand" if planned.by_hand else ""
        counts = f"{count(planned.writes, 'write')}, {count(planned.deletes, 'delete')}{hand}"
        lines = [
            f"{planned.path}: {counts}",
            f"next: read it, then: fluxstore repair --apply {planned.path} {way}",
        ]
    return render.Answer(planned.to_json(), lines, problems, planned.exit_code)


def _change(
    session: Session, way: tuple[str, str], path: Path, *, undo: bool, dry_run: bool
) -> render.Answer:
    if not path.exists():
        hint = "run fluxstore repair --plan" if not undo else "name the log of --apply"
        raise UsageError(f"{path}: there is no such file", next_step=hint)
    log = log_of(path)
    if undo and log.exists():
        path = log  # the plan was named: its log is meant
    report, done = _changed_by(session, way, path, log=log, undo=undo, dry_run=dry_run)
    if not dry_run:
        session.remember(history.event("repair", done, _words(report)))
    return _changed(session, report, log, undo=undo)


def _changed_by(
    session: Session, way: tuple[str, str], path: Path, *, log: Path, undo: bool, dry_run: bool
) -> tuple[RepairReport, _Done]:
    """Carry out or take back what is in *path*, live where one side follows the other."""
    from fluxstore.migration.apply import apply_plan
    from fluxstore.migration.apply import undo as run_undo

    with (
        ends.opened(session, *way, uses=_uses(path, undo=undo)) as both,
        choices(session, dry_run=dry_run) as options,
    ):
        entities = both.config.entities
        if both.live() is None:
            if undo:
                report = run_undo(path, both.source, both.target, entities, options)
            else:
                sides = both.source, both.target
                report = apply_plan(path, *sides, entities, log=log, options=options)
            return report, _Done(both.source, both.target, report)
    return _changed_live(session, way, path, log=log, undo=undo, dry_run=dry_run)


def _changed_live(
    session: Session, way: tuple[str, str], path: Path, *, log: Path, undo: bool, dry_run: bool
) -> tuple[RepairReport, _Done]:
    from fluxstore.migration.liverepair import apply_live_plan, undo_live

    with (
        ends.served(session, *way) as (both, live),
        choices(session, dry_run=dry_run) as options,
    ):
        entities = both.config.entities
        if undo:
            report = undo_live(path, live, entities, options)
        else:
            report = apply_live_plan(path, live, entities, log=log, options=options)
        return report, _Done(live.authority, live.follower, report)


class _Done:
    """A repair's report with the names that an event needs."""

    def __init__(self, source: End, target: End, report: RepairReport) -> None:
        from fluxstore.migration.plan import migration_of

        self.migration = migration_of(source, target)
        self.source, self.target = source.to_json(), target.to_json()
        self.exit_code = report.exit_code


def _uses(path: Path, *, undo: bool) -> tuple[Use, Use]:
    """Return what each side is opened for: only the one that changes is written to."""
    from fluxstore.adapter import Use

    towards = _header(path).get("towards")
    if undo or towards not in ("source", "target"):
        return Use.TARGET, Use.TARGET
    return (Use.TARGET, Use.SOURCE) if towards == "source" else (Use.SOURCE, Use.TARGET)


def _words(report: RepairReport) -> str:
    moved = f", {report.moved:,} written since and left alone" if report.moved else ""
    return (
        f"{report.written:,} written, {report.deleted:,} deleted, "
        f"{report.already:,} were so already, {len(report.refused):,} refused{moved}"
    )


def _changed(session: Session, report: RepairReport, log: Path, *, undo: bool) -> render.Answer:
    lines = [_words(report)]
    problems = summaries.first(report.refused, len(report.refused), "see --json")
    code = report.exit_code
    if report.stopped:
        code = session.signals.exit_code
        problems.append(f"stopped; to go on: {session.again_line()}")
    elif report.dry_run:
        lines.append("nothing was written")
    elif not undo:
        lines.append(f"next: fluxstore validate; to take it back: fluxstore repair --undo {log}")
    return render.Answer(report.to_json(), lines, problems, code)
