"""``rollback``: the source's records replaced by the target's, after a backup."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from fluxstore.calls import Retreat
from fluxstore.cli import asking, ends, history, policy, render, summaries
from fluxstore.cli.ends import EntityNames, From, To
from fluxstore.cli.moving import DryRun, Extras, Problems, Workers, choices, remembered
from fluxstore.cli.session import Session
from fluxstore.errors import UsageError

if TYPE_CHECKING:
    from fluxstore.migration.plan import End


def rollback(
    ctx: typer.Context,
    *,
    source: From = "",
    target: To = "",
    entity: EntityNames = [],  # noqa: B006 - Typer reads the default and never changes it
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Fill this empty folder instead; the source stays."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    lossy: Annotated[
        bool,
        typer.Option("--lossy", help="After a disaster: give up a target that cannot be asked."),
    ] = False,
    workers: Workers = 1,
    problems: Problems = None,
    extras: Extras = None,
    dry_run: DryRun = False,
) -> render.Answer:
    """Bring the authority back to the source, from any phase before finalize; lose nothing.

    In phase off the source's records are replaced by the target's. --from and --to name the
    migration's source and target, as they did when it was made. The source is backed up first: no
    backup, no change. Documents come back as they were: fields that nobody declared, spellings,
    order.
    """
    from fluxstore.adapter import Use
    from fluxstore.migration.rollback import rollback as run

    session = Session.of(ctx)
    source, target = ends.chosen_names(session, source, target)
    backups = session.config.folder / history.FOLDER / "backups"
    if into is None and policy.rules(session, source, target):
        chosen = ends.chosen_entities(session.config, entity)
        told = policy.telling(session), policy.writing(session)
        retreat = Retreat(backups, chosen, lossy, dry_run, *told)
        if (answer := _by_policy(session, source, retreat, force=force)) is not None:
            return answer
    if into is None and not dry_run:
        question = f"Replace the records of {source} by those of {target}"
        asking.confirm(question, yes=force, option="--force")
    uses = (Use.TARGET if into is None else Use.SOURCE, Use.SOURCE)
    with (
        ends.opened(session, source, target, entity, uses=uses) as both,
        _empty(session, both.source, into) as folder,
        choices(
            session,
            workers,
            entities=both.entities,
            dry_run=dry_run,
            problems_file=problems,
            extras_file=extras,
        ) as options,
    ):
        sides, entities = (both.source, both.target), both.config.entities
        report = run(*sides, entities, backups=backups, into=folder, options=options)
    way = f"--from {source} --to {target}"
    answer = summaries.of_rollback(report, session, way)
    return answer if dry_run or into else remembered(session, "rollback", report, answer)


def _by_policy(
    session: Session, source: str, retreat: Retreat, *, force: bool
) -> render.Answer | None:
    """Return what the policy's rollback ends with; ``None`` where nothing is under way."""
    with policy.opener(session) as backends:
        rollback = session.plugins.bind_rollback(backends, policy.routing(session))
        if rollback is None:
            return None
        if not retreat.dry_run:
            loss = ", and lose what only the target has" if retreat.lossy else ""
            question = f"Let {source} be the authority again{loss}"
            asking.confirm(question, yes=force, option="--force")
        return policy.answer(rollback(retreat))


@contextmanager
def _empty(session: Session, source: End, folder: Path | None) -> Iterator[End | None]:
    """Yield a backend like *source* in another folder, or nothing where none was asked for."""
    from fluxstore.adapter import Opening, Use
    from fluxstore.migration.plan import End

    if folder is None:
        yield None
        return
    config = session.config
    backend = config.backend(source.name)
    usual = getattr(backend.settings, "path", None)
    if usual is None:
        raise UsageError(
            f"--into: {source.name} is in no folder", next_step="roll back without --into"
        )
    place = folder.absolute()
    if not (config.folder / usual).is_dir():
        place = place / Path(usual).name  # one file: it keeps its name
    settings = attrs.evolve(backend.settings, path=str(place))
    opening = Opening(
        source.name, settings, config.entities, backend.entity_settings, config.folder, Use.TARGET
    )
    folder.mkdir(parents=True, exist_ok=True)
    adapter = session.plugins.adapter(backend.adapter)(opening)
    try:
        yield End(source.name, adapter, source.version)
    finally:
        adapter.close()
