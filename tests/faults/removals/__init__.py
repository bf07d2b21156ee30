"""Every mechanism that can be taken away: ``python tests/faults/remove.py``."""

import json
from pathlib import Path

from harness.removal import Removal

from removals import core, json_sidecar, phases, postgres, sqlite

REMOVALS: tuple[Removal, ...] = (
    *core.REMOVALS,
    *json_sidecar.REMOVALS,
    *sqlite.REMOVALS,
    *postgres.REMOVALS,
    *phases.REMOVALS,
)
NOTICED = Path(__file__).resolve().parent / "noticed.json"


def noticed() -> dict[str, str]:
    """Return which test noticed each removal when ``remove.py --note`` last tried it."""
    if not NOTICED.exists():
        return {}
    found: dict[str, str] = json.loads(NOTICED.read_text("utf-8"))
    return found
