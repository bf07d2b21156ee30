"""C4: what was written since the validation is compared before the other side takes over.

A carry may go wrong in a way that versions do not tell: the follower holds another value under the
right version. A validation finds that, and what is carried after it is what a cutover compares, by
the order in which keys were written last: a number that a write gets before its commit. Most of it
while others write, when a difference may be on its way and is only noted; the rest, and what was
noted, once the other writers wait and everything is carried.

Validating, carrying, sealing and taking over are steps here, or one; other models look inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import attrs

from protocol_model.explorer import Event
from protocol_model.state import SIDES, SOURCE, replaced

GARBLED = -1
"""What nobody wrote."""
UNKNOWN = -1
BEFORE, PASSING, SEALED = "before", "passing", "sealed"


class Row(NamedTuple):
    """A record: its version, its value (the number of a write), its place in this side's order."""

    version: int = 0
    value: int = 0
    touch: int = 0


class Validator(NamedTuple):
    """A validation under way: the place that it noted, and the key to be looked at next."""

    place: int | None
    key: int


class Migrator(NamedTuple):
    """A cutover under way: up to where it compared, where this pass ends, what differed."""

    stage: str
    place: int
    last: int
    doubtful: frozenset[int]


class Checked(NamedTuple):
    """Both sides, who answers, and what is under way; ``equal`` is a durable fact."""

    rows: tuple[tuple[Row, ...], tuple[Row, ...]]
    numbers: tuple[int, int]
    """The next place in each side's order."""
    authority: int
    marks: frozenset[int]
    open: tuple[tuple[int, int], ...]
    """Writes that have a place, and have not committed: key and place."""
    written: int
    garbled: int
    equal: int | None
    """Up to which place both sides were found equal."""
    validator: Validator | None
    migrator: Migrator | None
    turns: int
    truth: tuple[int, ...]
    broken: str | None


Step = tuple[Event, Checked]
Steps = Iterator[Step]


@attrs.frozen
class Checking:
    """So many writes to so many keys while the authority turns so many times."""

    writes: int = 2
    keys: int = 2
    turns: int = 1
    garbles: int = 1
    """How many carries may go wrong."""
    compares: bool = True
    """A cutover compares what was written since the validation."""
    rest_under_seal: bool = True
    """What was written since the last pass is compared under the seal."""
    keeps_doubtful: bool = True
    """What differed before the seal is looked at again under it."""
    only_notes_before: bool = True
    """Before the seal a difference does not stop the cutover: it may be on its way."""
    drains_first: bool = True
    """Under the seal nothing is compared before everything is carried."""
    notes_place_first: bool = True
    """A validation notes its place in the order before it looks, not after."""
    closes_fence: bool = True
    """The last place is asked for while no write is under way: a lower one may appear later."""
    last_write_counts: bool = True
    """A key that is written again gets a new place in the order."""
    notes_place_at_cutover: bool = True
    """The place of the side that takes over is noted with the cutover, for the way back."""

    def initial(self) -> Checked:
        """Return both sides alike, and nothing validated."""
        rows, none = (Row(),) * self.keys, frozenset[int]()
        truth = (0,) * self.keys
        return Checked(
            (rows, rows), (1, 1), SOURCE, none, (), 0, 0, None, None, None, 0, truth, None
        )

    def steps(self, state: Checked) -> Steps:
        """Yield every step of writers, relay, validation and cutover."""
        yield from self._write(state)
        yield from self._carry(state)
        if state.migrator is not None:
            yield Event("migrator", "dies"), state._replace(migrator=None)
            yield from self._cut_over(state, state.migrator)
        elif state.equal is None:
            yield from self._validate(state)
        elif state.turns < self.turns:
            place = self._last(state) if state.equal == UNKNOWN else state.equal
            begun = Migrator(BEFORE, place, 0, frozenset())
            yield Event("migrator", "begins"), state._replace(migrator=begun)

    def violation(self, state: Checked) -> str | None:
        """Return a refusal without a cause, or that the authority lacks what was written."""
        values = tuple(row.value for row in state.rows[state.authority])
        return state.broken or ("I1" if values != state.truth else None)

    def is_end(self, state: Checked) -> bool:
        """Return whether everything is written and carried, and the authority has turned."""
        at_rest = not (state.open or state.marks)
        return at_rest and state.written == self.writes and state.turns == self.turns

    # writing and carrying

    def _write(self, state: Checked) -> Steps:
        here = state.authority
        begun = {key for key, _ in state.open}
        if state.written + len(begun) < self.writes and not _is_sealed(state):
            for key in set(range(self.keys)) - begun:
                number = state.numbers[here]
                after = state._replace(open=tuple(sorted((*state.open, (key, number)))))
                after = after._replace(numbers=replaced(state.numbers, here, number + 1))
                yield Event("writer", "begins", SIDES[here], key, number), after
        for key, number in state.open:
            yield self._commit(state, key, number)

    def _commit(self, state: Checked, key: int, number: int) -> Step:
        here, before = state.authority, state.rows[state.authority][key]
        touch = number if self.last_write_counts else before.touch or number
        row = Row(before.version + 1, state.written + 1, touch)
        after = _with_row(state, here, key, row)._replace(
            open=tuple(one for one in state.open if one[0] != key),
            marks=state.marks | {key},
            written=row.value,
            truth=replaced(state.truth, key, row.value),
        )
        return Event("writer", "commits", SIDES[here], key, touch), after

    def _carry(self, state: Checked) -> Steps:
        there = 1 - state.authority
        for key in state.marks:
            row = state.rows[state.authority][key]
            after = state._replace(marks=state.marks - {key})
            yield Event("relay", "carries", SIDES[there], key), _put(after, there, key, row)
            if state.garbled < self.garbles:
                wrong = _put(after, there, key, row._replace(value=GARBLED))
                wrong = wrong._replace(garbled=state.garbled + 1)
                yield Event("relay", "garbles", SIDES[there], key), wrong

    # validating

    def _validate(self, state: Checked) -> Steps:
        validator = state.validator
        if validator is None:
            if self._may_ask(state):
                place = self._last(state) if self.notes_place_first else None
                begun = state._replace(validator=Validator(place, 0))
                yield Event("validator", "begins", detail=place), begun
        elif validator.key < self.keys:
            yield from self._look(state, validator)
        elif validator.place is not None or self._may_ask(state):
            place = self._last(state) if validator.place is None else validator.place
            ended = state._replace(validator=None, equal=place)
            yield Event("validator", "ends", detail=place), ended

    def _look(self, state: Checked, validator: Validator) -> Steps:
        """Pass a key that is equal once nothing of it is on its way; one that is not is mended."""
        key, here = validator.key, state.authority
        if key in state.marks:
            return
        if _differs(state, key):
            mended = _put(state, 1 - here, key, state.rows[here][key])
            yield Event("repair", "mends", SIDES[1 - here], key), mended
        else:
            passed = state._replace(validator=validator._replace(key=key + 1))
            yield Event("validator", "passes", None, key), passed

    def _may_ask(self, state: Checked) -> bool:
        return not (state.open and self.closes_fence)

    def _last(self, state: Checked) -> int:
        return max(row.touch for row in state.rows[state.authority])

    # cutting over

    def _cut_over(self, state: Checked, migrator: Migrator) -> Steps:
        if migrator.stage == BEFORE and self._may_ask(state):
            passing = migrator._replace(stage=PASSING, last=self._last(state))
            yield Event("migrator", "passes", detail=passing.last), _at(state, passing)
        elif migrator.stage == PASSING:
            yield from self._pass(state, migrator)
        elif migrator.stage == SEALED and not (state.marks and self.drains_first):
            yield from self._decide(state, migrator)

    def _pass(self, state: Checked, migrator: Migrator) -> Steps:
        """Compare the next key of this pass; after the last one, seal."""
        left = [one for one in _touched(state, migrator.place) if one[0] <= migrator.last]
        if not left:
            if not state.open:
                yield Event("migrator", "seals"), _at(state, migrator._replace(stage=SEALED))
            return
        number, key = left[0]
        doubtful = migrator.doubtful | ({key} if _differs(state, key) else set())
        event = Event("migrator", "compares", None, key, number)
        if doubtful and not self.only_notes_before:
            yield event, _refused(state)
        else:
            yield event, _at(state, migrator._replace(place=number, doubtful=doubtful))

    def _decide(self, state: Checked, migrator: Migrator) -> Steps:
        """Compare what is left: what differs stops the cutover, else the other side takes over."""
        left = migrator.doubtful if self.keeps_doubtful else frozenset()
        if self.rest_under_seal:
            left |= {key for _, key in _touched(state, migrator.place)}
        if self.compares and any(_differs(state, key) for key in left):
            yield Event("migrator", "gives up"), _refused(state)
            return
        there = 1 - state.authority
        turned = state._replace(authority=there, migrator=None, turns=state.turns + 1)
        noted = self._last(turned) if self.notes_place_at_cutover else UNKNOWN
        turned = turned._replace(equal=noted)
        yield Event("migrator", "turns to", SIDES[there]), turned


def _is_sealed(state: Checked) -> bool:
    return state.migrator is not None and state.migrator.stage == SEALED


def _differs(state: Checked, key: int) -> bool:
    one, other = (rows[key] for rows in state.rows)
    return one[:2] != other[:2]


def _touched(state: Checked, place: int) -> list[tuple[int, int]]:
    """Return place and key of what was written last beyond *place*, in that order."""
    rows = state.rows[state.authority]
    return sorted((row.touch, key) for key, row in enumerate(rows) if row.touch > place)


def _put(state: Checked, side: int, key: int, row: Row) -> Checked:
    """Return *state* after a side took a record; it gets the next place in that side's order."""
    number = state.numbers[side]
    after = _with_row(state, side, key, row._replace(touch=number))
    return after._replace(numbers=replaced(state.numbers, side, number + 1))


def _with_row(state: Checked, side: int, key: int, row: Row) -> Checked:
    rows = replaced(state.rows[side], key, row)
    return state._replace(rows=replaced(state.rows, side, rows))


def _at(state: Checked, migrator: Migrator) -> Checked:
    return state._replace(migrator=migrator)


def _refused(state: Checked) -> Checked:
    """Writers go on, and a validation has to begin anew; without a cause it is a false alarm."""
    broken = None if state.garbled else "false alarm"
    return state._replace(migrator=None, equal=None, validator=None, broken=broken)
