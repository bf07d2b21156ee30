"""The mechanisms of the protocol, each of which can be taken away to see what it was for."""

from __future__ import annotations

import attrs


@attrs.frozen
class Mechanisms:
    """What the protocol does; everything on is the protocol as it is built."""

    # Writing.
    fence: bool = True
    """A commit is refused unless control, read in its own transaction, still names it authority."""
    atomic_change: bool = True
    """What a change is made of is read in the transaction that writes it, or compared there."""
    tombstones: bool = True
    """A delete leaves a version row; else it leaves nothing behind."""
    marks: bool = True
    """A commit leaves a mark: this key may differ in the follower."""
    marks_with_commit: bool = True
    """The mark is part of the commit's transaction, not written after it."""
    marks_when_complete: bool = True
    """Phase 5 goes on making marks."""
    captures_foreign: bool = True
    """A foreign client's write gets version and mark from a trigger."""
    refuses_foreign: bool = True
    """A foreign client's write is let through at the authority only."""
    no_fallback: bool = True
    """A write whose authority does not answer fails; it is not sent to the other store."""

    # The follower leg and the relay.
    guard: bool = True
    """A follower takes only what is newer than what it has."""
    leg_fence: bool = True
    """A leg is refused unless the follower's control is still that of the write's epoch."""
    refused_leg_leaves_mark: bool = True
    clears_only_the_mark_it_read: bool = True
    relay_fence: bool = True
    """A drained mark is refused unless the follower's control is as it was before the reading."""
    relay_takes_followers_epoch: bool = True
    """That fence is the follower's own epoch: during a seal it is not the origin's."""
    record_with_version: bool = True
    """Relay and backfill read a record and its version in one transaction."""
    mark_before_record: bool = True
    """The relay reads a mark no later than the record it copies for it."""
    clears_after_apply: bool = True
    """The relay clears a mark after the follower has committed, not before."""

    # Backfill, on sparse versions.
    merge_asks_versions: bool = True
    """An untouched record is written only where the target has no version row for its key."""
    batch_fence: bool = True
    """A batch looks at the target's version rows and writes while no leg can commit."""
    batch_role_fence: bool = True
    """A batch is refused unless the follower's control is as it was before the reading."""
    extras_ask_versions: bool = True
    """A record that the source has not is deleted only where the target has no version row."""
    repairs_drift: bool = True
    """A batch updates a record that is there and differs, instead of skipping its key."""
    cursor_with_batch: bool = True
    """The cursor is saved in the transaction of the batch it covers, not before."""
    starts_fenced: bool = True
    """Backfill begins once every write is dual-written, not when the target is ready."""

    # Phase changes.
    drain: bool = True
    """The target takes over only when no mark is left, and none can be made."""
    compare_and_set: bool = True
    """The target takes over only from the epoch that the migrator saw."""
    committing_first: bool = True
    """The source is *committing* before the target is asked to take over (C4½)."""
    asks_before_giving_back: bool = True
    """A committing source is given back only after the target was moved out of reach."""
    unseal_keeps_epoch: bool = True
    """An unsealed source stays at the seal's epoch and never returns to the one before."""
    target_catches_up: bool = True
    """After an unseal the target is brought to the source's epoch."""
    seals_level: bool = True
    """A seal begins only while both sides are at one epoch."""
    complete_drains: bool = True
    """The source is archived only when the marks made until then are drained."""
    expiry_keeps_tombstones: bool = True
    """When the retention of marks is over, tombstones stay until finalize."""
    expired_is_refilled: bool = True
    """Reopened after its marks were dropped, the old side is filled by a reverse backfill."""
    reopens_authority_first: bool = True
    """Reopening moves the authority's epoch first, then the archived side."""
    finalize_starts_epoch: bool = True
    """Purging tombstones starts an epoch: it and a reopening exclude each other."""
    finalize_is_final: bool = True
    """After finalize the old side cannot be reopened."""
    leaving_drops_rows: bool = True
    """Going back to phase 0 drops the source's version rows and marks: nobody keeps them there."""
    entering_drops_rows: bool = True
    """Entering phase 1 drops what version rows the target still has of an earlier migration."""
    entering_restarts_cursor: bool = True
    """Entering phase 1 forgets where an earlier backfill stood."""

    # Operations carried across a cutover.
    ops: bool = True
    """The commit's transaction records its op_id, and a retry is recognised by it."""
    carries_ops: bool = True
    """Leg and relay carry operations to the follower, and note here that they have crossed."""
    legs_carry_what_is_owed: bool = True
    """A leg carries every operation on its key that has not crossed, not only its own."""
    backfill_carries_ops: bool = True
    """So does a backfill: operations of phase 0 have no mark."""

    # Reading.
    control_with_read: bool = True
    """Control is read in the transaction that reads the record."""
    asks_when_committing: bool = True
    """A reader that finds the source committing asks the target's control."""
    rereads_control: bool = True
    """After asking, the source's control must be as it was."""


PROTOCOL = Mechanisms()
