"""The phases of a migration as rows of a table: what is read, compared and written in each.

A row says it all; code looks up and composes, and asks no phase by name.
"""

from __future__ import annotations

from enum import Enum

import attrs


class Side(Enum):
    """One of the two backends of a migration, fixed for all of it."""

    SOURCE = "source"
    TARGET = "target"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.TARGET if self is Side.SOURCE else Side.SOURCE


class Role(Enum):
    """What a side's control record says in a phase."""

    AUTHORITY = "authority"
    FOLLOWER = "follower"
    ARCHIVED = "archived"


@attrs.frozen
class Phase:
    """One row: reads go to one side, writes to the sides in order, the authority first."""

    number: int
    name: str
    reads: Side
    compared_with: Side | None
    writes: tuple[Side, ...]
    source_role: Role
    target_role: Role | None


_SOURCE, _TARGET = Side.SOURCE, Side.TARGET
_BOTH, _BACK = (_SOURCE, _TARGET), (_TARGET, _SOURCE)
_AUTHORITY, _FOLLOWER, _ARCHIVED = Role.AUTHORITY, Role.FOLLOWER, Role.ARCHIVED

PHASES: tuple[Phase, ...] = (
    Phase(0, "off", _SOURCE, None, (_SOURCE,), _AUTHORITY, None),
    Phase(1, "dual_write", _SOURCE, None, _BOTH, _AUTHORITY, _FOLLOWER),
    Phase(2, "backfill", _SOURCE, None, _BOTH, _AUTHORITY, _FOLLOWER),
    Phase(3, "shadow", _SOURCE, _TARGET, _BOTH, _AUTHORITY, _FOLLOWER),
    Phase(4, "live", _TARGET, _SOURCE, _BACK, _FOLLOWER, _AUTHORITY),
    Phase(5, "complete", _TARGET, None, (_TARGET,), _ARCHIVED, _AUTHORITY),
)
OFF = PHASES[0]


def phase_of(named: str | int) -> Phase:
    """Return the phase of a name (``"dual_write"``) or number; ``ValueError`` lists them."""
    for phase in PHASES:
        if named == phase.name or (type(named) is int and named == phase.number):
            return phase
        if isinstance(named, str) and named.isascii() and named == str(phase.number):
            return phase
    known = ", ".join(f"{phase.number} {phase.name}" for phase in PHASES)
    raise ValueError(f"no phase {named!r}; the phases are {known}")
