"""Where a migration stands: both sides' controls, read and looked up in a table.

The ledgers are the only truth about the phase. Every pair of controls that a step of a phase
change can leave, whoever died where, is a row of ``STATES``; what is no row is not guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from fluxstore.adapter import Control
from fluxstore.errors import PhaseOrderError
from fluxstore_phases.phases import OFF, PHASES, Phase, Side, phase_of

ALL = "*"
"""The scope of every entity that has no control record of its own."""

Pair = tuple[Control | None, Control | None]


@attrs.frozen
class State:
    """One row: what the two controls look like, and what that means.

    ``holder`` is the side whose records count (``None``: either); ``roles`` are those that the
    holder may have, and ``others`` those of the other side (``None``: no control). ``apart`` bounds
    the other side's epoch less the holder's.
    """

    name: str
    holder: Side | None
    roles: frozenset[str | None]
    phases: frozenset[str]
    others: frozenset[str | None]
    apart: tuple[int, int]
    means: str
    other_phases: frozenset[str] | None = None
    """What the other side's control may say; ``None``: anything."""
    done: bool = True
    """Whether nothing is left for whoever comes next."""


_ANY = 1 << 62
_EARLY = frozenset({"dual_write", "backfill", "shadow"})
_DUAL = _EARLY | {"live"}
_MIGRATING = _DUAL | {"complete"}
_LIVE, _COMPLETE, _OFF, _NOTHING = map(frozenset, (("live",), ("complete",), (OFF.name,), ("",)))


def _roles(*names: str | None) -> frozenset[str | None]:
    return frozenset(names)


_AUTHORITY, _FOLLOWER = _roles("authority"), _roles("follower")
_SOURCE, _TARGET = Side.SOURCE, Side.TARGET

STATES: tuple[State, ...] = (
    State(
        "fresh",
        _SOURCE,
        _roles(None),
        _NOTHING,
        _roles(None),
        (-_ANY, _ANY),
        "nothing was opened under the policy yet",
    ),
    State(
        "off",
        _SOURCE,
        _AUTHORITY,
        _OFF,
        _roles(None, "archived"),
        (-_ANY, _ANY),
        "the source answers alone",
    ),
    State(
        "off",
        _SOURCE,
        _AUTHORITY,
        _OFF,
        _FOLLOWER,
        (-_ANY, _ANY),
        "the source answers alone",
        other_phases=_OFF,
    ),
    State(
        "entering",
        _SOURCE,
        _AUTHORITY,
        _OFF,
        _FOLLOWER,
        (1, 1),
        "the target follows already, the source is not in dual write yet",
        other_phases=_EARLY,
        done=False,
    ),
    State(
        "leaving",
        _SOURCE,
        _AUTHORITY,
        _OFF,
        _FOLLOWER,
        (-_ANY, 0),
        "the source is back in phase off, the target still follows",
        other_phases=_DUAL,
        done=False,
    ),
    State(
        "settled",
        _SOURCE,
        _AUTHORITY,
        _EARLY,
        _FOLLOWER,
        (0, 0),
        "source and target are at one epoch",
        other_phases=_DUAL,
    ),
    State(
        "settled",
        _TARGET,
        _AUTHORITY,
        _LIVE,
        _FOLLOWER,
        (0, 0),
        "source and target are at one epoch",
        other_phases=_MIGRATING,
    ),
    State(
        "behind",
        _SOURCE,
        _AUTHORITY,
        _EARLY,
        _FOLLOWER,
        (-_ANY, -1),
        "the target has not caught up with the source's epoch",
        other_phases=_DUAL,
        done=False,
    ),
    State(
        "behind",
        _TARGET,
        _AUTHORITY,
        _LIVE,
        _FOLLOWER,
        (-_ANY, -1),
        "the source has not caught up with the target's epoch",
        other_phases=_MIGRATING,
        done=False,
    ),
    State(
        "sealed",
        None,
        _roles("sealed"),
        _DUAL,
        _FOLLOWER,
        (-_ANY, -1),
        "writes wait: a cutover drains",
        done=False,
    ),
    State(
        "committing",
        None,
        _roles("committing"),
        _DUAL,
        _FOLLOWER,
        (-_ANY, -1),
        "writes wait: the other side is asked to take over",
        done=False,
    ),
    State(
        "giving back",
        None,
        _roles("committing"),
        _DUAL,
        _FOLLOWER,
        (1, 1),
        "writes wait: the other side was moved out of reach of a late take-over",
        done=False,
    ),
    State(
        "taken over",
        None,
        _AUTHORITY,
        _DUAL,
        _roles("sealed", "committing"),
        (0, 0),
        "the new authority answers, the old one does not follow yet",
        done=False,
    ),
    State(
        "completing",
        _TARGET,
        _AUTHORITY,
        _COMPLETE,
        _FOLLOWER,
        (-_ANY, -1),
        "the target answers alone, the source is not archived yet",
        done=False,
    ),
    State(
        "complete",
        _TARGET,
        _AUTHORITY,
        _COMPLETE,
        _roles("archived"),
        (-_ANY, 0),
        "the target answers alone, the source is archived",
    ),
    State(
        "reopening",
        _TARGET,
        _AUTHORITY,
        _LIVE,
        _roles("archived"),
        (-_ANY, -1),
        "the target is live again, the source does not follow yet",
        done=False,
    ),
    State(
        "final",
        _TARGET,
        _AUTHORITY,
        _OFF,
        _roles("archived", None),
        (-_ANY, 0),
        "the way back has ended: the target answers alone for good",
    ),
    State(
        "given up",
        _SOURCE,
        _AUTHORITY,
        _OFF,
        _roles("authority", "sealed", "committing"),
        (-_ANY, -1),
        "the target was given up, and still holds itself for the authority",
        other_phases=_MIGRATING,
        done=False,
    ),
)


@attrs.frozen
class Standing:
    """The controls of one scope (an entity, or ``*``) at both sides, as they were read."""

    scope: str
    source: Control | None
    target: Control | None

    def control(self, side: Side) -> Control | None:
        """Return the control of one side."""
        return self.source if side is Side.SOURCE else self.target

    def held(self, side: Side) -> Control:
        """Return the control of a side that has one."""
        found = self.control(side)
        if found is None:
            raise self._unclear()
        return found

    @property
    def state(self) -> State:
        """The row that this is; ``PhaseOrderError`` where it is none."""
        return self._found()[0]

    @property
    def holder(self) -> Side:
        """The side whose records count: the authority, or what is sealed or committing."""
        return self._found()[1]

    @property
    def epoch(self) -> int:
        """The epoch of the side whose records count; 0 before there is control."""
        found = self.control(self.holder)
        return found.epoch if found is not None else 0

    @property
    def migration(self) -> str:
        """The id of the migration; empty in phase ``off``."""
        found = self.control(self.holder)
        return found.migration if found is not None else ""

    @property
    def phase(self) -> Phase:
        """The phase; while a cutover is under way the one that it leaves, finalized: complete."""
        state, holder = self._found()
        if state.name == "final":
            return PHASES[-1]
        found = self.control(holder)
        return OFF if found is None else phase_of(found.phase)

    def _found(self) -> tuple[State, Side]:
        for state in STATES:
            for side in (Side.SOURCE, Side.TARGET):
                if state.holder in (None, side) and _fits(state, self._pair(side)):
                    return state, side
        raise self._unclear()

    def _pair(self, holder: Side) -> Pair:
        pair = (self.source, self.target)
        return pair if holder is Side.SOURCE else (pair[1], pair[0])

    def _unclear(self) -> PhaseOrderError:
        return PhaseOrderError(
            f"the source's ledger says {told(self.source)}, the target's {told(self.target)}: "
            "no step of a phase change leaves that",
            entity="" if self.scope == ALL else self.scope,
            next_step="see that [policy] names source and target as when the migration began, and "
            "that neither ledger was restored from a backup",
        )


def _fits(state: State, pair: Pair) -> bool:
    holder, other = pair
    role, phase = (holder.role, holder.phase) if holder is not None else (None, "")
    other_role, other_phase = (other.role, other.phase) if other is not None else (None, "")
    if role not in state.roles or phase not in state.phases or other_role not in state.others:
        return False
    if state.other_phases is not None and other is not None:
        return other_phase in state.other_phases and _near(state, pair)
    return _near(state, pair)


def _near(state: State, pair: Pair) -> bool:
    holder, other = pair
    if holder is None or other is None:
        return True
    lowest, highest = state.apart
    return lowest <= other.epoch - holder.epoch <= highest


def told(control: Control | None) -> str:
    """Return a control in words: ``authority in epoch 3 (dual_write)``, or ``nothing``."""
    if control is None:
        return "nothing"
    return f"{control.role} in epoch {control.epoch} ({control.phase})"


def scopes(*controls: Mapping[str, Control]) -> Sequence[str]:
    """Return the scopes that there are: ``*``, then each entity with a record of its own."""
    return [ALL, *sorted({name for each in controls for name in each} - {ALL})]
