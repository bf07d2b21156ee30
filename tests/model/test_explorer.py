"""The explorer finds the shortest counterexample, and the states that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest
from protocol_model.explorer import STUCK, Event, TooManyStatesError, explore


@attrs.frozen
class Counting:
    """Counts up by one or two, and stops where a trap says so."""

    highest: int
    wrong: int | None = None
    end: int | None = None
    trap: int | None = None

    def initial(self) -> int:
        return 0

    def steps(self, state: int) -> Iterator[tuple[Event, int]]:
        for more in (1, 2):
            if state + more <= self.highest and state != self.trap:
                yield Event("counter", "adds", detail=more), state + more

    def violation(self, state: int) -> str | None:
        return "wrong" if state == self.wrong else None

    def is_end(self, state: int) -> bool:
        return state == (self.highest if self.end is None else self.end)


def test_every_state_and_transition_is_counted():
    found = explore(Counting(highest=4))

    assert (5, 7, 1) == (found.states, found.transitions, found.ends)
    assert found.broken is None


def test_the_counterexample_is_the_shortest():
    found = explore(Counting(highest=9, wrong=5))

    assert ("wrong", 3) == (found.broken, found.length)
    assert [1, 2, 2] == sorted(event.detail for event in found.trace)


def test_a_promise_that_is_not_asked_for_may_break():
    assert explore(Counting(highest=9, wrong=5), promises=("other",)).broken is None


def test_a_state_that_leads_to_no_end_is_found_with_its_way():
    found = explore(Counting(highest=9, trap=3))

    assert (STUCK, 2) == (found.broken, found.length)


def test_a_protocol_that_cannot_end_is_stuck_at_once():
    found = explore(Counting(highest=3, end=7))

    assert (STUCK, 0) == (found.broken, found.length)


def test_an_unfinished_exploration_proves_nothing():
    with pytest.raises(TooManyStatesError, match="more than 5 states"):
        explore(Counting(highest=100), limit=5)


def test_an_event_matches_what_it_does_not_contradict():
    seen = Event("relay 0", "clears", None, 0)

    assert seen.matches(Event("relay 0", "clears", "source", 0, (1, 2)))
    assert not seen.matches(Event("relay 0", "clears", "source", 1, (1, 2)))
    assert "relay 0 clears key 0 at source (1, 2)" == str(
        Event("relay 0", "clears", "source", 0, (1, 2))
    )
