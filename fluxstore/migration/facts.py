"""What live commands leave in the authority's ledger, for gates, ``status`` and each other.

================ =====================================================================
fact             holds
================ =====================================================================
``backfill``     what backfills have finished, by entity: epoch, counts, when
``validation``   the last validation: id, epoch, when, and by entity counts and roots, and up to
                 which of the keys that were written it knows
``equal``        the last cutover: by entity epoch, and up to which key both sides were equal
``ctl``          what a running backfill was told by ``fluxstore ctl``
``running``      how far the running backfill is, told about once a second
================ =====================================================================

All are plain JSON. ``migration`` in the first two is the id that control holds: what is of another
migration counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fluxstore.adapter import Ledger
from fluxstore.migration.report import Migrated, MigrationReport, ValidationReport

BACKFILL, VALIDATION, CTL, RUNNING = "backfill", "validation", "ctl", "running"
EQUAL = "equal"


def of_migration(ledger: Ledger, name: str, migration: str) -> dict[str, Any]:
    """Return the fact *name* as far as it is of *migration*; empty where there is none."""
    found = ledger.fact(name)
    if not isinstance(found, dict) or found.get("migration") != migration:
        return {}
    return found


def age_seconds(fact: Mapping[str, Any]) -> float:
    """Return how long ago a fact (or one entity's part of it) was written."""
    return max((datetime.now(UTC) - datetime.fromisoformat(fact["when"])).total_seconds(), 0.0)


def save_backfill(
    ledger: Ledger, report: MigrationReport, *, migration: str, epochs: Mapping[str, int]
) -> None:
    """Keep that the entities of *report* are backfilled; what is known of others stays."""
    known = of_migration(ledger, BACKFILL, migration).get("entities", {})
    when = _now()
    entities = known | {
        one.entity: _backfilled(one, epochs[one.entity], when)
        for one in report.entities
        if one.refused is None
    }
    fact = {"migration": migration, "epoch": max(epochs.values()), "when": when}
    ledger.set_fact(BACKFILL, fact | {"entities": entities})


def _backfilled(one: Migrated, epoch: int, when: str) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "when": when,
        "read": one.read,
        "written": one.written,
        "unchanged": one.unchanged,
        "quarantined": one.quarantined,
        "extra": one.extra - one.deleted,
    }


def save_validation(
    ledger: Ledger,
    report: ValidationReport,
    *,
    migration: str,
    epochs: Mapping[str, int],
    touched: Mapping[str, int],
) -> str:
    """Keep what a validation found; return its id. What is known of other entities stays.

    *touched* is how far each entity's keys were written when it began (``Ledger.last_touch``).
    """
    known = of_migration(ledger, VALIDATION, migration).get("entities", {})
    own = {"id": uuid4().hex, "when": _now()}
    entities = known | {
        one.entity: {
            **own,
            "epoch": epochs[one.entity],
            "equal": one.equal,
            "differences": one.differences,
            "lagging": one.lagging,
            "quarantined": one.quarantined,
            "union": one.union,
            "root": one.source_root,
            "refused": one.refused is not None,
            "touched": 0 if one.lagging else touched.get(one.entity, 0),
        }
        for one in report.entities
    }
    fact = {"migration": migration, "epoch": max(epochs.values()), "accuracy": report.accuracy}
    ledger.set_fact(VALIDATION, own | fact | {"entities": entities})
    return own["id"]


def save_equal(ledger: Ledger, touched: Mapping[str, int], *, migration: str, epoch: int) -> None:
    """Keep up to which key both sides are equal as *epoch* begins; what is of others stays."""
    known = of_migration(ledger, EQUAL, migration).get("entities", {})
    own = {name: {"epoch": epoch, "touched": number} for name, number in touched.items()}
    ledger.set_fact(EQUAL, {"migration": migration, "entities": known | own})


def known_equal(ledger: Ledger, entity: str, *, migration: str, epoch: int) -> int:
    """Return up to which key of *entity* both sides were found equal in *epoch*, 0 where none."""
    found = [of_migration(ledger, name, migration) for name in (VALIDATION, EQUAL)]
    parts = [one.get("entities", {}).get(entity, {}) for one in found]
    return max(part.get("touched", 0) if part.get("epoch") == epoch else 0 for part in parts)


def _now() -> str:
    return datetime.now(UTC).isoformat()
