"""What each mechanism is for: without it, a promise breaks in so many steps, and no fewer."""

from __future__ import annotations

from functools import partial

import attrs

from protocol_model.ablation import lacking
from protocol_model.ablations_of_migration import DUAL_WRITES, MIGRATION, UNSEAL
from protocol_model.checking import Checking
from protocol_model.explorer import STUCK
from protocol_model.fence import REPEATABLE_READ, SAME_QUERY, STATEMENT, Fence
from protocol_model.mechanisms import PROTOCOL
from protocol_model.migration import Migration
from protocol_model.outcomes import Outcomes
from protocol_model.sidecar import Sidecars
from protocol_model.validation import Validation
from protocol_model.workloads import (
    CHILD_FIRST,
    PARENT_AGAIN,
    SWAP,
    SWAP_AT_ONCE,
    SWAPPED_BEFORE,
    Workload,
    under_backfill,
)

_fence = partial(lacking, Fence(), "fence")
_outcome = partial(lacking, Outcomes(), "outcome")
_sidecar = partial(lacking, Sidecars(), "sidecar")
_validation = partial(lacking, Validation(), "validation")
_check = partial(lacking, Checking(), "check")

INSIDE_A_WRITE = (
    _fence("locks", "I1", 9, "the seal commits between check and commit"),
    _fence(
        "check", "I1", 9, "control is read in the query that waited for the lock", value=SAME_QUERY
    ),
    _fence(
        "check",
        "I1",
        9,
        "control is read in the snapshot of the write's own statement",
        value=STATEMENT,
    ),
    _fence("locks_until_commit", "I1", 9, "the lock is gone before the commit"),
    _fence(
        "for_share",
        "I1",
        9,
        "a REPEATABLE READ client sees the control of its snapshot, passes a finished seal",
    ),
    _outcome("in_progress_is_not_aborted", "I7", 4, "told that it failed, then the server commits"),
    _outcome("silence_is_not_failure", "I7", 3, "told that it failed, although it was committed"),
    _outcome("has_op_id", "I7", 6, "the retry has a second effect"),
    _outcome(
        "op_id_is_unique", "I7", 6, "the retry passes the first attempt, which is still under way"
    ),
    _outcome("seal_waits", "I7", 8, "an attempt whose connection died commits after the seal"),
    _outcome("carries_ops", "I7", 8, "the retry finds the other store, which knows nothing of it"),
)

SIDECAR = (
    _sidecar("durable_before_visible", "I6", 4, "a power cut takes back what was copied already"),
    _sidecar(
        "durable_before_acknowledged", "I1", 2, "a power cut takes back what was acknowledged"
    ),
    _sidecar("syncs_temporary", "I1", 4, "a power cut leaves a torn file under the user's name"),
    _sidecar("intends", "I8", 5, "one's own rename is taken for a foreign edit after a crash"),
    _sidecar(
        "syncs_folder", "I1", 7, "a power cut brings the old file back, the pending change is gone"
    ),
    _sidecar(
        "keeps_newer_pending",
        "I1",
        7,
        "a change that came during the checkpoint is removed with it",
    ),
    _sidecar("one_transaction", "I3", 5, "an old value travels under a new version"),
    _sidecar("checks_identity", "I3", 7, "a newer file is read under an older version"),
    lacking(
        Sidecars(edits=True),
        "sidecar",
        "looks_at_displaced",
        "I8",
        7,
        "a foreign edit is overwritten unseen",
    ),
)

COMPARING = (
    _validation(
        "follower_first",
        "false alarm",
        5,
        "a write between the looks makes the follower look ahead",
    ),
    _validation("waits_for_mark", "false alarm", 8, "a write on its way looks like a difference"),
    _validation(
        "same_version_twice", "false alarm", 11, "two writes on their way look like one difference"
    ),
    lacking(
        Validation(planted=True),
        "validation",
        "repair_compares",
        "I3",
        10,
        "a repair overwrites what a leg brought since the comparison",
    ),
)

CHECKING = (
    _check("compares", "I1", 11, "what a carry garbled since the validation is the truth now"),
    _check("rest_under_seal", "I1", 11, "what was written after the last pass goes unseen"),
    _check("keeps_doubtful", "I1", 12, "what differed before the seal is taken for on its way"),
    _check("only_notes_before", "false alarm", 9, "a write on its way stops the cutover"),
    _check("drains_first", "false alarm", 10, "a write that is not carried yet stops the cutover"),
    _check("notes_place_first", "I1", 11, "a write between the look and the note goes unseen"),
    _check("closes_fence", "I1", 14, "a lower place appears behind what was passed already"),
    _check("last_write_counts", "I1", 14, "a key that was passed is written again, and unseen"),
    lacking(
        Checking(turns=2),
        "check",
        "notes_place_at_cutover",
        "I1",
        15,
        "the way back does not know what was written since the cutover",
    ),
)

CONSTRAINTS = (
    lacking(
        SWAP,
        "constraints",
        "together",
        STUCK,
        4,
        "two records that swapped a unique value wait for each other for ever",
    ),
    lacking(
        SWAP_AT_ONCE,
        "constraints",
        "checked_at_end",
        STUCK,
        0,
        "no order of single records avoids the constraint",
    ),
    lacking(
        CHILD_FIRST,
        "constraints",
        "leg_leaves_mark",
        "I3",
        5,
        "the leg of a child comes before its parent's, and is forgotten",
    ),
    lacking(
        PARENT_AGAIN,
        "constraints",
        "follower_never_cascades",
        "I3",
        9,
        "a late delete of the parent takes a newer child along, whose mark is gone",
    ),
    lacking(
        SWAPPED_BEFORE,
        "constraints",
        "batch_takes_along",
        "I8",
        2,
        "two sound records are quarantined for each other's old values",
    ),
    lacking(
        under_backfill(SWAP),
        "constraints",
        "one_snapshot",
        "I8",
        6,
        "records read at different times contradict each other, and one is quarantined",
    ),
)

LEVEL = attrs.evolve(PROTOCOL, seals_level=False)
SPARE = (
    Workload("seals_level", Migration.of(UNSEAL, LEVEL)),
    Workload(
        "seals_level, late",
        Migration.of(attrs.evolve(UNSEAL, writers=("a0",), recoveries=2, all_late=True), LEVEL),
    ),
    Workload("locks, where all read repeatably", Fence((REPEATABLE_READ,) * 2, locks=False)),
    Workload("one_snapshot, for a relay", attrs.evolve(SWAP, one_snapshot=False)),
)
"""Mechanisms that others make up for: without one of them alone, nothing breaks."""

ABLATIONS = (
    *MIGRATION,
    *DUAL_WRITES,
    *INSIDE_A_WRITE,
    *SIDECAR,
    *COMPARING,
    *CHECKING,
    *CONSTRAINTS,
)
