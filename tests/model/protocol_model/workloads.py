"""The workloads that are explored completely: the short form of every change, and the full form."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs

from protocol_model.checking import Checking
from protocol_model.constraints import Constraints, child_and_parent
from protocol_model.explorer import Model
from protocol_model.fence import READ_COMMITTED, REPEATABLE_READ, Fence
from protocol_model.migration import Migration
from protocol_model.outcomes import Outcomes
from protocol_model.scenario import (
    TO_COMPLETE_AND_BACK,
    TO_DUAL,
    TO_EXPIRED_AND_BACK,
    TO_FINAL,
    TO_LIVE,
    TO_LIVE_AND_BACK,
    TO_LIVE_TWICE,
    TO_OFF_AND_AGAIN,
    Scenario,
)
from protocol_model.sidecar import Sidecars
from protocol_model.validation import Validation


@attrs.frozen
class Workload:
    """A model with a name."""

    name: str
    model: Model[Any]


def under_backfill(constraints: Constraints) -> Constraints:
    """Return the same with a follower that is empty and being filled."""
    empty = (None,) * len(constraints.begins)
    return attrs.evolve(constraints, follower=empty, backfills=True)


InDualWrite = partial(Scenario, begins="dual", target="copied")
Entering = partial(Scenario, goal=TO_DUAL, target="drifted", deletes_extra=True)

SHORT_SCENARIOS = (
    Entering("enter", writers=("a0", "d0"), foreign="a0"),
    Entering("enter with two relays, two backfills", writers=("a0", "d0"), relays=2, backfills=2),
    Entering("enter by a batch of two keys", writers=("a0", "d1"), foreign="a1", keys=2, batch=2),
    Entering("enter by two batches", writers=("a0", "d1"), foreign="a1", keys=2),
    attrs.evolve(Entering("enter over stale rows", writers=("d0 a0", "a0")), target="stale"),
    Scenario(
        "leave and enter again",
        TO_OFF_AND_AGAIN,
        ("a0", "d0"),
        foreign="a0",
        deletes_extra=True,
    ),
    Scenario("enter and cut over", TO_LIVE, ("a0", "d0"), recoveries=1),
    Scenario("cut over two keys", TO_LIVE, ("a0", "d1"), keys=2, batch=2, recoveries=1),
    InDualWrite("cut over beside a foreign client", TO_LIVE, ("a0", "d0"), "a0", recoveries=1),
    InDualWrite(
        "cut over by late messages",
        TO_LIVE,
        ("a0", "d0"),
        recoveries=2,
        all_late=True,
        in_flight=3,
    ),
    Scenario("retry across a cutover", TO_LIVE, ("a0", "d0"), lost_replies=2),
    InDualWrite("retry there and back", TO_LIVE_AND_BACK, ("a0", "d0"), lost_replies=2),
    InDualWrite("there and back", TO_LIVE_AND_BACK, ("a0", "d0"), recoveries=1),
    InDualWrite("there and back, reading", TO_LIVE_AND_BACK, ("a0",), reads=1, recoveries=1),
    InDualWrite("there and back, two writers, reading", TO_LIVE_AND_BACK, ("a0", "a0"), reads=1),
    InDualWrite(
        "there and back by late messages",
        TO_LIVE_AND_BACK,
        ("a0",),
        recoveries=2,
        all_late=True,
        in_flight=3,
    ),
    InDualWrite("there and back with two relays", TO_LIVE_AND_BACK, ("a0", "d0"), relays=2),
    InDualWrite("there, back and there", TO_LIVE_TWICE, ("a0", "d0"), recoveries=1),
    InDualWrite("complete and finalize", TO_FINAL, ("a0", "d0"), foreign="a0"),
    InDualWrite(
        "complete and reopen",
        TO_COMPLETE_AND_BACK,
        ("a0", "d0"),
        finalizes=True,
        recoveries=1,
    ),
    InDualWrite(
        "complete and reopen by late messages",
        TO_COMPLETE_AND_BACK,
        ("a0",),
        finalizes=True,
        recoveries=1,
        all_late=True,
        in_flight=3,
    ),
    InDualWrite("reopen after the marks expired", TO_EXPIRED_AND_BACK, ("a0", "d0"), "a0"),
    InDualWrite("retry across it all", TO_EXPIRED_AND_BACK, ("a0", "d0"), lost_replies=1),
)

FULL_SCENARIOS = (
    Entering("enter, deleting and creating", writers=("d0 a0", "a0 d0"), foreign="d0 a0"),
    Entering("enter by batches of three keys", writers=("a0 d1", "d2"), keys=3, batch=2),
    Entering(
        "enter with everything twice",
        writers=("d0", "a0"),
        foreign="a0",
        relays=2,
        backfills=2,
    ),
    Scenario(
        "leave and enter again, more",
        TO_OFF_AND_AGAIN,
        ("a0 d0", "a0"),
        deletes_extra=True,
    ),
    Scenario("enter and cut over, more", TO_LIVE, ("a0 d0", "a0"), foreign="d0", recoveries=1),
    Scenario(
        "cut over two keys, more", TO_LIVE, ("a0 d1", "a1"), "d0", keys=2, batch=2, recoveries=1
    ),
    InDualWrite(
        "cut over by late messages, more",
        TO_LIVE,
        ("a0", "d0"),
        recoveries=3,
        all_late=True,
        in_flight=3,
    ),
    InDualWrite(
        "there and back by late messages, more",
        TO_LIVE_AND_BACK,
        ("a0", "d0"),
        recoveries=2,
        all_late=True,
        in_flight=3,
    ),
    InDualWrite("there and back, more", TO_LIVE_AND_BACK, ("a0 d0", "a0"), recoveries=1),
    InDualWrite(
        "there and back, reading and retrying",
        TO_LIVE_AND_BACK,
        ("a0", "d0"),
        reads=1,
        recoveries=1,
        lost_replies=1,
    ),
    InDualWrite(
        "there and back, reading late", TO_LIVE_AND_BACK, ("a0", "a0"), reads=1, recoveries=2
    ),
    InDualWrite("there, back and there, more", TO_LIVE_TWICE, ("a0", "d0"), "a0", recoveries=1),
    InDualWrite("there, back and there, retrying", TO_LIVE_TWICE, ("a0", "d0"), lost_replies=2),
    InDualWrite("beside a foreign client, more", TO_LIVE, ("a0", "d0"), "d0 a0", recoveries=1),
    InDualWrite("complete and finalize, more", TO_FINAL, ("d0 a0", "a0 d0"), "a0", recoveries=1),
    InDualWrite(
        "complete and reopen, more",
        TO_COMPLETE_AND_BACK,
        ("a0 d0", "d0"),
        finalizes=True,
        recoveries=1,
        lost_replies=1,
    ),
    InDualWrite(
        "reopen after the marks expired, more",
        TO_EXPIRED_AND_BACK,
        ("a0 d0", "a0"),
        finalizes=True,
        recoveries=1,
    ),
)

SWAP = Constraints((((0, "c"),), ((1, "a"),), ((0, "b"),)), ("a", "b"))
"""Two records swap a unique value by three writes."""
SWAP_AT_ONCE = Constraints((((0, "b"), (1, "c"), (2, "a")),), ("a", "b", "c"))
CHILD_FIRST = Constraints((((1, "p"),), ((0, "c"),)), (None, None), in_the_way=child_and_parent)
PARENT_AGAIN = Constraints(
    (((0, None), (1, None)), ((1, "p"),), ((0, "d"),)), ("c", "p"), in_the_way=child_and_parent
)
"""Parent and child are deleted together, then created again one by one."""
SWAPPED_BEFORE = Constraints((), ("b", "a"), follower=("a", "b"), backfills=True)
"""The follower was copied before two records swapped a unique value."""

SHORT = (
    *(Workload(scenario.name, Migration.of(scenario)) for scenario in SHORT_SCENARIOS),
    Workload("fence", Fence()),
    Workload("outcomes", Outcomes()),
    Workload("sidecar", Sidecars()),
    Workload("sidecar beside another program", Sidecars(edits=True)),
    Workload("validation", Validation()),
    Workload("validation that finds something", Validation(planted=True)),
    Workload("check at a cutover", Checking(writes=3)),
    Workload("check at a cutover and at its way back", Checking(turns=2)),
    Workload("check of what goes right", Checking(writes=3, garbles=0)),
    Workload("unique value swapped by three writes", SWAP),
    Workload("unique values swapped at once", SWAP_AT_ONCE),
    Workload("unique value swapped under a backfill", under_backfill(SWAP)),
    Workload("unique value swapped before a backfill", SWAPPED_BEFORE),
    Workload("duplicates at the source", Constraints((), ("a", "a"), (None, None), backfills=True)),
    Workload("child before parent", CHILD_FIRST),
    Workload(
        "child before parent in a backfill",
        under_backfill(attrs.evolve(CHILD_FIRST, transactions=(), begins=("c", "p"))),
    ),
    Workload("parent deleted and created again", PARENT_AGAIN),
)
"""What runs with every change, in minutes on one core."""

FULL = (
    *SHORT,
    *(Workload(scenario.name, Migration.of(scenario)) for scenario in FULL_SCENARIOS),
    Workload("fence, four clients", Fence((READ_COMMITTED, REPEATABLE_READ) * 2)),
    Workload("outcomes, four attempts", Outcomes(4)),
    Workload("sidecar, more", Sidecars(writes=3, checkpoints=3, cuts=2)),
    Workload("sidecar beside another program, more", Sidecars(3, 3, 2, edits=True)),
    Workload("validation, more", Validation(writes=4)),
    Workload("validation that finds something, more", Validation(writes=3, planted=True)),
    Workload("check at a cutover, more", Checking(writes=3, keys=3, garbles=2)),
    Workload("check at a cutover and at its way back, more", Checking(3, turns=3, garbles=2)),
)
"""What runs when the protocol changes, and by hand."""
