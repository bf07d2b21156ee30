"""What each mechanism of the migration is for, and what a plain dual write does."""

from __future__ import annotations

import attrs

from protocol_model.ablation import Ablation, without
from protocol_model.explorer import STUCK
from protocol_model.mechanisms import PROTOCOL, Mechanisms
from protocol_model.migration import Migration
from protocol_model.scenario import (
    TO_COMPLETE_AND_BACK,
    TO_DUAL,
    TO_EXPIRED_AND_BACK,
    TO_FINAL,
    TO_LIVE,
    TO_LIVE_AND_BACK,
    TO_OFF_AND_AGAIN,
    Scenario,
)
from protocol_model.workloads import InDualWrite

ENTER = Scenario("enter", TO_DUAL, ("a0", "d0"))
ENTER_DRIFTED = Scenario("enter, drifted", TO_DUAL, ("a0",), target="drifted")
ENTER_STALE = Scenario("enter, stale", TO_DUAL, ("a0",), target="stale")
ENTER_EXTRA = attrs.evolve(ENTER_DRIFTED, legacy=False, deletes_extra=True)
ENTER_AGAIN = Scenario("enter again", TO_OFF_AND_AGAIN, ("a0", "a0"))
FROM_OFF = Scenario("cut over beside a foreign client", TO_LIVE, foreign="a0 d0")
FOREIGN = InDualWrite("cut over beside a foreign client", TO_LIVE, ("a0",), foreign="a0 d0")
CUT_OVER = InDualWrite("cut over", TO_LIVE, ("a0", "d0"))
TWO_ADD = InDualWrite("two writers", TO_LIVE, ("a0", "a0"))
UNSEAL = InDualWrite("cut over with a recovery", TO_LIVE, ("a0", "d0"), recoveries=1)
READING = InDualWrite("cut over, reading", TO_LIVE, ("a0",), reads=1)
READING_BACK = InDualWrite("there and back, reading", TO_LIVE_AND_BACK, ("a0",), reads=1)
RETRY = InDualWrite("cut over, retrying", TO_LIVE, ("a0", "d0"), lost_replies=1)
RETRY_FROM_OFF = Scenario("enter, cut over, retrying", TO_LIVE, ("a0", "d0"), lost_replies=1)
FINAL = InDualWrite("finalize", TO_FINAL, ("a0", "d0"))
FINAL_FROM_OFF = Scenario("enter and finalize", TO_FINAL, ("d0",), backfills=2)
REOPEN = InDualWrite("reopen", TO_COMPLETE_AND_BACK, ("a0", "d0"), finalizes=True)
REFILL = InDualWrite("reverse backfill", TO_EXPIRED_AND_BACK, ("a0", "d0"))


MIGRATION = (
    without(
        "fence",
        CUT_OVER,
        "I2",
        7,
        "a commit that looked at control earlier lands at the old side of a cutover",
    ),
    without(
        "atomic_change",
        TWO_ADD,
        "I1",
        4,
        "two writers change what they read, and the second overwrites the first",
    ),
    without(
        "tombstones",
        CUT_OVER,
        "I2",
        9,
        "the leg of an older write comes after the delete's and brings the record back",
    ),
    without("marks", FOREIGN, "I1", 6, "the cutover does not know what has not crossed"),
    without(
        "marks_with_commit",
        FOREIGN,
        "I1",
        6,
        "the process dies between its commit and its mark",
    ),
    without(
        "marks_when_complete",
        REOPEN,
        "I1",
        16,
        "what was written in phase 5 is missing after reopening and rolling back",
    ),
    without(
        "captures_foreign",
        FOREIGN,
        "I1",
        6,
        "a foreign client's write stays behind at the cutover",
    ),
    without("refuses_foreign", FROM_OFF, "I1", 1, "a foreign client writes to the follower"),
    without(
        "no_fallback",
        CUT_OVER,
        "I1",
        6,
        "a write that fell over to the other store is acknowledged and lost",
    ),
    without("guard", CUT_OVER, "I2", 10, "a late leg overwrites a newer record at the follower"),
    without(
        "leg_fence",
        FINAL,
        "I2",
        15,
        "a leg from before the cutover lands after finalize has purged the tombstone",
    ),
    without(
        "refused_leg_leaves_mark",
        UNSEAL,
        "I1",
        10,
        "a leg is refused between unseal and catching up; nobody carries the write",
    ),
    without(
        "clears_only_the_mark_it_read",
        FOREIGN,
        "I1",
        9,
        "clearing the mark of one write forgets the next one's",
    ),
    without("relay_fence", FINAL, "I2", 16, "a relay does what the leg does without its fence"),
    without(
        "relay_takes_followers_epoch",
        UNSEAL,
        STUCK,
        5,
        "while the source is sealed the epochs differ, and nothing can be drained",
    ),
    without(
        "record_with_version",
        CUT_OVER,
        "I2",
        12,
        "an old value travels under a new version, and the newer value is taken for old",
    ),
    without(
        "mark_before_record",
        FOREIGN,
        "I1",
        11,
        "the mark of a write is cleared by a relay that read the record before it",
    ),
    without(
        "clears_after_apply",
        FOREIGN,
        "I1",
        8,
        "the relay dies after clearing the mark, before the follower has the record",
    ),
    without(
        "merge_asks_versions",
        FROM_OFF,
        "I1",
        13,
        "an untouched record that was read early overwrites what a leg brought since",
    ),
    without(
        "batch_fence",
        FROM_OFF,
        "I1",
        14,
        "a leg commits between the batch's look at version rows and its writing",
    ),
    without(
        "batch_role_fence",
        FINAL_FROM_OFF,
        "I2",
        17,
        "a batch of a backfill believed dead lands after finalize",
    ),
    without(
        "extras_ask_versions",
        ENTER_EXTRA,
        "I3",
        7,
        "a record created meanwhile is deleted as one that only the target has",
    ),
    without("repairs_drift", ENTER_DRIFTED, "I3", 4, "exactly the drifted records are skipped"),
    without("cursor_with_batch", FROM_OFF, "I1", 8, "the backfill dies and goes on behind a gap"),
    without(
        "starts_fenced",
        FROM_OFF,
        "I1",
        10,
        "a write in phase 0, after its record was read, leaves neither version nor mark",
    ),
    without("drain", CUT_OVER, "I1", 6, "the target takes over without the last writes"),
    without(
        "compare_and_set",
        UNSEAL,
        "I5",
        7,
        "a take-over that was given up arrives late: two authorities",
    ),
    without(
        "committing_first",
        UNSEAL,
        "I5",
        4,
        "the source is unsealed while the take-over is on its way: two authorities",
    ),
    without(
        "asks_before_giving_back",
        UNSEAL,
        "I5",
        6,
        "a committing source is given back while the take-over is on its way",
    ),
    without(
        "unseal_keeps_epoch",
        UNSEAL,
        "I1",
        8,
        "the commit of the first try arrives in the second, before it is drained",
    ),
    without(
        "target_catches_up",
        UNSEAL,
        STUCK,
        2,
        "after an unseal the sides stay at different epochs for ever",
    ),
    without("complete_drains", FINAL, "I3", 9, "the archive lacks what was on its way"),
    without(
        "expiry_keeps_tombstones",
        REFILL,
        "I2",
        20,
        "a reverse backfill cannot tell a deleted record from one never there",
    ),
    without(
        "expired_is_refilled",
        REFILL,
        "I1",
        18,
        "the marks of phase 5 are gone, and with them what was written in it",
    ),
    without(
        "reopens_authority_first",
        REFILL,
        "I1",
        18,
        "a relay copies to the reopened side before marks are made again",
    ),
    without(
        "finalize_starts_epoch",
        REOPEN,
        "I2",
        19,
        "a reopening that was on its way succeeds after the tombstones are gone",
    ),
    without(
        "finalize_is_final",
        REOPEN,
        "I2",
        19,
        "the old side is reopened without the tombstones of what it still holds",
    ),
    without(
        "leaving_drops_rows",
        ENTER_AGAIN,
        "I3",
        13,
        "a write in phase 0 keeps its record's old version, and is taken for known",
    ),
    without(
        "entering_drops_rows",
        ENTER_STALE,
        "I3",
        4,
        "version rows of an earlier migration keep the backfill from mending records",
    ),
    without(
        "entering_restarts_cursor",
        ENTER_AGAIN,
        "I3",
        8,
        "an earlier backfill is believed, whatever was written since",
    ),
    without("ops", RETRY, "I7", 2, "a retry after a lost reply writes a second time"),
    without("carries_ops", RETRY, "I7", 10, "a retry after a cutover writes a second time"),
    without(
        "legs_carry_what_is_owed",
        RETRY,
        "I7",
        10,
        "the write's own leg never ran, another one cleared the mark: nobody carried the op_id",
    ),
    without(
        "backfill_carries_ops",
        RETRY_FROM_OFF,
        "I7",
        11,
        "a write of phase 0 is retried after a cutover, and writes a second time",
    ),
    without("control_with_read", READING, "I4", 8, "a reader bound early reads the old side"),
    without(
        "asks_when_committing",
        READING,
        "I4",
        7,
        "the target has taken over and been written to, the source does not know yet",
    ),
    without(
        "rereads_control",
        READING_BACK,
        "I4",
        10,
        "the target has taken over and been sealed again between the look and the asking",
    ),
)

DUAL_WRITE = Mechanisms(**{field.name: False for field in attrs.fields(Mechanisms)})
"""Write both, no more: no versions, no marks, no fences; and fall over where one is down."""

CAREFUL_DUAL_WRITE = attrs.evolve(
    PROTOCOL,
    guard=False,
    tombstones=False,
    marks=False,
    leg_fence=False,
    merge_asks_versions=False,
    batch_fence=False,
)
"""Write both, under locks, everybody always agreed on the phase; but no versions and no marks."""


def _dual_write(name: str, mechanisms: Mechanisms, breaks: str, steps: int, harm: str) -> Ablation:
    fails = mechanisms is DUAL_WRITE
    scenario = attrs.evolve(ENTER, goal=TO_LIVE, fails=fails)
    whole, model = Migration.of(scenario), Migration.of(scenario, mechanisms)
    return Ablation("dual write", name, whole, model, breaks, steps, harm)


LOST, RETURNED = "an acknowledged write is lost", "a deleted record comes back"
DUAL_WRITES = (
    _dual_write("plain, a write", DUAL_WRITE, "I1", 6, LOST),
    _dual_write("plain, a delete", DUAL_WRITE, "I2", 4, RETURNED),
    _dual_write("careful, nothing ever fails", CAREFUL_DUAL_WRITE, "I2", 11, RETURNED),
)
