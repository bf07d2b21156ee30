"""Validation and repair while writers are at work: no false alarm, nothing missed, nothing undone.

One record, compared again and again while it is written, carried by legs and relayed. A comparison
reads the follower first, then the authority with its mark. A difference counts only if the mark was
seen gone and, after that, the authority still has the version of the first look and the records
still differ. A repair writes what the authority held, if the follower still is as it was compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import attrs

from protocol_model.explorer import Event

PLANTED = -1
"""A value that nobody wrote: what somebody did to the follower behind everybody's back."""
FIRST_LOOK, DRAINED, SECOND_LOOK = "first look", "drained", "second look"


class Row(NamedTuple):
    """A record: its version, and the value, which is the number of the write that made it."""

    version: int
    value: int


class Validator(NamedTuple):
    """A comparison under way: which look it is, what was read, what the first look saw."""

    stage: str
    follower: Row | None
    authority: Row | None
    mark: bool
    suspected: Row | None


class Compared(NamedTuple):
    """Both sides, the mark, legs and relay on their way, the comparison, and its verdict."""

    authority: Row
    follower: Row
    mark: int
    legs: tuple[Row, ...]
    relay: Row | None
    validator: Validator | None
    verdict: str | None
    repaired: bool
    broken: str | None


Step = tuple[Event, Compared]
Steps = Iterator[Step]


@attrs.frozen
class Validation:
    """So many writes during one comparison; ``planted`` says whether there is something to find."""

    writes: int = 2
    planted: bool = False
    follower_first: bool = True
    """The follower is read before the authority: then it cannot look newer."""
    waits_for_mark: bool = True
    """A difference counts only once its mark was seen gone."""
    same_version_twice: bool = True
    """A difference counts only if the authority did not move between the looks."""
    repair_compares: bool = True
    """A repair writes only where the follower still is as it was compared."""

    def initial(self) -> Compared:
        """Return both sides, equal or with a difference planted; nothing is under way."""
        row = Row(1, 0)
        there = row._replace(value=PLANTED) if self.planted else row
        return Compared(row, there, 0, (), None, None, None, False, None)

    def steps(self, state: Compared) -> Steps:
        """Yield every step of writer, legs, relay, validator and repair."""
        yield from self._write(state)
        yield from _relay(state)
        if state.verdict is None:
            yield from self._validate(state)
        elif state.verdict == "diverged" and not state.repaired and state.validator:
            yield self._repair(state, state.validator)

    def violation(self, state: Compared) -> str | None:
        """Return a false alarm, a difference missed, or a follower that stays apart."""
        if state.broken:
            return state.broken
        if state.verdict == "diverged" and not self.planted:
            return "false alarm"
        at_rest = not (state.mark or state.legs or state.relay)
        apart = state.follower != state.authority
        if state.verdict == "equal" and state.follower.value == PLANTED:
            return "missed"
        verdict_stands = state.verdict is not None and (state.repaired or not self.planted)
        return "I3" if at_rest and apart and verdict_stands else None

    def is_end(self, state: Compared) -> bool:
        """Return whether everything is written and carried, and the comparison has its verdict."""
        done = state.authority.version == self.writes + 1
        at_rest = not (state.mark or state.legs or state.relay)
        return done and at_rest and state.verdict is not None

    def _write(self, state: Compared) -> Steps:
        version = state.authority.version
        if version <= self.writes:
            row = Row(version + 1, version)
            written = state._replace(authority=row, mark=row.version, legs=(*state.legs, row))
            yield Event("writer", "commits", detail=row), written
        for leg in state.legs:
            rest = tuple(other for other in state.legs if other != leg)
            applied = _applied(state, leg)
            cleared = applied._replace(mark=0) if state.mark == leg.version else applied
            yield Event("leg", "gives up", detail=leg), state._replace(legs=rest)
            yield Event("leg", "applies and dies", detail=leg), applied._replace(legs=rest)
            yield Event("leg", "applies and clears", detail=leg), cleared._replace(legs=rest)

    def _validate(self, state: Compared) -> Steps:
        validator = state.validator
        if validator is None:
            begun = Validator(FIRST_LOOK, None, None, mark=False, suspected=None)
            yield from self._look(state, begun)
        elif validator.stage == DRAINED:
            if not state.mark or not self.waits_for_mark:
                again = validator._replace(stage=SECOND_LOOK, follower=None, authority=None)
                yield Event("validator", "sees no mark"), state._replace(validator=again)
        elif validator.follower is None or validator.authority is None:
            yield from self._look(state, validator)
        else:
            yield self._judge(state, validator, validator.follower, validator.authority)

    def _look(self, state: Compared, validator: Validator) -> Steps:
        """Read one side, in the order that there is; the mark comes with the authority."""
        follower_next = self.follower_first or validator.authority is not None
        if follower_next and validator.follower is None:
            seen = validator._replace(follower=state.follower)
            yield Event("validator", "reads the follower"), state._replace(validator=seen)
        else:
            seen = validator._replace(authority=state.authority, mark=bool(state.mark))
            yield Event("validator", "reads the authority"), state._replace(validator=seen)

    def _judge(self, state: Compared, validator: Validator, follower: Row, authority: Row) -> Step:
        if follower == authority:
            told = state._replace(validator=validator, verdict="equal")
            return Event("validator", "finds them equal"), told
        if follower.version > authority.version:
            told = state._replace(validator=validator, verdict="diverged")
            return Event("validator", "finds the follower ahead"), told
        counts = validator.stage == SECOND_LOOK and not (validator.mark and self.waits_for_mark)
        moved = authority != validator.suspected and self.same_version_twice
        if counts and not moved:
            told = state._replace(validator=validator, verdict="diverged")
            return Event("validator", "finds them diverged"), told
        again = Validator(DRAINED, None, None, mark=False, suspected=authority)
        return Event("validator", "looks again"), state._replace(validator=again)

    def _repair(self, state: Compared, compared: Validator) -> Step:
        """Write what the authority held when it was compared."""
        same = state.follower == compared.follower
        after = state._replace(repaired=True)
        if compared.authority and (same or not self.repair_compares):
            return Event("repair", "writes"), after._replace(follower=compared.authority)
        return Event("repair", "leaves it"), after


def _relay(state: Compared) -> Steps:
    relay = state.relay
    if relay is None:
        if state.mark:
            yield Event("relay", "reads"), state._replace(relay=state.authority)
        return
    applied = _applied(state, relay)
    cleared = applied._replace(mark=0) if state.mark == relay.version else applied
    yield Event("relay", "dies"), state._replace(relay=None)
    yield Event("relay", "applies and dies"), applied._replace(relay=None)
    yield Event("relay", "applies and clears"), cleared._replace(relay=None)


def _applied(state: Compared, row: Row) -> Compared:
    return state._replace(follower=row) if row.version > state.follower.version else state
