"""Where a migration stands is one row of the table, or an error that says both controls."""

from __future__ import annotations

from itertools import product

import pytest
from phase_changes import control

from fluxstore.errors import PhaseOrderError
from fluxstore_phases.phases import PHASES, Side
from fluxstore_phases.standing import STATES, Standing, _fits

ROLES = ("authority", "follower", "sealed", "committing", "archived")
TEXTS = tuple(phase.name for phase in PHASES)


def controls(epoch):
    yield None
    yield from (control(epoch, role, text) for role, text in product(ROLES, TEXTS))


def everything():
    for gap in (-3, -1, 0, 1, 2):
        yield from product(controls(5), controls(5 + gap))


def rows(source, target):
    found = set()
    for state in STATES:
        for side in Side:
            pair = (source, target) if side is Side.SOURCE else (target, source)
            if state.holder in (None, side) and _fits(state, pair):
                found.add((state.name, side))
    return found


def test_no_two_rows_fit_one_pair_of_controls():
    doubtful = {pair: found for pair in everything() if len(found := rows(*pair)) > 1}

    assert {} == doubtful


def test_what_fits_no_row_is_said_and_not_guessed():
    standing = Standing("*", control(3, "follower"), control(3, "follower"))

    with pytest.raises(PhaseOrderError, match=r"follower in epoch 3.*follower in epoch 3"):
        _ = standing.state


@pytest.mark.parametrize(
    ("source", "target", "state", "holder", "phase"),
    [
        (None, None, "fresh", Side.SOURCE, 0),
        (control(1, "authority", "off"), None, "off", Side.SOURCE, 0),
        (
            control(1, "authority", "off"),
            control(2, "follower", "dual_write"),
            "entering",
            Side.SOURCE,
            0,
        ),
        (control(3, "authority", "off"), control(2, "follower"), "leaving", Side.SOURCE, 0),
        (control(3, "authority"), control(2, "follower"), "behind", Side.SOURCE, 3),
        (control(3, "sealed"), control(2, "follower"), "sealed", Side.SOURCE, 3),
        (control(3, "committing"), control(2, "follower"), "committing", Side.SOURCE, 3),
        (control(3, "committing"), control(4, "follower"), "giving back", Side.SOURCE, 3),
        (control(3, "committing"), control(3, "authority", "live"), "taken over", Side.TARGET, 4),
        (
            control(3, "follower", "live"),
            control(3, "authority", "live"),
            "settled",
            Side.TARGET,
            4,
        ),
        (control(3, "follower"), control(4, "sealed", "live"), "sealed", Side.TARGET, 4),
        (
            control(3, "follower", "live"),
            control(4, "authority", "complete"),
            "completing",
            Side.TARGET,
            5,
        ),
        (
            control(4, "archived", "complete"),
            control(4, "authority", "complete"),
            "complete",
            Side.TARGET,
            5,
        ),
        (
            control(4, "archived", "complete"),
            control(5, "authority", "live"),
            "reopening",
            Side.TARGET,
            4,
        ),
        (
            control(4, "archived", "complete"),
            control(6, "authority", "off"),
            "final",
            Side.TARGET,
            5,
        ),
    ],
)
def test_every_state_that_a_step_leaves_is_known(source, target, state, holder, phase):
    standing = Standing("*", source, target)

    assert (state, holder, phase) == (
        standing.state.name,
        standing.holder,
        standing.phase.number,
    )
