"""The fence: what control lets pass, and what a governed write leaves in the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fluxstore.adapter import Control, Crossed, Mark
from fluxstore.entity import Entity
from fluxstore.errors import RoutingError, SealedError, StalePhaseError
from fluxstore.records import UNTOUCHED, Key, Version
from fluxstore.testing.reference.memory import State
from fluxstore.testing.reference.rules import Touched


def control_of(state: State, entity: str) -> Control | None:
    """Return the control record that governs *entity*."""
    return state.controls.get(entity) or state.controls.get("*")


def let_write(state: State, entity: Entity) -> None:
    """Let an application's write pass only where this backend is the authority, or alone."""
    control = control_of(state, entity.name)
    if control is None or control.role == "authority":
        return
    if control.role in ("sealed", "committing"):
        raise SealedError("writes wait for a cutover to end", entity=entity.name)
    raise _stale(control, entity)


def let_read(state: State, entity: Entity) -> None:
    """Let an application's read pass where this backend answers: sealed, it still does."""
    control = control_of(state, entity.name)
    if control is None or control.role in ("authority", "sealed"):
        return
    if control.role == "committing":
        raise SealedError("which side answers is being decided", entity=entity.name)
    raise _stale(control, entity)


def let_follow(state: State, entity: Entity, epoch: int | None) -> None:
    """Let what comes from the authority pass: only to a follower, only in *epoch* if given."""
    control = control_of(state, entity.name)
    if control is None and epoch is None:
        return
    if control is None or control.role != "follower" or epoch not in (None, control.epoch):
        raise _stale(control, entity)


def let_merge(state: State, entity: Entity) -> None:
    """Let an offline copy pass: to a follower, or where no migration is under way."""
    control = control_of(state, entity.name)
    if control is not None and control.role != "follower" and control.phase != "off":
        raise _stale(control, entity)


def _stale(control: Control | None, entity: Entity) -> RoutingError:
    found = "without control" if control is None else f"{control.role} in epoch {control.epoch}"
    return StalePhaseError(
        f"this backend is {found}",
        entity=entity.name,
        next_step="read the phase again, then go on",
    )


def note(state: State, touched: Touched) -> None:
    """Give each touched record its next version, and a mark where there is a follower.

    In phase ``off`` nothing is noted, and without control only what has a version already.
    """
    for (entity, key), existed in touched.items():
        control = control_of(state, entity)
        is_migrating = control is not None and control.phase != "off"
        versions = state.versions.setdefault(entity, {})
        if not is_migrating and (control is not None or key not in versions):
            continue
        old = versions.get(key, UNTOUCHED if existed else Version(0, 0))
        epoch = control.epoch if control else old.epoch
        versions[key] = Version(epoch, old.seq + 1, deleted=key not in state.table(entity))
        touches = state.touches.setdefault(entity, {})
        touches.pop(key, None)
        touches[key] = last_touch(state, entity) + 1
        if is_migrating:
            marks = state.marks.setdefault(entity, {})
            marks.pop(key, None)
            marks[key] = (versions[key], time.time())


def last_touch(state: State, entity: str) -> int:
    """Return the place of the key of *entity* that was written last."""
    return next(reversed(state.touches.get(entity, {}).values()), 0)


def cleared(state: State, mark: Mark) -> bool:
    """Clear *mark* where it still is the one given; tell whether it was."""
    marks = state.marks.get(mark.entity, {})
    found = marks.get(mark.key)
    if found is None or (found[0].epoch, found[0].seq) != (mark.version.epoch, mark.version.seq):
        return False
    del marks[mark.key]
    return True


def forget(state: State, name: str) -> None:
    """Forget versions, marks and cursors of what the control record *name* governs."""
    own = state.controls.keys() - {"*"}

    def stays(entity: str) -> bool:
        return entity in own if name == "*" else entity != name

    state.versions = {e: one for e, one in state.versions.items() if stays(e)}
    state.touches = {e: one for e, one in state.touches.items() if stays(e)}
    state.marks = {e: one for e, one in state.marks.items() if stays(e)}
    state.cursors = {c: one for c, one in state.cursors.items() if stays(c[1])}


def is_done(state: State, entity: Entity, keys: Sequence[Key], op_id: str) -> bool:
    """Tell whether *op_id* has changed one of *keys* already."""
    known = state.ops.get(entity.name, {})
    return any(op_id in known.get(key, ()) for key in keys)


def remember(state: State, entity: Entity, keys: Sequence[Key], op_ids: Sequence[str]) -> None:
    """Keep *op_ids* as operations that changed *keys*."""
    known = state.ops.setdefault(entity.name, {})
    for key in keys if op_ids else ():
        known[key] = tuple(dict.fromkeys([*known.get(key, ()), *op_ids]))


def cross(state: State, crossed: Crossed) -> None:
    """Keep that the other side has operations, where it is the one of this migration."""
    control = control_of(state, crossed.entity)
    if control is not None and crossed.is_of(control):
        known = state.crossed.setdefault(crossed.entity, {})
        known |= {(crossed.key, op_id): control.migration for op_id in crossed.op_ids}


def owed(state: State, entity: str, key: Key) -> tuple[str, ...]:
    """Return the operations on *key* that are not known to have crossed in this migration."""
    control, known = control_of(state, entity), state.crossed.get(entity, {})
    migration = control.migration if control is not None else ""
    op_ids = state.ops.get(entity, {}).get(key, ())
    return tuple(op_id for op_id in op_ids if known.get((key, op_id), "") != migration)
