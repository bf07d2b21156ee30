"""``relay`` and ``ctl``: what runs beside an application while it is migrated live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fluxstore.cli import ends, render, summaries
from fluxstore.cli.ends import EntityNames, From, To
from fluxstore.cli.progress import Tell, reporting
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import GateError

if TYPE_CHECKING:
    from fluxstore.entity import Entity
    from fluxstore.migration.live import Live
    from fluxstore.migration.rounds import Relayed
    from fluxstore.migration.steering import Told

group = typer.Typer(help="Steer a running backfill from another terminal.")


def relay(
    ctx: typer.Context,
    *,
    source: From = "",
    target: To = "",
    entity: EntityNames = [],  # noqa: B006 - Typer reads the default and never changes it
    once: Annotated[bool, typer.Option("--once", help="Carry what there is, and end.")] = False,
) -> render.Answer:
    """Carry what has not reached the follower yet, until it is stopped; or --once.

    An application relays by itself while it runs; this does it where none does, or where it should
    go faster. It follows a cutover: records go from whichever side is the authority. Exit code 4
    if a record cannot cross or waits for another, 6 if neither side follows the other.
    """
    from fluxstore.adapter import Use
    from fluxstore.migration.rounds import relay_on, relay_once

    session = Session.of(ctx)
    uses = (Use.SERVE, Use.SERVE)
    with (
        ends.opened(session, source, target, entity, uses=uses) as both,
        reporting(session) as show,
        session.signals.patient() as stop,
    ):
        chosen = _parents_first(both)
        if once:
            done = relay_once(both.source, both.target, chosen, stopped=stop.is_set)
        else:
            tell = _telling(session, show)
            done = relay_on(both.source, both.target, chosen, stopped=stop.is_set, tell=tell)
    return _relayed(session, done)


def _parents_first(both: ends.Ends) -> tuple[Entity, ...]:
    asked = {one.name for one in both.asked()}
    return tuple(one for one in both.config.entities.parents_first() if one.name in asked)


def _telling(session: Session, show: Tell) -> Any:
    """Return what shows each round, and warns once of each trouble that is waited out."""
    from fluxstore.migration.progress import Progress

    begun, said = time.monotonic(), [""]

    def tell(now: Relayed) -> None:
        if now.problem and now.problem != said[0]:
            session.warn(f"{now.problem}; trying again")
        said[0] = now.problem
        seconds = max(time.monotonic() - begun, 1e-9)
        stage = f"relay {now.authority} → {now.follower}, {_behind(now)}"
        show(Progress(stage, "", now.cleared, seconds, now.cleared / seconds))

    return tell


def _behind(now: Relayed) -> str:
    marks = render.count(now.left.marks, "mark")
    return f"{marks} left, {render.duration(now.left.seconds)} behind"


def _relayed(session: Session, done: Relayed) -> render.Answer:
    carried = render.count(done.applied, "record")
    lines = [
        f"{done.authority} → {done.follower}: {carried} carried, {done.newer:,} were there already"
    ]
    style = "green" if not done.left.marks else "yellow"
    lines.append(Styled(_behind(done), style))
    problems = [str(one.problem) for one in done.quarantined]
    problems += [
        f"{one.entity} {one.text} waits: {one.problem} ({one.rule})" for one in done.waiting
    ]
    code = done.exit_code
    if session.signals.received:
        code = session.signals.exit_code
        lines.append(f"stopped; to go on: {session.again_line()}")
    more = "`fluxstore explain ENTITY KEY` says what is in the way of one"
    shown = summaries.first(problems, len(problems), more)
    return render.Answer(done.to_json(), lines, shown, code)


@group.command("pause")
def pause(ctx: typer.Context, *, source: From = "", target: To = "") -> render.Answer:
    """Let the running backfill wait after the batch in hand. Exit code 6 if none runs."""
    return _told(Session.of(ctx), (source, target), state="paused")


@group.command("resume")
def resume(ctx: typer.Context, *, source: From = "", target: To = "") -> render.Answer:
    """Let the paused backfill go on. Exit code 6 if none runs."""
    return _told(Session.of(ctx), (source, target), state="running")


@group.command("rate")
def rate(
    ctx: typer.Context,
    number: Annotated[
        float, typer.Argument(min=0, metavar="N", help="Records a second; 0: no limit.")
    ],
    *,
    source: From = "",
    target: To = "",
) -> render.Answer:
    """Hold the running backfill to a number of records a second. Exit code 6 if none runs."""
    return _told(Session.of(ctx), (source, target), rate=number)


def _told(session: Session, way: tuple[str, str], **what: Any) -> render.Answer:
    from fluxstore.adapter import Use
    from fluxstore.migration.live import live_parts
    from fluxstore.migration.steering import is_running, tell

    with ends.opened(session, *way, uses=(Use.SERVE, Use.SERVE)) as both:
        parts = live_parts(both.source, both.target, both.asked())
        for live in parts:
            ledger = live.authority.adapter.ledger
            if is_running(ledger) or live is parts[-1]:
                return _steered(live, tell(ledger, **what))
    raise GateError(
        "no backfill is running: no entity is in a live migration",
        gate="backfill",
        next_step="fluxstore phase set dual_write, then fluxstore migrate",
    )


def _steered(live: Live, told: Told) -> render.Answer:
    limit = "no limit" if told.rate is None else f"at most {told.rate:,g} records/s"
    way = f"{live.authority.name} → {live.follower.name}"
    data = {"state": told.state, "rate": told.rate}
    return render.Answer(data, [f"backfill {way}: {told.state}, {limit}"])
