"""A recorded run is held against the model: accepted where it is a path, else told where not."""

from __future__ import annotations

import random

import attrs
import pytest
from protocol_model.ablation import Ablation
from protocol_model.ablations_of_migration import MIGRATION
from protocol_model.explorer import Event, explore
from protocol_model.migration import Migration
from protocol_model.scenario import TO_LIVE, TO_LIVE_AND_BACK, Scenario
from protocol_model.traces import accepts, unseen

LARGE = Scenario(
    "larger than can be explored",
    TO_LIVE_AND_BACK,
    writers=("a0 d1 a2 a0", "a1 a1 d0 a2", "d2 a0 a1"),
    foreign="a2 d1",
    keys=3,
    batch=2,
    relays=2,
    reads=3,
    recoveries=1,
    lost_replies=1,
)
CUTOVER = (
    Event("migrator", "target follows"),
    Event("migrator", "dual write"),
    Event("writer 0", "adds", "source", 0, (1, 2)),
    Event("writer 0", "applies", "target", 0, (1, 2)),
    Event("writer 0", "clears its mark", "source", 0),
    Event("backfill 0", "reads", "source", 0),
    Event("backfill 0", "merges", "target"),
    Event("migrator", "C2 seal", "source"),
    Event("migrator", "sends C4½ commit"),
    Event("message", "arrives", "source"),
    Event("migrator", "sends C5 take over"),
    Event("message", "arrives", "target"),
    Event("migrator", "C6 follow", "source"),
)


def model() -> Migration:
    return Migration.of(Scenario("one write", TO_LIVE, ("a0",)))


def walk(model: Migration, *, seed: int, steps: int) -> list[Event]:
    """Return what happens on a random path of *model*."""
    chance, state, events = random.Random(seed), model.initial(), []
    for _ in range(steps):
        choice = list(model.steps(state))
        if not choice:
            break
        event, state = chance.choice(choice)
        events.append(event)
    return events


def test_a_cutover_as_it_is_recorded_is_a_path():
    verdict = accepts(model(), CUTOVER)

    assert verdict.accepted
    assert verdict.broken is None
    assert "a path of the model, 13 events" == str(verdict)


def test_a_step_that_the_protocol_does_not_take_is_told_with_those_it_takes():
    early = [*CUTOVER[:3], *CUTOVER[5:7], Event("migrator", "C2 seal"), CUTOVER[8]]

    verdict = accepts(model(), early)

    assert (False, 6) == (verdict.accepted, verdict.matched)
    assert Event("migrator", "sends C4½ commit") == verdict.refused
    assert Event("writer 0", "has its leg refused", "target", 0) not in verdict.possible
    assert Event("relay 0", "reads", "source", 0, (1, 2)) in verdict.possible
    assert str(verdict).startswith("event 7 is no step of the model: migrator sends C4½ commit")


def test_a_version_that_was_not_given_is_no_step():
    wrong = [*CUTOVER[:2], CUTOVER[2]._replace(detail=(1, 3))]

    assert 2 == accepts(model(), wrong).matched


def test_what_nobody_sees_may_happen_in_between():
    died = [*CUTOVER[:3], Event("relay 0", "reads"), Event("relay 0", "reads")]

    assert accepts(model(), died).accepted
    assert 4 == accepts(model(), died, hides=lambda event: False).matched


def test_a_commit_that_was_refused_may_be_recorded_anywhere():
    refused = Event("writer 0", "is refused", "source", 0)

    assert accepts(model(), [*CUTOVER[:2], refused, refused, *CUTOVER[2:], refused]).accepted


def test_a_leg_is_refused_only_where_its_epoch_has_passed():
    refused = Event("writer 0", "has its leg refused", "target", 0)

    assert 3 == accepts(model(), [*CUTOVER[:3], refused]).matched


@pytest.mark.parametrize("seed", range(5))
def test_a_long_run_with_many_writers_and_keys_is_a_path(seed: int):
    large = Migration.of(LARGE)
    run = [event for event in walk(large, seed=seed, steps=150) if not unseen(event)]

    verdict = accepts(large, run)

    assert verdict.accepted, str(verdict)
    assert verdict.broken is None


@pytest.mark.parametrize("ablation", MIGRATION, ids=str)
def test_a_run_without_the_mechanism_is_no_path_or_breaks_no_promise(ablation: Ablation):
    run = explore(ablation.model, promises=(ablation.breaks,)).trace

    verdict = accepts(ablation.whole, run, hides=lambda event: False)

    assert not verdict.accepted or verdict.broken is None


def test_a_run_that_breaks_a_promise_is_told_so():
    ablation = next(a for a in MIGRATION if a.mechanism == "guard")
    run = explore(ablation.model, promises=(ablation.breaks,)).trace

    verdict = accepts(ablation.model, run, hides=lambda event: False)

    assert "I2" == verdict.broken
    assert attrs.evolve(verdict, broken=None) != verdict
    assert str(verdict).endswith("which breaks I2")
