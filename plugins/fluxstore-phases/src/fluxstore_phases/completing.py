"""After the cutover: complete (4 → 5), its retention, reopening (5 → 4), and finalize.

The authority's control changes first in each: it is what a reopening and a finalizing both need,
so one of them excludes the other, however late the other's message comes.
"""

from __future__ import annotations

import time

import attrs

from fluxstore.adapter import Control
from fluxstore.errors import GateError
from fluxstore_phases import recovery
from fluxstore_phases.archiving import COMPLETE, keep_manifest, manifest
from fluxstore_phases.phases import OFF, PHASES, Side
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import Standing

LIVE = PHASES[4]
_MARKS_AT_ONCE = 1000


def complete(sides: Sides, scope: str) -> None:
    """Let the target answer alone, and archive the source once it has everything until then."""
    standing = sides.standing(scope)
    target = standing.held(Side.TARGET)
    after = Control(target.epoch + 1, "authority", COMPLETE.name, target.migration)
    sides.turn(Side.TARGET, scope, target, after)
    recovery.recover(sides, scope)


def expired_name(scope: str) -> str:
    """Return the name of the fact that says that marks of phase 5 were dropped."""
    return f"expired:{scope}"


def expired_epoch(sides: Sides, standing: Standing) -> int | None:
    """Return the epoch in which marks of this migration's phase 5 were dropped, or ``None``.

    From then on the way back is a backfill from the target to the source.
    """
    found = sides.adapter(Side.TARGET).ledger.fact(expired_name(standing.scope))
    if not found or found["migration"] != standing.migration:
        return None
    return int(found["epoch"])


def expire(sides: Sides, scope: str, retention_seconds: float) -> bool:
    """Drop the marks of phase 5 where they were kept for long enough; tell whether they were.

    The fact comes first, then a new epoch (a reopening that is on its way finds another control),
    then the marks. Tombstones stay: without them deleted records would come back.
    """
    standing = sides.standing(scope)
    if standing.state.name != "complete" or expired_epoch(sides, standing) is not None:
        return False
    known = manifest(sides, scope) or keep_manifest(sides, scope)
    if time.time() - known["archived_at"] < retention_seconds:
        return False
    target = standing.held(Side.TARGET)
    ledger = sides.adapter(Side.TARGET).ledger
    after = attrs.evolve(target, epoch=target.epoch + 1)
    fact = {"migration": target.migration, "epoch": after.epoch, "expired_at": time.time()}
    ledger.set_fact(expired_name(scope), fact)
    sides.turn(Side.TARGET, scope, target, after)
    for entity in sides.governed(scope):
        while marks := ledger.marks(entity.name, _MARKS_AT_ONCE):
            ledger.clear(marks)
    return True


def reopen(sides: Sides, scope: str) -> None:
    """Let the archived source follow again; what was written since is carried by its marks."""
    standing = sides.standing(scope)
    target = standing.held(Side.TARGET)
    after = Control(target.epoch + 1, "authority", LIVE.name, target.migration)
    sides.turn(Side.TARGET, scope, target, after)
    recovery.recover(sides, scope)


def finalize(sides: Sides, scope: str) -> int:
    """End the way back: marks, tombstones and versions go, under a new epoch; return it.

    A reopening changes the same control record, so one of the two finds it changed.
    """
    standing = sides.standing(scope)
    require_complete(standing)
    target = standing.held(Side.TARGET)
    after = target
    if standing.state.name != "final":
        after = Control(target.epoch + 1, "authority", OFF.name, "")
        sides.turn(Side.TARGET, scope, target, after, purge=True)
    sides.adapter(Side.TARGET).ledger.set_fact(expired_name(scope), None)
    return after.epoch


def require_complete(standing: Standing) -> None:
    """Raise ``GateError`` where there is nothing yet that could be finalized."""
    if standing.state.name not in ("complete", "final"):
        raise GateError(
            f"only phase {COMPLETE.name} can be finalized, and this is {standing.phase.name}: "
            f"{standing.state.means}",
            gate="phase",
            missing=(COMPLETE.name,),
            next_step=f"fluxstore phase set {COMPLETE.name}",
        )
