"""Which of two backends is the authority and which follows: what every live command asks first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import attrs

from fluxstore.adapter import Adapter, Capability, Control, Finding
from fluxstore.entity import Entity
from fluxstore.errors import GateError, StalePhaseError, UnsupportedError
from fluxstore.migration.plan import End

OFF, EVERYTHING = "off", "*"
Pair: TypeAlias = tuple[Control | None, Control | None]
_UNDER_WAY = ("sealed", "committing")


@attrs.frozen
class Live:
    """A migration under way: the authority, its follower, and the epoch of each entity."""

    authority: End
    follower: End
    entities: tuple[Entity, ...]
    epochs: Mapping[str, int]
    migration: str
    """The id that both ledgers hold since phase ``off`` was left."""
    phase: str

    @property
    def epoch(self) -> int:
        """The latest epoch of all."""
        return max(self.epochs.values())

    @property
    def adapters(self) -> tuple[Adapter, Adapter]:
        """The authority's adapter and the follower's."""
        return self.authority.adapter, self.follower.adapter

    def again(self) -> Live:
        """Return the same migration as it stands now: an epoch may have begun.

        ``StalePhaseError`` where the sides have changed places, or nobody follows any more.
        """
        found = _alike(self.authority, self.follower, self.entities)
        if found is None or found.authority.name != self.authority.name:
            raise StalePhaseError(
                f"{self.authority.name} is no longer the authority that {self.follower.name} "
                "follows",
                next_step="see `fluxstore status`, then run it again",
            )
        return found


def live_of(one: End, other: End, entities: Iterable[Entity]) -> Live | None:
    """Return the live migration between two backends, ``None`` where both are in phase ``off``.

    ``GateError`` where neither is so for all *entities*: a phase change is under way, or some are
    live and others are not. ``UnsupportedError`` for an end that cannot take part in one.
    """
    found = _alike(one, other, tuple(entities))
    if found is not None:
        for end in (one, other):
            require_fencing(end.adapter, end.name)
    return found


def live_parts(one: End, other: End, entities: Iterable[Entity]) -> list[Live]:
    """Return the live migrations between two backends, one for each direction.

    Entities may be in phases of their own: those that are not live now are left out.
    """
    asked, sides = tuple(entities), dict[bool, list[Entity]]()
    pairs = _pairs(one, other, asked)
    for entity in asked:
        if _is_live(pairs[entity.name]):
            sides.setdefault(_leads(pairs[entity.name]), []).append(entity)
    return [found for part in sides.values() if (found := live_of(one, other, part)) is not None]


def require_fencing(adapter: Adapter, name: str) -> None:
    """Raise ``UnsupportedError`` where *adapter* cannot be an end of a live migration."""
    if Capability.FENCING not in adapter.capabilities:
        raise UnsupportedError(no_fencing(adapter), backend=name, capability="fencing")


def no_fencing(adapter: Adapter) -> str:
    """Return why an adapter without fencing cannot take part."""
    return (
        f"the adapter {adapter.name} does not check control in each write's own atomic unit, so "
        "that a write could pass a cutover unseen: it can be copied offline, not migrated live"
    )


def live_findings(adapter: Adapter, name: str) -> tuple[Finding, ...]:
    """Return what keeps a backend from being an end of a live migration; an offline copy may go."""
    lacks = {
        Capability.FENCING: no_fencing(adapter),
        Capability.DURABLE: (
            f"the adapter {adapter.name} cannot promise that a commit survives a power cut, so "
            "that it is not fit to be an authority"
        ),
    }
    step = "stop the writers and copy offline, or use another adapter at this end"
    return tuple(
        Finding(f"{name}, live migration", problem, step)
        for capability, problem in lacks.items()
        if capability not in adapter.capabilities
    )


def _alike(one: End, other: End, entities: tuple[Entity, ...]) -> Live | None:
    pairs = _pairs(one, other, entities)
    live = {name: pair for name, pair in pairs.items() if _is_live(pair)}
    if not live and all(map(_is_off, pairs.values())):
        return None
    for name, pair in pairs.items():
        if name not in live:
            raise _shut(one, other, name, pair=pair, some_live=bool(live))
    return _made(one, other, entities, live)


def _made(one: End, other: End, entities: tuple[Entity, ...], pairs: Mapping[str, Pair]) -> Live:
    first, (ours, theirs) = next(iter(pairs.items()))
    is_forward = _leads((ours, theirs))
    held = (ours if is_forward else theirs) or Control(0, "authority", OFF, "")
    for name, pair in pairs.items():
        if _leads(pair) != is_forward:
            raise GateError(
                f"{first} and {name} have different authorities",
                gate="control",
                next_step=f"name one of them: --entity {first}",
            )
    ends = (one, other) if is_forward else (other, one)
    epochs = {name: pair[0].epoch for name, pair in pairs.items() if pair[0] is not None}
    return Live(*ends, entities, epochs, held.migration, held.phase)


def _leads(pair: Pair) -> bool:
    """Tell whether the first of two sides is the authority."""
    return pair[0] is not None and pair[0].role == "authority"


def _pairs(one: End, other: End, entities: Iterable[Entity]) -> dict[str, Pair]:
    ours, theirs = _controls(one), _controls(other)
    return {
        entity.name: (
            ours.get(entity.name, ours.get(EVERYTHING)),
            theirs.get(entity.name, theirs.get(EVERYTHING)),
        )
        for entity in entities
    }


def _controls(end: End) -> Mapping[str, Control]:
    if Capability.FENCING not in end.adapter.capabilities:
        return {}  # nothing governs such a backend
    return end.adapter.ledger.controls()


def _is_live(pair: Pair) -> bool:
    one, other = pair
    if one is None or other is None or one.epoch != other.epoch or OFF in (one.phase, other.phase):
        return False
    return {one.role, other.role} == {"authority", "follower"}


def _is_off(pair: Pair) -> bool:
    """Tell whether neither side takes part in a migration; an archived one no longer does."""
    rests = [one is None or one.phase == OFF for one in pair]
    gone = [one is not None and one.role == "archived" for one in pair]
    return all(rest or away for rest, away in zip(rests, gone, strict=True)) and any(rests)


def _shut(one: End, other: End, name: str, *, pair: Pair, some_live: bool) -> GateError:
    said = ", ".join(
        f"{end.name} {told(control)}" for end, control in zip((one, other), pair, strict=True)
    )
    roles = {control.role for control in pair if control is not None}
    if roles & set(_UNDER_WAY):
        step = "a cutover is under way: wait until it is over, seconds, then run this again"
    elif "archived" in roles:
        step = "`fluxstore phase back` opens the archived side again"
    elif some_live and _is_off(pair):
        step = "name the entities that are in one phase with --entity"
    else:
        step = "see `fluxstore status`; opening the application finishes a step that was left"
    return GateError(
        f"{name}: {said}: an authority and its follower in one epoch expected, or phase off",
        gate="control",
        next_step=step,
    )


def told(control: Control | None) -> str:
    """Return a control in words."""
    if control is None:
        return "has no control"
    return f"is {control.role} in epoch {control.epoch} ({control.phase})"
