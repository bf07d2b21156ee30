"""The phases in words and as JSON: where each scope stands, and what is in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fluxstore.cli import exits, render
from fluxstore.cli.render import Answer, Styled, duration
from fluxstore.errors import BackendUnavailableError
from fluxstore_phases import gates, operator
from fluxstore_phases.gates import Asked
from fluxstore_phases.phases import PHASES, Phase
from fluxstore_phases.standing import Standing
from fluxstore_phases.steps import MAX_AGE_SECONDS

if TYPE_CHECKING:
    from fluxstore.adapter import Control
    from fluxstore.cli.session import Session
    from fluxstore_phases.sides import Sides
    from fluxstore_phases.steps import Taken


def phases(session: Session, sides: Sides, *, max_age_seconds: float) -> Answer:
    """Return what ``phase show`` ends with."""
    found = [_scope(session, sides, scope, max_age_seconds) for scope in sides.scopes()]
    head = ("scope", "phase", "wanted", "source", "target", "state")
    rows = [
        [
            one["scope"],
            f"{one['number']} {one['phase']}",
            one["desired"],
            _role(one["source"]),
            _role(one["target"]),
            one["state"],
        ]
        for one in found
    ]
    lines = [*render.table(head, rows), ""]
    for one in found:
        lines += _gates_lines(one)
    return Answer({"scopes": found}, lines)


def _scope(session: Session, sides: Sides, scope: str, max_age_seconds: float) -> dict[str, Any]:
    standing = sides.standing(scope)
    asked = Asked(sides, standing, sides.governed(scope), max_age_seconds)
    wanted = following(standing)
    return {
        "scope": scope,
        "phase": standing.phase.name,
        "number": standing.phase.number,
        "desired": operator.desired(session, scope).name,
        "state": standing.state.name,
        "means": standing.state.means,
        "epoch": standing.epoch,
        "migration": standing.migration,
        "authority": sides.names[standing.holder],
        "source": as_json(standing.source),
        "target": as_json(standing.target),
        "entities": [one.name for one in asked.entities],
        "next": wanted.name if wanted else None,
        "gates": [to_json(one) for one in gates.answers(asked, wanted)] if wanted else [],
    }


def following(standing: Standing) -> Phase | None:
    """Return the next phase, ``None`` where there is none."""
    if standing.state.name == "final" or standing.phase is PHASES[-1]:
        return None
    return PHASES[standing.phase.number + 1]


def as_json(control: Control | None) -> dict[str, Any] | None:
    """Return a control as JSON values."""
    if control is None:
        return None
    return {"role": control.role, "epoch": control.epoch, "phase": control.phase}


def to_json(answer: gates.Answer) -> dict[str, Any]:
    """Return what a gate said as JSON values."""
    return {
        "gate": answer.gate.name,
        "about": answer.gate.about,
        "open": None if answer.missing is None else not answer.missing,
        "missing": list(answer.missing or ()),
        "next_step": answer.gate.next_step if answer.missing else "",
    }


def _role(control: dict[str, Any] | None) -> str:
    return f"{control['role']}, epoch {control['epoch']}" if control else "–"


def _gates_lines(found: dict[str, Any]) -> Iterator[str]:
    if not found["next"]:
        yield f"{found['scope']}: {found['means']}"
        return
    yield f"{found['scope']}: {found['means']}; to {found['next']}:"
    if not found["gates"]:
        yield "  nothing is in the way"
    for one in found["gates"]:
        yield from _gate_lines(one)


def _sign(is_open: bool | None) -> str:
    return {True: "open ", False: "shut ", None: "asked at the change"}[is_open]


def dry_run(scope: str, asked: Asked, wanted: Phase) -> Answer:
    """Return what a change would meet first; exit code 6 where a gate is shut."""
    now = asked.standing.phase
    if now is wanted:
        line = f"{scope}: {now.name} already; nothing would change"
        return Answer({"scope": scope, "phase": now.name, "steps": [], "gates": []}, [line])
    after = gates.neighbour(now, wanted)
    answers = gates.answers(asked, after)
    steps = gates.names(now, wanted)
    found = [to_json(one) for one in answers]
    lines = [f"{scope}: would go {' → '.join([now.name, *steps])}", f"to {after.name}:"]
    lines += [line for one in found for line in _gate_lines(one)] or ["  nothing is in the way"]
    is_shut = any(one.is_shut for one in answers)
    data = {"scope": scope, "phase": now.name, "steps": steps, "gates": found, "dry_run": True}
    return Answer(data, lines, exit_code=exits.GATE if is_shut else exits.OK)


def _gate_lines(one: dict[str, Any]) -> Iterator[str]:
    yield f"  {_sign(one['open'])}  {one['gate']}: {one['about']}"
    for missing in one["missing"][:5]:
        yield f"        {missing}"
    if one["missing"]:
        yield f"        → {one['next_step']}"


def walked(sides: Sides, scope: str, taken: Sequence[Taken]) -> Answer:
    """Return what a walk ends with."""
    lines = [_step_line(one) for one in taken]
    lines += [f"note: {notice}" for one in taken for notice in one.notices]
    data = {"scope": scope, "steps": [_step_json(one) for one in taken]}
    try:
        standing = sides.standing(scope)
    except BackendUnavailableError as error:
        return Answer(data | {"problem": str(error)}, lines, [f"note: {error}"])
    told = {
        "phase": standing.phase.name,
        "epoch": standing.epoch,
        "authority": sides.names[standing.holder],
        "next": next_step(standing, shut_gates(sides, standing)),
    }
    lines = lines or [f"{scope}: {standing.phase.name} already"]
    return Answer(data | told, [*lines, Styled(f"next: {told['next']}", "bold")])


def _step_line(taken: Taken) -> str:
    waited = ""
    if taken.pause_seconds is not None:
        waited = f"; writes waited {taken.pause_seconds:.2f} s"
    return (
        f"{taken.scope}: {taken.before} → {taken.after} "
        f"(epoch {taken.epoch}, {duration(taken.seconds)}{waited})"
    )


def _step_json(taken: Taken) -> dict[str, Any]:
    return {
        "from": taken.before,
        "to": taken.after,
        "epoch": taken.epoch,
        "seconds": round(taken.seconds, 3),
        "pause_seconds": taken.pause_seconds,
        "notices": list(taken.notices),
    }


_NEXT = {
    "off": "fluxstore phase advance",
    "dual_write": "fluxstore phase advance, then fluxstore migrate",
    "backfill": "fluxstore phase advance",
    "shadow": "fluxstore phase advance",
    "live": "watch it; fluxstore phase advance when you are sure, fluxstore rollback if not",
    "complete": "fluxstore finalize when nobody wants to return",
}


def next_step(standing: Standing, shut: Sequence[dict[str, Any]] = ()) -> str:
    """Return the next safe step in words that begin with a command; *shut* gates come first."""
    if standing.state.name == "final":
        return "nothing: make the target the source in [policy] when you like"
    if not standing.state.done or standing.state.name == "entering":
        return f"fluxstore phase set {standing.phase.name} (it finishes what was begun)"
    after = _NEXT[standing.phase.name]
    return f"{shut[0]['next_step']}; then {after}" if shut else after


def shut_gates(sides: Sides, standing: Standing) -> list[dict[str, Any]]:
    """Return the gates to the next phase that are shut now, without doing anything to know."""
    wanted = following(standing)
    if wanted is None:
        return []
    asked = Asked(sides, standing, sides.governed(standing.scope), MAX_AGE_SECONDS)
    return [to_json(one) for one in gates.answers(asked, wanted) if one.is_shut]
