"""What control lets pass: an application's writes and reads, and what another backend brings."""

from __future__ import annotations

from fluxstore.adapter import Control
from fluxstore.errors import SealedError, StalePhaseError

_WAITS = ("sealed", "committing")


def let_write(control: Control | None, entity: str) -> None:
    """Let an application's write pass where this backend is the authority, or alone."""
    if control is None or control.role == "authority":
        return
    if control.role in _WAITS:
        raise SealedError("writes wait for a cutover to end", entity=entity)
    raise _stale(control, entity, "write to the authority")


def let_read(role: str | None, entity: str) -> None:
    """Let an application's read pass where a backend of this role answers: sealed, it still does.

    Raises as the contract's ``Collection.governed``.
    """
    if role in (None, "authority", "sealed"):
        return
    if role == "committing":
        raise SealedError("which side answers is being decided", entity=entity)
    raise StalePhaseError(
        f"this backend is {role}",
        entity=entity,
        next_step="read the phase again and ask the authority",
    )


def let_follow(control: Control | None, entity: str, epoch: int | None) -> None:
    """Let what the authority brings pass: to a follower only, and in *epoch* where it is given."""
    if control is None and epoch is None:
        return
    if control is None or control.role != "follower" or epoch not in (None, control.epoch):
        wanted = "a follower" if epoch is None else f"a follower in epoch {epoch}"
        raise _stale(control, entity, f"{wanted} was expected")


def let_merge(control: Control | None, entity: str) -> None:
    """Let an offline copy pass: to a follower, or where no migration is under way."""
    if control is not None and control.role != "follower" and control.phase != "off":
        raise _stale(control, entity, "bring its phase back to off before an offline copy")


def _stale(control: Control | None, entity: str, next_step: str) -> StalePhaseError:
    found = "without control"
    if control is not None:
        found = f"{control.role} since epoch {control.epoch}"
    return StalePhaseError(
        f"this backend is {found}",
        entity=entity,
        next_step=f"read the phase again; {next_step}",
    )
