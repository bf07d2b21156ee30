"""What must hold before a phase changes: gates as data, each with what opens it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from uuid import uuid4

import attrs

from fluxstore.adapter import Adapter
from fluxstore.entity import Entity
from fluxstore.errors import BackendUnavailableError, FluxstoreError, GateError
from fluxstore.records import Rejected
from fluxstore_phases import accepting, completing, evidence
from fluxstore_phases.phases import PHASES, Phase, Side
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import Standing

CANARY = "canary"
_NAMED = 10
"""So many of what is missing are named."""
_PATIENCE_SECONDS, _PAUSE_SECONDS = 10.0, 0.1


@attrs.frozen
class Asked:
    """What a gate is asked about: a scope that stands before a change."""

    sides: Sides
    standing: Standing
    entities: tuple[Entity, ...]
    max_age_seconds: float

    @property
    def here(self) -> Side:
        """The side that is the authority now."""
        return self.standing.holder

    @property
    def there(self) -> Side:
        """The other side."""
        return self.here.other

    def adapters(self) -> tuple[Adapter, Adapter]:
        """Return the backends, the authority's first."""
        return self.sides.adapter(self.here), self.sides.adapter(self.there)


@attrs.frozen
class Gate:
    """One gate: ``missing`` yields what would open it, nothing where it is open."""

    name: str
    about: str
    missing: Callable[[Asked], Iterator[str]]
    next_step: str
    acts: bool = False
    """Whether asking does something: such a gate is asked at the change itself only."""


@attrs.frozen
class Answer:
    """What a gate said; ``missing`` is ``None`` where it is asked at the change only."""

    gate: Gate
    missing: tuple[str, ...] | None

    @property
    def is_shut(self) -> bool:
        """Whether something is missing."""
        return bool(self.missing)


def _unfilled(asked: Asked) -> Iterator[str]:
    yield from evidence.unfilled(asked.sides, asked.standing, asked.entities)


def _unvalidated(asked: Asked) -> Iterator[str]:
    yield from evidence.unvalidated(
        asked.sides, asked.standing, asked.entities, max_age_seconds=asked.max_age_seconds
    )


def _quarantined(asked: Asked) -> Iterator[str]:
    for entity in asked.entities:
        for one in accepting.left_behind(asked.sides, asked.standing, entity):
            yield _named(entity, one)


def _named(entity: Entity, rejected: Rejected) -> str:
    problem = rejected.problem
    where = f"{entity.name} {problem.key}" if problem.key else f"{entity.name} {problem.file}"
    return f"{where}: {problem.expected}"


def _unfit(asked: Asked) -> Iterator[str]:
    here, there = asked.adapters()
    left = [one for one in here.examine() if one.blocks and not one.offline]
    for finding in (*left, *(one for one in there.examine() if one.blocks)):
        yield f"{finding.subject}: {finding.problem}; {finding.next_step}"


def _unusable(asked: Asked) -> Iterator[str]:
    """The source answered before: what it might lose in a power cut does not keep it from that."""
    for finding in asked.adapters()[1].examine():
        if finding.blocks and not finding.offline:
            yield f"{finding.subject}: {finding.problem}; {finding.next_step}"


def _incomplete(asked: Asked) -> Iterator[str]:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            asked.adapters()[1].complete(asked.entities)
        except BackendUnavailableError as error:  # its followers' writes may be in the way
            if time.monotonic() > until:
                yield str(error)
                return
            time.sleep(_PAUSE_SECONDS)
        except FluxstoreError as error:
            yield str(error)
            return
        else:
            return


def _dead_canaries(asked: Asked) -> Iterator[str]:
    """Write something at both sides and read it back: the way back must be open as well."""
    for side in (Side.SOURCE, Side.TARGET):
        ledger, sung = asked.sides.adapter(side).ledger, uuid4().hex
        ledger.set_fact(CANARY, {"said": sung, "at": time.time()})
        found = ledger.fact(CANARY)
        if not isinstance(found, dict) or found.get("said") != sung:
            yield f"{asked.sides.names[side]} does not keep what is written to it"


def _unfilled_again(asked: Asked) -> Iterator[str]:
    """Where the marks of phase 5 were dropped, the source is filled again before it answers."""
    epoch = completing.expired_epoch(asked.sides, asked.standing)
    if epoch is not None:
        yield from evidence.unfilled(asked.sides, asked.standing, asked.entities, since_epoch=epoch)


BACKFILL = Gate("backfill", "every record was brought over", _unfilled, "fluxstore migrate")
VALIDATION = Gate(
    "validation",
    "both sides were compared in this epoch, not long ago",
    _unvalidated,
    "fluxstore validate",
)
QUARANTINE = Gate(
    "quarantine",
    "nothing stays behind that nobody accepted",
    _quarantined,
    "mend the records, or accept each: fluxstore phase accept ENTITY KEY",
)
SETTINGS = Gate(
    "settings",
    "the side that is to answer loses nothing that it acknowledged",
    _unfit,
    "fluxstore doctor",
)
USABLE = Gate(
    "settings",
    "the side that answered before can answer again",
    _unusable,
    "fluxstore doctor",
)
CONSTRAINTS = Gate(
    "constraints",
    "the rules of the side that is to answer hold",
    _incomplete,
    "mend what breaks the rule, then run again",
    acts=True,
)
CANARIES = Gate(
    "canary",
    "both sides take a write, so the way back is open",
    _dead_canaries,
    "fluxstore doctor",
    acts=True,
)
REFILLED = Gate(
    "backfill",
    "the source has what was written since its marks were dropped",
    _unfilled_again,
    "fluxstore migrate",
)

GATES: dict[tuple[int, int], tuple[Gate, ...]] = {
    (0, 1): (),
    (1, 2): (),
    (2, 3): (BACKFILL,),
    (3, 4): (BACKFILL, QUARANTINE, VALIDATION, SETTINGS, CONSTRAINTS, CANARIES),
    (4, 5): (),
    (5, 4): (),
    (4, 3): (REFILLED, USABLE, CANARIES),
    (3, 2): (),
    (2, 1): (),
    (1, 0): (),
}
"""Of each change between neighbours; that of a cutover is C0. The way back asks for little."""


def answers(asked: Asked, wanted: Phase, *, act: bool = False) -> Sequence[Answer]:
    """Ask every gate on the way to the neighbouring phase *wanted*."""
    found = []
    for gate in GATES[asked.standing.phase.number, wanted.number]:
        missing = tuple(gate.missing(asked)) if act or not gate.acts else None
        found.append(Answer(gate, missing))
        if act and missing:
            break
    return found


def require(asked: Asked, after: Phase, wanted: Phase) -> None:
    """Raise ``GateError`` for the first gate to the neighbour *after* that is shut.

    It names the steps that are left to *wanted*.
    """
    for answer in answers(asked, after, act=True):
        if answer.missing:
            raise _error(answer, asked.standing, after, wanted)


def _error(answer: Answer, standing: Standing, after: Phase, wanted: Phase) -> GateError:
    missing = answer.missing or ()
    left = names(standing.phase, wanted)
    rest = f", then `fluxstore phase set {wanted.name}` (left: {', '.join(left)})"
    more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
    return GateError(
        f"{standing.phase.name} → {after.name}: the gate {answer.gate.name} is shut: "
        f"{missing[0]}{more}",
        gate=answer.gate.name,
        missing=missing[:_NAMED],
        next_step=answer.gate.next_step + (rest if len(left) > 1 else ""),
    )


def names(now: Phase, wanted: Phase) -> list[str]:
    """Return the phases on the way from *now* to *wanted*."""
    by = 1 if wanted.number > now.number else -1
    return [PHASES[number].name for number in range(now.number + by, wanted.number + by, by)]


def neighbour(now: Phase, wanted: Phase) -> Phase:
    """Return the next phase on the way from *now* to *wanted*."""
    return PHASES[now.number + (1 if wanted.number > now.number else -1)]
