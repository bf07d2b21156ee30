"""Routes: a phase's row, turned into callables over the backends of one entity."""

from __future__ import annotations

from fluxstore.calls import Backends, Read, Write
from fluxstore.errors import PhaseOrderError
from fluxstore.routing import read_from, write_to
from fluxstore_phases.phases import OFF, Phase, Side, phase_of
from fluxstore_phases.settings import Settings


def actual_phase(entity: str, collections: Backends, settings: Settings) -> Phase:
    """Return the phase that the source's ledger holds: ``off`` where it holds none.

    ``PhaseOrderError`` for a phase that this release does not carry out: nothing is guessed.
    """
    control = collections.adapter(settings.source).ledger.control(entity)
    phase = OFF if control is None else phase_of(control.phase)
    if phase.target_role is None:
        return phase
    raise PhaseOrderError(
        f"its ledger says phase {phase.name}, which this release of fluxstore-phases does not run",
        entity=entity,
        next_step="install the release that made it",
    )


def backend_of(side: Side, settings: Settings) -> str:
    """Return the name of the backend on one side."""
    return settings.source if side is Side.SOURCE else settings.target or settings.source


def bind_read(phase: Phase, collections: Backends, settings: Settings) -> Read:
    """Return the reads of a phase."""
    return read_from(collections[backend_of(phase.reads, settings)])


def bind_write(phase: Phase, collections: Backends, settings: Settings) -> Write:
    """Return the writes of a phase: the authority's."""
    return write_to(collections, backend_of(phase.writes[0], settings))
