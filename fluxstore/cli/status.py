"""``status``: where things stand, and the next safe step."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from fluxstore.calls import Told
from fluxstore.cli import exits, history, policy, render
from fluxstore.cli.history import Event
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import FluxstoreError, UnreadableRecordError

if TYPE_CHECKING:
    from fluxstore.adapter import Adapter, Size
    from fluxstore.calls import Status
    from fluxstore.config import Config
    from fluxstore.entity import Entity


WATCH_SECONDS = 1.0


@attrs.frozen
class Seen:
    """A backend as it is now."""

    name: str
    adapter: str
    where: str = ""
    problem: str = ""
    exit_code: int = 0
    records: dict[str, int | None] = attrs.field(factory=dict)
    quarantined: int = 0
    phases: dict[str, str] = attrs.field(factory=dict)
    """Entity (or ``*``) to the phase that the ledger holds, where it holds one."""
    lacks: tuple[str, ...] = ()
    """What its adapter can do and it cannot, as it is set up: ``capture``, say."""


def status(
    ctx: typer.Context,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")
    ] = False,
) -> render.Answer:
    """Say where things stand: phase, what is behind, what blocks the next step, and that step.

    With --watch and --json it prints one JSON object a line.
    """
    session = Session.of(ctx)
    with policy.opener(session) as backends:
        bound = None
        if session.config.policy is not None:
            bound = session.plugins.bind_status(backends, policy.routing(session))
        answer = _answer(session, bound)
        if not watch:
            return answer
        with session.signals.patient() as stop:
            while not stop.is_set():
                _show(session, answer)
                stop.wait(WATCH_SECONDS)
                answer = _answer(session, bound)
        return answer


def _show(session: Session, answer: render.Answer) -> None:
    """Show one look of many: over the one before it on a terminal."""
    if session.json:
        render.write_json_line({"command": "status", **answer.data}, sys.stdout)
        return
    if render.in_colour(sys.stdout):
        sys.stdout.write("\x1b[H\x1b[2J")
    render.write_lines([*answer.problems, *answer.lines, ""], sys.stdout)


def _answer(session: Session, bound: Status | None) -> render.Answer:
    config = session.config
    said = bound() if bound is not None else Told({})
    seen = [_look(session, name) for name in config.backends]
    events = history.events(config.folder)
    step = said.data.get("next") or next_step(config, seen, events)
    told = dict.fromkeys(one["phase"] for one in said.data.get("scopes", ()))
    phase = ", ".join(told) or _phase(config, seen)
    lines = [
        render.near(f"{config.file}: phase {phase}"),
        *said.lines,
        "",
        *_backends(seen),
        *_lacking(seen),
        "",
        *_records(config, seen),
    ]
    lines += ["", *(_event_line(one) for one in events)] if events else []
    lines += ["", Styled(f"next: {step}", "bold")]
    data = {
        "file": str(config.file),
        "phase": phase,
        "policy": dict(said.data),
        "backends": [attrs.asdict(one) for one in seen],
        "last": [one.to_json() | {"age_seconds": one.age_seconds} for one in events],
        "next": step,
    }
    problems = [*said.problems, *(one.problem for one in seen if one.problem)]
    code = exits.worst([said.exit_code, *(one.exit_code for one in seen)])
    return render.Answer(data, lines, problems, code)


def _look(session: Session, name: str) -> Seen:
    from fluxstore.adapter import Use

    kind = session.config.backends[name].adapter
    try:
        with session.backend(name, Use.SERVE) as adapter:
            return _seen(session.config, name, adapter)
    except FluxstoreError as error:
        return Seen(name, kind, problem=f"{name}: {error}", exit_code=error.exit_code)


def _seen(config: Config, name: str, adapter: Adapter) -> Seen:
    ledger = adapter.ledger
    controls = {one: ledger.control(one) for one in config.entities}
    return Seen(
        name,
        adapter.name,
        adapter.describe(),
        records={one.name: _size(adapter, one) for one in config.entities.values()},
        quarantined=sum(len(ledger.quarantine(one)) for one in config.entities),
        phases={one: control.phase for one, control in controls.items() if control is not None},
        lacks=tuple(one.value for one in type(adapter).capabilities - adapter.capabilities),
    )


def _size(adapter: Adapter, entity: Entity) -> int | None:
    try:
        found: Size = adapter.collection(entity).size()
    except UnreadableRecordError:
        return None  # `assess` names the file and what is wrong
    return found.records


def _phase(config: Config, seen: Sequence[Seen]) -> str:
    held = sorted({phase for one in seen for phase in one.phases.values()})
    wanted = getattr(config.policy.settings, "phase", "off") if config.policy else "off"
    phase = ", ".join(held) or "off"
    return phase if str(wanted) in (phase, "0") else f"{phase} (wanted: {wanted})"


def _backends(seen: Sequence[Seen]) -> list[str]:
    head = ("backend", "adapter", "where", "quarantined")
    rows = [[one.name, one.adapter, render.near(one.where), one.quarantined] for one in seen]
    return render.table(head, rows)


def _lacking(seen: Sequence[Seen]) -> list[str]:
    return [f"  {one.name}: {_LACKS.get(what, what)}" for one in seen for what in one.lacks]


_LACKS = {"capture": "what other programs write is not captured"}


def _records(config: Config, seen: Sequence[Seen]) -> list[str]:
    reached = [one for one in seen if not one.problem]
    head = ("entity", *(one.name for one in reached))
    rows = [[name, *(one.records.get(name) for one in reached)] for name in config.entities]
    return render.table(head, rows) if reached else []


def _event_line(one: Event) -> str:
    ago = render.duration(one.age_seconds)
    return f"{one.command} {one.source} → {one.target}, {ago} ago: {one.words}"


def next_step(config: Config, seen: Sequence[Seen], events: Sequence[Event]) -> str:
    """Return the next safe step, in words that begin with a command where there is one."""
    if any(one.problem for one in seen):
        return "fluxstore doctor"
    way = _way(config, events)
    if way is None:
        return "configure a second backend, to move to"
    options = f"--from {way[0]} --to {way[1]}"
    last = next((one for one in events if (one.source, one.target) == way), None)
    if last is None:
        return f"fluxstore assess {options}"
    return _AFTER.get((last.command, last.exit_code), "fluxstore {command} {options}").format(
        command=last.command, options=options, target=way[1]
    )


_AFTER = {
    ("assess", exits.OK): "fluxstore migrate {options}",
    ("assess", exits.DATA): "mend the records that `fluxstore assess {options}` names",
    ("migrate", exits.OK): "fluxstore validate {options}",
    ("migrate", exits.DATA): "mend the records that `fluxstore assess {options}` names",
    ("migrate", exits.DIFFERENCES): "fluxstore validate {options}, then decide about the extra",
    ("migrate", exits.INTERRUPTED): "fluxstore migrate {options} --resume",
    ("migrate", exits.TERMINATED): "fluxstore migrate {options} --resume",
    ("validate", exits.OK): "both sides were equal; to switch: stop the writers, migrate and "
    "validate once more, then make {target} the source in [policy]",
    ("validate", exits.DIFFERENCES): "fluxstore repair --plan {options}, or migrate again",
    ("validate", exits.DATA): "mend the records that `fluxstore assess {options}` names",
    ("repair", exits.OK): "fluxstore validate {options}",
    ("rollback", exits.OK): "fluxstore validate {options}",
}


def _way(config: Config, events: Sequence[Event]) -> tuple[str, str] | None:
    settings = config.policy.settings if config.policy else None
    source, target = getattr(settings, "source", None), getattr(settings, "target", None)
    if source and target:
        return source, target
    if events:
        return events[0].source, events[0].target
    names = list(config.backends)
    return (names[0], names[1]) if len(names) > 1 else None
