"""After some failures nobody waits; one call in a while tries for all."""

from __future__ import annotations

import pytest

from fluxstore_phases.breaker import Advice, Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(failures=3, probe_seconds=2, clock=clock)


def fail(breaker, times):
    for _ in range(times):
        breaker.failed("no answer")


def test_it_waits_while_calls_succeed(breaker):
    assert Advice.WAIT is breaker.advice()


def test_a_success_between_failures_keeps_it_closed(breaker):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert Advice.WAIT is breaker.advice()


def test_three_failures_in_a_row_open_it(breaker):
    fail(breaker, 3)
    assert Advice.SKIP is breaker.advice()
    assert "no answer" == breaker.health.problem


def test_open_it_lets_one_call_try_after_a_while(breaker, clock):
    fail(breaker, 3)
    clock.now = 2.0
    assert [Advice.PROBE, Advice.SKIP] == [breaker.advice(), breaker.advice()]


def test_a_try_that_fails_keeps_it_open_for_as_long_again(breaker, clock):
    fail(breaker, 3)
    clock.now = 2.0
    breaker.advice()
    fail(breaker, 1)
    clock.now = 3.9
    assert Advice.SKIP is breaker.advice()


def test_a_try_that_succeeds_closes_it(breaker, clock):
    fail(breaker, 3)
    clock.now = 2.0
    breaker.advice()
    breaker.succeeded()
    assert Advice.WAIT is breaker.advice()
    assert "" == breaker.health.problem
