"""Every mechanism that can be taken away: ``python tests/faults/remove.py``."""

from harness.removal import Removal

from removals import core, json_sidecar, phases, postgres, sqlite

REMOVALS: tuple[Removal, ...] = (
    *core.REMOVALS,
    *json_sidecar.REMOVALS,
    *sqlite.REMOVALS,
    *postgres.REMOVALS,
    *phases.REMOVALS,
)
