"""``assess``, ``migrate`` and ``rollback``: everything that moves records, or says what would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from fluxstore.cli import ends, history, render, summaries
from fluxstore.cli.ends import EntityNames, From, To
from fluxstore.cli.progress import reporting
from fluxstore.cli.session import Session
from fluxstore.errors import ConfigError, GateError

if TYPE_CHECKING:
    from fluxstore.migration.options import Options
    from fluxstore.migration.report import MigrationReport

DryRun = Annotated[bool, typer.Option("--dry-run", help="Look, say what would happen, stop.")]
Workers = Annotated[
    int, typer.Option(min=1, max=64, metavar="N", help="Move so many entities side by side.")
]
Rate = Annotated[
    float | None, typer.Option(min=0.1, metavar="N", help="At most so many records a second.")
]
Problems = Annotated[
    Path | None,
    typer.Option(
        "--problems", metavar="FILE", help="List every record left behind, as JSON lines."
    ),
]
Extras = Annotated[
    Path | None,
    typer.Option("--extras", metavar="FILE", help="List every record only in the target."),
]


def assess(
    ctx: typer.Context,
    *,
    source: From = "",
    target: To = "",
    entity: EntityNames = [],  # noqa: B006 - Typer reads the default and never changes it
    problems: Problems = None,
    workers: Workers = 1,
) -> render.Answer:
    """Say what a migration would meet, without writing anything.

    Names every record that would be quarantined, orphans and duplicates, missing rights, and
    about how long the migration will take. Exit code 4 if anything would stay behind.
    """
    from fluxstore.migration.assess import assess as run

    session = Session.of(ctx)
    with (
        ends.opened(session, source, target, entity) as both,
        choices(session, workers, entities=both.entities, problems_file=problems) as options,
    ):
        report = run(both.source, both.target, both.config.entities, options)
    answer = summaries.of_assessment(report)
    words = f"{render.count(report.problem_count, 'problem')}"
    session.remember(history.event("assess", report, words))
    return answer


def migrate(
    ctx: typer.Context,
    *,
    source: From = "",
    target: To = "",
    entity: EntityNames = [],  # noqa: B006 - as above
    workers: Workers = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run stood.")
    ] = False,
    rate: Rate = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first bad record.")
    ] = False,
    delete_extra: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Delete records only in the target, unless more than N."
        ),
    ] = 0,
    problems: Problems = None,
    extras: Extras = None,
    dry_run: DryRun = False,
) -> render.Answer:
    """Copy every good record from one backend to the other, and quarantine the rest.

    In phase off an offline copy: stop the writers first. From dual_write on a live backfill, with
    writers at work, from the authority to its follower: see `fluxstore ctl`. The source is only
    read. Run again, it repairs what drifted and writes nothing where both sides are equal. Exit
    code 4 if records stayed behind, 5 if the target has records that the source has not.
    """
    session = Session.of(ctx)
    session.again = ["--resume"]
    chosen: dict[str, Any] = {
        "resume": resume,
        "rate": rate,
        "fail_fast": fail_fast,
        "delete_extra": delete_extra,
        "dry_run": dry_run,
        "problems_file": problems,
        "extras_file": extras,
    }
    report = _copied(session, (source, target), tuple(entity), workers, chosen)
    answer = summaries.of_migration(report, session)
    return answer if dry_run else remembered(session, "migrate", report, answer)


def _copied(
    session: Session,
    way: tuple[str, str],
    entity: tuple[str, ...],
    workers: int,
    chosen: dict[str, Any],
) -> MigrationReport:
    """Return what came of the copy that the ledgers ask for."""
    from fluxstore.migration.migrate import migrate as run

    with ends.opened(session, *way, entity) as both:
        if both.live() is None:
            moves = ends.moves(session, both)
            with choices(session, workers, **chosen, entities=both.entities, moves=moves) as made:
                return run(both.source, both.target, both.config.entities, made)
    return _backfilled(session, way, entity, workers, chosen)


def _backfilled(
    session: Session,
    way: tuple[str, str],
    entity: tuple[str, ...],
    workers: int,
    chosen: dict[str, Any],
) -> MigrationReport:
    from fluxstore.migration.backfill import backfill

    with ends.served(session, *way, entity) as (both, live):
        if live.authority.name != both.source.name:
            raise GateError(
                f"{live.authority.name} is the authority in phase {live.phase}, and records go "
                "from it",
                gate="control",
                next_step=f"fluxstore migrate --from {both.target.name} --to {both.source.name}",
            )
        moves = ends.moves(session, both)
        with choices(session, workers, **chosen, moves=moves) as made:
            return backfill(live, both.config.entities, made)


def remembered(
    session: Session, command: str, report: MigrationReport, answer: render.Answer
) -> render.Answer:
    """Keep what came of a copy, tell plugins where it ran to its end, and return *answer*."""
    read = render.count(sum(one.read for one in report.entities), "record")
    kept = f", {report.quarantined:,} quarantined" if report.quarantined else ""
    words = "stopped before the end" if report.stopped else f"{read} read{kept}"
    made = history.event(command, report, words)
    session.remember(attrs.evolve(made, exit_code=answer.exit_code))
    if not report.stopped:
        session.plugins.migrated(report)
    return answer


@contextmanager
def choices(session: Session, workers: int = 1, **chosen: Any) -> Iterator[Options]:
    """Yield the engine's options: the user's, and how it tells its progress and is stopped."""
    from fluxstore.migration.options import Options

    kind = session.config.executor.kind
    if workers > 1 and kind == "process":
        raise ConfigError(
            "entities are moved side by side in threads",
            file=str(session.config.file),
            key="executor.kind",
            next_step='write kind = "local", or leave --workers out',
        )
    make = session.plugins.executor(kind)
    with reporting(session) as tell, session.signals.patient() as stop:
        if workers == 1:
            yield Options(progress=tell, stopped=stop.is_set, **chosen)
            return
        with make(workers) as executor:
            yield Options(progress=tell, stopped=stop.is_set, executor=executor, **chosen)
