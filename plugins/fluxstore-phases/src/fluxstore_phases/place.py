"""Where an entity's records are read and written now: found from the ledgers, never guessed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import attrs

from fluxstore.adapter import Control, Ledger
from fluxstore.errors import AccessError, FluxstoreError, PhaseOrderError, StalePhaseError
from fluxstore_phases.phases import OFF, PHASES, Phase, Side, phase_of
from fluxstore_phases.standing import ALL, told

log = logging.getLogger("fluxstore.phases")

Ask = Callable[[Side], Control | None]
"""Returns what one side's ledger says of an entity."""

BEGINNING = Control(1, "authority", OFF.name, migration="")
"""What the source's ledger says before anything has been moved."""
_ANSWERS = ("authority", "sealed")
_PATIENCE_SECONDS, _PAUSE_SECONDS = 5.0, 0.02


@attrs.frozen
class Place:
    """The side that answers for an entity, and what its ledger said when that was asked."""

    side: Side
    control: Control

    @property
    def phase(self) -> Phase:
        """The phase; after finalizing, ``complete``. ``PhaseOrderError`` for one not known here."""
        try:
            found = phase_of(self.control.phase)
        except ValueError as error:
            raise PhaseOrderError(
                f"the ledger says phase {self.control.phase}, which this release does not run",
                next_step="install the release of fluxstore-phases that wrote it",
            ) from error
        return PHASES[-1] if found is OFF and self.side is Side.TARGET else found

    @property
    def follower(self) -> Side | None:
        """The side that writes are carried to, where there is one."""
        return self.side.other if len(self.phase.writes) > 1 else None

    @property
    def compared_with(self) -> Side | None:
        """The side that shadow reads look at, where there is one."""
        return self.side.other if self.phase.compared_with is not None else None


def locate(entity: str, ask: Ask) -> Place | None:
    """Return where *entity* is; ``None`` where no ledger says anything yet.

    One side is enough where it says that it answers. A phase change between two questions makes
    answers that do not fit: then both are asked again, ``StalePhaseError`` after some seconds.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            source = ask(Side.SOURCE)
        except FluxstoreError as error:
            return _without_source(ask, error)
        if source is None:
            return _unopened(entity, ask)
        place = _located(source, ask)
        if place is not None:
            return place
        if time.monotonic() > until:
            raise StalePhaseError(
                f"neither side answers: the source's ledger says {source.role} in epoch "
                f"{source.epoch}",
                entity=entity,
                next_step="see `fluxstore status`",
            )
        time.sleep(_PAUSE_SECONDS)


def _located(source: Control, ask: Ask) -> Place | None:
    if source.role in _ANSWERS:
        return Place(Side.SOURCE, source)
    if source.role == "committing":
        return _committing(source, ask)
    target = ask(Side.TARGET)
    if target is not None and target.role in (*_ANSWERS, "committing"):
        return Place(Side.TARGET, target)
    return None


def _committing(source: Control, ask: Ask) -> Place:
    """The target may have taken over; while it cannot be asked, calls wait at the source."""
    try:
        target = ask(Side.TARGET)
    except FluxstoreError as error:
        log.warning("a cutover waits for the target to be asked: %s", error)
        return Place(Side.SOURCE, source)
    if target is not None and target.role in _ANSWERS:
        return Place(Side.TARGET, target)
    return Place(Side.SOURCE, source)


def _without_source(ask: Ask, error: FluxstoreError) -> Place:
    """Return the target where it says itself that it answers; else raise what the source did."""
    try:
        target = ask(Side.TARGET)
    except FluxstoreError:
        raise error from None
    if target is None or target.role not in _ANSWERS:
        raise error
    log.warning("the source cannot be asked: %s", error)
    return Place(Side.TARGET, target)


def _unopened(entity: str, ask: Ask) -> Place | None:
    """Nothing at the source: the beginning, or a source put aside after its migration."""
    try:
        target = ask(Side.TARGET)
    except FluxstoreError as error:
        log.info("the target cannot be asked, and is not needed yet: %s", error)
        return None
    if target is None:
        return None
    place = Place(Side.TARGET, target)
    if target.role == "authority" and place.follower is None:
        return place
    raise PhaseOrderError(
        f"the source's ledger says nothing, the target's {told(target)}: it was lost, or [policy] "
        "names another source than when the migration began",
        entity=entity,
        next_step="restore the source with its ledger, or correct [policy]",
    )


def begin(entity: str, ledger: Ledger) -> Place | None:
    """Write phase ``off`` into the source's ledger; ``None`` where somebody else wrote first."""
    try:
        made = ledger.set_control(ALL, None, BEGINNING)
    except AccessError as error:
        raise AccessError(
            f"the policy keeps its phase beside the source's records, and may not: {error.problem}",
            next_step="`fluxstore doctor` prints the SQL for an administrator",
            statements=error.statements,
        ) from error
    if not made:
        return None
    log.info("phase off is written down (first open under the policy, %s)", entity)
    return Place(Side.SOURCE, BEGINNING)
