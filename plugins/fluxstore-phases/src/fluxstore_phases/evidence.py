"""What a backfill and a validation leave in the ledgers, and whether it counts now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from fluxstore.entity import Entity
from fluxstore_phases.sides import BOTH, Sides
from fluxstore_phases.standing import Standing

BACKFILL, VALIDATION = "backfill", "validation"


def unfilled(sides: Sides, standing: Standing, entities: Sequence[Entity]) -> Iterator[str]:
    """Yield words for each entity that no backfill of this migration has brought over."""
    for entity in entities:
        found = _found(sides, BACKFILL, entity)
        if found.get("migration") != standing.migration or not found.get("done"):
            yield f"{entity.name} was not backfilled in this migration"


def unvalidated(
    sides: Sides, standing: Standing, entities: Sequence[Entity], *, max_age_seconds: float
) -> Iterator[str]:
    """Yield words for each entity without a validation of this epoch that is fresh."""
    for entity in entities:
        found = _found(sides, VALIDATION, entity)
        age = time.time() - found.get("at", 0)
        if not found:
            yield f"{entity.name} was never validated"
        elif found.get("epoch") != standing.epoch:
            yield (
                f"{entity.name} was validated in epoch {found.get('epoch')}, and this is epoch "
                f"{standing.epoch}"
            )
        elif age > max_age_seconds:
            yield f"{entity.name} was validated {age / 60:,.0f} min ago"
        elif not found.get("equal"):
            yield f"{entity.name} was different when it was validated"


def _found(sides: Sides, name: str, entity: Entity) -> dict[str, Any]:
    for side in reversed(BOTH):
        facts = sides.adapter(side).ledger.fact(name) or {}
        if entity.name in facts:
            return dict(facts[entity.name])
    return {}
