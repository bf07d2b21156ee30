"""What ``status`` says of a migration: where it stands, what is behind, what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from fluxstore.adapter import Control
from fluxstore.calls import Status, Told
from fluxstore.cli import exits
from fluxstore.cli.render import count, duration
from fluxstore.errors import FluxstoreError
from fluxstore.migration import facts, relay
from fluxstore.migration.steering import is_running
from fluxstore_phases import completing, divergences, evidence, leg, stale
from fluxstore_phases.phases import Side
from fluxstore_phases.settings import Settings
from fluxstore_phases.showing import next_step, shut_gates
from fluxstore_phases.sides import BOTH, Sides
from fluxstore_phases.standing import ALL, Standing, told

MARK_SECONDS = 0.002
SWITCH_SECONDS = 1.0
"""What a rollback takes: so long for each mark, and so long for the seal and the answers."""


def bind(sides: Sides, settings: Settings) -> Status:
    """Return what says where the migration stands; each call looks again."""
    return lambda: _status(sides, settings)


def _status(sides: Sides, settings: Settings) -> Told:
    try:
        found = [_scope(sides, settings, scope) for scope in sides.scopes()]
    except FluxstoreError as error:
        return _without_one_side(sides, settings, error)
    lines = [line for one in found for line in _lines(one)]
    answers = _stale(sides, settings)
    lines += _stale_lines(answers)
    moving = [one for one in found if one["number"] or not one["done"]]
    steps = list(dict.fromkeys(f"{_prefix(one)}{one['next']}" for one in moving))
    problems = [f"{one['scope']}: {problem}" for one in found for problem in one["problems"]]
    data = {"scopes": found, **answers, "next": "; ".join(steps)}
    return Told(data, lines, problems)


def _stale(sides: Sides, settings: Settings) -> dict[str, Any]:
    """Return how many stale answers callers took, and of which entities they get some unasked."""
    reached = [side for side in BOTH if not _controls(sides, side)[1]]
    return {
        "stale_reads": stale.told(sides.adapter(side).ledger for side in reached),
        "stale_ok": [one for one in sides.entities if settings.takes_stale(one)],
    }


def _stale_lines(answers: dict[str, Any]) -> Iterator[str]:
    if said := answers["stale_reads"]:
        ago = duration(said["age_seconds"])
        of = ", ".join(f"{name} {number:,}" for name, number in sorted(said["entities"].items()))
        yield f"  {count(said['count'], 'stale answer')} given ({of}), the last {ago} ago"
    if allowed := answers["stale_ok"]:
        yield f"  stale answers are given unasked of: {', '.join(allowed)}"


def _prefix(one: dict[str, Any]) -> str:
    return "" if one["scope"] == ALL else f"{one['scope']}: "


def _without_one_side(sides: Sides, settings: Settings, error: FluxstoreError) -> Told:
    """Say what the side that can be asked says; the other one is away."""
    lines: list[str] = []
    said: dict[str, Any] = {}
    for side in BOTH:
        controls, problem = _controls(sides, side)
        name = sides.names[side]
        said[side.value] = {
            "backend": name,
            "problem": problem,
            "controls": {scope: told(one) for scope, one in controls.items()},
        }
        words = ", ".join(f"{scope} {told(one)}" for scope, one in controls.items())
        lines.append(f"{name}: {problem or words or 'nothing is written down yet'}")
    said |= _stale(sides, settings)
    lines += _stale_lines(said)
    code = error.exit_code or exits.UNAVAILABLE
    return Told({**said, "next": "fluxstore doctor"}, lines, [str(error)], code)


def _controls(sides: Sides, side: Side) -> tuple[dict[str, Control], str]:
    try:
        return sides.controls(side), ""
    except FluxstoreError as error:
        return {}, str(error)


def _scope(sides: Sides, settings: Settings, scope: str) -> dict[str, Any]:
    standing = sides.standing(scope)
    entities = sides.governed(scope)
    behind = relay.backlog(sides.adapter(standing.holder), entities)
    shut = shut_gates(sides, standing)
    return {
        "scope": scope,
        "phase": standing.phase.name,
        "number": standing.phase.number,
        "desired": settings.wanted(scope).name,
        "state": standing.state.name,
        "means": standing.state.means,
        "done": standing.state.done and standing.state.name != "entering",
        "epoch": standing.epoch,
        "authority": sides.names[standing.holder],
        "source": _side(standing, Side.SOURCE),
        "target": _side(standing, Side.TARGET),
        "marks": behind.marks,
        "lag_seconds": round(behind.seconds, 1),
        "validation": _validation(sides, standing, entities),
        "backfill": _running(sides, standing),
        "follower": _fact(sides, standing, leg.FACT),
        "shadow_reads": _fact(sides, standing, divergences.FACT),
        "blocked_by": shut,
        "rollback": _rollback(sides, standing, behind.marks),
        "next": next_step(standing, shut),
        "problems": [] if standing.state.done else [standing.state.means],
    }


def _side(standing: Standing, side: Side) -> dict[str, Any] | None:
    control = standing.control(side)
    return attrs.asdict(control) if control is not None else None


def _validation(sides: Sides, standing: Standing, entities: Sequence[Any]) -> dict[str, Any] | None:
    """Return the oldest validation of all entities, and the differences of all."""
    known = evidence.found(sides, standing, facts.VALIDATION)
    mine = [known[one.name] for one in entities if one.name in known]
    if not mine:
        return None
    return {
        "age_seconds": round(max(map(facts.age_seconds, mine)), 1),
        "epochs": sorted({one["epoch"] for one in mine}),
        "differences": sum(one["differences"] for one in mine),
        "entities": len(mine),
    }


def _running(sides: Sides, standing: Standing) -> dict[str, Any] | None:
    """Return how far the running backfill is; what a dead one has left says nothing."""
    found = _fact(sides, standing, facts.RUNNING)
    return found if found and is_running(sides.adapter(standing.holder).ledger) else None


def _fact(sides: Sides, standing: Standing, name: str) -> dict[str, Any] | None:
    """Return what the authority's ledger keeps under *name*, where it keeps anything."""
    found = sides.adapter(standing.holder).ledger.fact(name)
    return dict(found) if isinstance(found, dict) else None


def _rollback(sides: Sides, standing: Standing, marks: int) -> dict[str, Any]:
    """Return what a rollback now would lose and take."""
    if standing.state.name == "final":
        return {"possible": False, "words": "there is no way back: it was finalized"}
    if standing.phase.reads is Side.SOURCE:
        return {"possible": True, "lost": 0, "seconds": 0.0, "words": "nothing to roll back"}
    if completing.expired_epoch(sides, standing) is not None:
        words = "a rollback needs a backfill first: the marks that lead back were dropped"
        return {"possible": True, "lost": 0, "seconds": None, "words": words}
    seconds = SWITCH_SECONDS + MARK_SECONDS * marks
    words = f"rollback now would lose 0 records, take about {duration(seconds)}"
    return {"possible": True, "lost": 0, "seconds": round(seconds, 1), "words": words}


def _lines(one: dict[str, Any]) -> Iterator[str]:
    wanted = "" if one["desired"] == one["phase"] else f" (wanted: {one['desired']})"
    yield (
        f"{one['scope']}: phase {one['number']} {one['phase']}{wanted}, epoch {one['epoch']}, "
        f"{one['authority']} answers; {one['means']}"
    )
    if one["number"]:
        yield from _behind(one)
    for gate in one["blocked_by"]:
        yield f"  blocked by {gate['gate']}: {gate['missing'][0]}; {gate['next_step']}"
    if one["number"]:
        yield f"  {one['rollback']['words']}"
    else:
        yield "  to move while the application serves: fluxstore phase advance"


def _behind(one: dict[str, Any]) -> Iterator[str]:
    behind = f", the oldest {duration(one['lag_seconds'])} old" if one["marks"] else ""
    yield f"  behind: {count(one['marks'], 'mark')}{behind}"
    if one["validation"]:
        said = one["validation"]
        yield (
            f"  validated {duration(said['age_seconds'])} ago: "
            f"{count(said['differences'], 'difference')}"
        )
    follower, shadow = one["follower"], one["shadow_reads"]
    if follower and not follower["follows"]:
        yield f"  {follower['follower']} does not follow: {follower['problem']}"
    if shadow:
        yield f"  shadow reads: {shadow['compared']:,} compared, {shadow['count']:,} differed"
        yield from (f"    {_divergence(each)}" for each in shadow["last"][-3:])
    if one["backfill"]:
        said = one["backfill"]
        yield f"  a backfill is {said['state']}: {count(said['records'], 'record')} passed"


def _divergence(one: dict[str, Any]) -> str:
    what = ", ".join(one["fields"]) or one["kind"]
    return f"{one['entity']} {one['key']}: {what} ({one['at']})"
