"""``fluxstore phase`` and ``finalize``: what an operator says, and what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from fluxstore.cli import asking, policy
from fluxstore.cli.render import Answer
from fluxstore.cli.session import Session
from fluxstore.errors import (
    BackendUnavailableError,
    PhaseOrderError,
    UsageError,
    shortened,
)
from fluxstore.migration.progress import check
from fluxstore.settings import duration
from fluxstore_phases import accepting, completing, operator, showing
from fluxstore_phases.operator import chosen_scope, opened, settings_of
from fluxstore_phases.phases import OFF, PHASES, Phase, phase_of
from fluxstore_phases.standing import ALL

if TYPE_CHECKING:
    from fluxstore_phases.sides import Sides
    from fluxstore_phases.steps import Taken, Walk

group = typer.Typer(help="The phase of a migration: look at it, change it step by step.")

EntityName = Annotated[
    str,
    typer.Option("--entity", metavar="NAME", help="Only this entity, from now on by itself."),
]
MaxAge = Annotated[
    str,
    typer.Option("--max-age", metavar="TIME", help="How old a validation may be: 30m, 2h."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask the gates, change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before the authority moves.")]


@group.command()
def show(ctx: typer.Context, *, max_age: MaxAge = "1h") -> Answer:
    """Show the phase of each scope, and what stands in the way of the next step.

    A scope is an entity with a phase of its own, or * for all others.
    """
    session = Session.of(ctx)
    with opened(session) as sides:
        return showing.phases(session, sides, max_age_seconds=_seconds(max_age))


@group.command()
def advance(
    ctx: typer.Context,
    *,
    entity: EntityName = "",
    max_age: MaxAge = "1h",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> Answer:
    """Go on to the next phase, if its gates are open.

    Exit code 6 where one is shut; it says which, and what opens it.
    """
    return _neighbour(ctx, entity, 1, max_age=max_age, dry_run=dry_run, yes=yes)


@group.command()
def back(
    ctx: typer.Context,
    *,
    entity: EntityName = "",
    max_age: MaxAge = "1h",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> Answer:
    """Go back to the phase before. Nothing that was written meanwhile is lost."""
    return _neighbour(ctx, entity, -1, max_age=max_age, dry_run=dry_run, yes=yes)


@group.command("set")
def set_(
    ctx: typer.Context,
    phase: Annotated[str, typer.Argument(metavar="PHASE", help="Its name, or its number: 0 to 5.")],
    *,
    entity: EntityName = "",
    max_age: MaxAge = "1h",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> Answer:
    """Walk to a phase, step by step; stop at the first gate that is shut.

    What was reached stays: run it again once the gate is open.
    """
    session = Session.of(ctx)
    scope, wanted = chosen_scope(session, entity), _phase(phase)
    with opened(session) as sides:
        return _walked(session, sides, scope, wanted, _Choice(max_age, dry_run, yes))


@group.command()
def accept(
    ctx: typer.Context,
    entity: Annotated[str, typer.Argument(metavar="ENTITY", help="Whose record it is.")],
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The record's key, or its file's name.")
    ],
) -> Answer:
    """Accept that a quarantined record stays behind, for the reason that it has now.

    Its bytes stay at the source. Another reason must be accepted anew.
    """
    session = Session.of(ctx)
    scope = chosen_scope(session, entity)
    with opened(session) as sides:
        standing = sides.standing(scope)
        found = accepting.accept(sides, standing, session.config.entities[scope], key)
    line = f"{entity} {key} may stay behind: {found.problem.expected}"
    return Answer({"entity": entity, "key": key, "reason": found.problem.reason.value}, [line])


def finalize(
    ctx: typer.Context,
    *,
    entity: EntityName = "",
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> Answer:
    """End the way back: forget what it would need. Only in phase complete.

    The source keeps its records and stays archived; it can be migrated to afresh, never reopened.
    """
    session = Session.of(ctx)
    scope, name = chosen_scope(session, entity), settings_of(session).source
    question = f"End the way back to {name} for good"
    with opened(session) as sides:
        if not dry_run:
            _recovered(sides, scope)
        standing = sides.standing(scope)
        completing.require_complete(standing)
        if dry_run:
            return Answer({"scope": scope, "dry_run": True}, [f"would: {question}"])
        was_final = standing.state.name == "final"
        if not was_final:
            asking.confirm(question, yes=yes, option="--yes")
        with sides.leased():
            epoch = completing.finalize(sides, scope)
    if not was_final:
        operator.report(session.plugins, scope, PHASES[-1].name, epoch=epoch)
    words = "was finalized before" if was_final else "finalized: there is no way back"
    return Answer({"scope": scope, "epoch": epoch, "finalized": True}, [f"{scope}: {words}"])


def _recovered(sides: Sides, scope: str) -> None:
    """End what somebody began and died in: only then it is known what there is to finalize."""
    from fluxstore_phases import recovery

    with sides.leased():
        recovery.recover(sides, scope)


@attrs.frozen
class _Choice:
    """How a change is wanted."""

    max_age: str
    dry_run: bool
    yes: bool


def _neighbour(
    ctx: typer.Context, entity: str, by: int, *, max_age: str, dry_run: bool, yes: bool
) -> Answer:
    session = Session.of(ctx)
    scope = chosen_scope(session, entity)
    with opened(session) as sides:
        now = sides.standing(scope).phase
        wanted = _beside(session, scope, now, by)
        return _walked(session, sides, scope, wanted, _Choice(max_age, dry_run, yes))


def _beside(session: Session, scope: str, now: Phase, by: int) -> Phase:
    """Return the neighbour of *now*, or *now* where an earlier run got there and was cut short.

    A run writes the configuration last, so a phase that it does not know yet was just reached.
    """
    if operator.desired(session, scope).number == now.number - by and _knows(session, scope):
        return now
    number = now.number + by
    if not 0 <= number < len(PHASES):
        end = "the last" if by > 0 else "the first"
        step = "`fluxstore finalize` ends the way back" if by > 0 else "nothing is left to undo"
        raise PhaseOrderError(
            f"{now.name} is {end} phase", entity="" if scope == ALL else scope, next_step=step
        )
    return PHASES[number]


def _knows(session: Session, scope: str) -> bool:
    """Tell whether the configuration speaks of *scope* itself."""
    return scope == ALL or settings_of(session).has_own_phase(scope)


def _walked(session: Session, sides: Sides, scope: str, wanted: Phase, choice: _Choice) -> Answer:
    now = _now(sides, scope, wanted)
    walk = _walk(session, sides, scope, _seconds(choice.max_age))
    if choice.dry_run:
        return showing.dry_run(scope, walk.asked(), wanted)
    _agreed(sides, scope, now, wanted, yes=choice.yes)
    taken = _taken(session, walk, wanted)
    return showing.walked(sides, scope, taken)


def _now(sides: Sides, scope: str, wanted: Phase) -> Phase:
    """Return the phase; the source can be alone even where the target cannot be asked."""
    try:
        return sides.standing(scope).phase
    except BackendUnavailableError:
        if wanted is not OFF:
            raise
        return wanted


def _walk(session: Session, sides: Sides, scope: str, max_age_seconds: float) -> Walk:
    from fluxstore_phases.steps import Walk

    settings = settings_of(session)
    return Walk(
        sides,
        scope,
        max_age_seconds=max_age_seconds,
        budget_seconds=settings.seal_budget.total_seconds(),
        tell=policy.telling(session),
        taken=lambda step: operator.record(session, step),
    )


def _taken(session: Session, walk: Walk, wanted: Phase) -> tuple[Taken, ...]:
    with session.signals.patient() as stop:
        taken = attrs.evolve(walk, stopped=stop.is_set).to(wanted)
    reached = _now(walk.sides, walk.scope, wanted)
    policy.writing(session)(operator.keys_of(walk.scope), reached.name)
    if reached is not wanted:
        check(stop.is_set)
    return taken


def _agreed(sides: Sides, scope: str, now: Phase, wanted: Phase, *, yes: bool) -> None:
    """Ask, where somebody sits there, before another side answers."""
    if now.reads is wanted.reads:
        return
    name = sides.names[wanted.reads]
    asking.confirm_here(f"Let {name} answer for {_words(scope)}", yes=yes)


def _words(scope: str) -> str:
    return "all entities" if scope == ALL else scope


def _phase(named: str) -> Phase:
    try:
        return phase_of(named)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        found: timedelta = duration(text)
    except ValueError as error:
        raise UsageError(f"--max-age {shortened(text)}: {error}") from None
    return found.total_seconds()
