"""Every way through the phases, finished or cut short and recovered, is a path of the model."""

from __future__ import annotations

import pytest
from phase_changes import Ends, ends, fill, phase, prove, walk, write
from protocol_model.explorer import Event
from protocol_model.migration import Migration
from protocol_model.scenario import (
    TO_COMPLETE_AND_BACK,
    TO_EXPIRED_AND_BACK,
    TO_FINAL,
    TO_LIVE,
    TO_LIVE_AND_BACK,
    TO_OFF_AND_AGAIN,
    Scenario,
)
from protocol_model.traces import accepts

from fluxstore.errors import FluxstoreError
from fluxstore_phases import completing, recovery
from fluxstore_phases.phases import Side
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk

SOURCE, TARGET = Side.SOURCE, Side.TARGET
TRAVELS = {
    ("sealed", "committing"),
    ("follower", "authority"),
    ("complete", "live"),
    ("complete", "off"),
}
"""What the model sends as a message: changes of role, or of an authority's phase."""


class Recorded:
    """A backend whose changes of control are events of the model's migrator."""

    def __init__(self, real, side, events, cut):
        self._real, self._side, self._events, self._cut = real, side, events, cut

    def __getattr__(self, name):
        found = getattr(self._real, name)
        if name == "ledger":
            return Recorded(found, self._side, self._events, self._cut)
        return self._set_control if name == "set_control" else found

    def _set_control(self, entity, expected, control, **options):
        if control is not None and self._cut and control.role == self._cut[0]:
            self._cut.pop()
            raise FluxstoreError("cut short")
        done = self._real.set_control(entity, expected, control, **options)
        if done and control is not None and expected is not None:
            self._tell(expected, control)
        elif done and control is not None and control.phase != "off":
            self._events.append(Event("migrator", None, self._side.value, None))
        return done

    def _tell(self, before, after):
        if (before.epoch, before.role) == (after.epoch, after.role):
            return  # the phase's name alone: the model has one phase for all of these
        self._events.append(Event("migrator", None, self._side.value, None))
        phases = (before.phase, after.phase) if before.role == after.role else ()
        if (before.role, after.role) in TRAVELS or phases in TRAVELS:
            self._events.append(Event("message", "arrives", self._side.value, None))


def hides(event):
    """Tell whether the recorder knows nothing of this: only control is looked at."""
    return event.actor not in ("migrator", "message")


@pytest.fixture
def events():
    return []


@pytest.fixture
def cut():
    """The role whose next change fails, as if its maker had died before it."""
    return []


@pytest.fixture
def sides(tmp_path, events, cut):
    with ends(tmp_path, wrap=lambda side, real: Recorded(real, side, events, cut)) as both:
        assert isinstance(both, Ends)
        sides = both.sides()
        write(sides, SOURCE, "a", "x")
        yield sides


def is_path(events, goal, **more):
    verdict = accepts(Migration.of(Scenario("path", goal, ("a0",), **more)), events, hides=hides)
    assert verdict.accepted, f"{verdict}\n" + "\n".join(map(str, events))
    return verdict.broken is None


def test_to_live(sides, events):
    walk(sides, 4)

    assert 6 == sum(event.actor == "migrator" for event in events)
    assert is_path(events, TO_LIVE)


def test_to_live_and_back(sides, events):
    walk(sides, 4)
    walk(sides, 3)

    assert is_path(events, TO_LIVE_AND_BACK)


def test_to_complete_and_final(sides, events):
    walk(sides, 5)
    completing.finalize(sides, ALL)

    assert is_path(events, TO_FINAL)


def test_to_complete_and_all_the_way_back(sides, events):
    walk(sides, 5)
    walk(sides, 3)

    assert is_path(events, TO_COMPLETE_AND_BACK)


def test_to_expired_and_back_by_a_backfill(sides, events):
    walk(sides, 5)
    completing.expire(sides, ALL, 0.0)
    Walk(sides).to(phase(4))
    fill(sides)
    Walk(sides).to(phase(3))

    assert is_path(events, TO_EXPIRED_AND_BACK)


def test_to_off_and_in_again(sides, events):
    walk(sides, 1)
    walk(sides, 0)
    walk(sides, 1)

    assert is_path(events, TO_OFF_AND_AGAIN)


@pytest.mark.parametrize("role", ["committing", "authority"])
def test_cut_short_recovered_and_begun_again(sides, events, cut, role):
    walk(sides, 3)
    prove(sides)
    cut.append(role)
    with pytest.raises(FluxstoreError, match="cut short"):
        Walk(sides).to(phase(4))
    recovery.recover(sides, ALL)
    walk(sides, 4)

    assert is_path(events, TO_LIVE, recoveries=2)


def test_another_order_is_no_path(sides, events):
    walk(sides, 4)
    at = next(i for i, event in enumerate(events) if event.actor == "message")
    swapped = [*events[: at - 1], *events[at + 1 :]]  # the target takes over uncommitted

    assert not accepts(
        Migration.of(Scenario("path", TO_LIVE, ("a0",))), swapped, hides=hides
    ).accepted
