"""What a backfill and a validation have left in the authority's ledger, and whether it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fluxstore.cli.render import duration
from fluxstore.entity import Entity
from fluxstore.migration import facts
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import Standing


def found(sides: Sides, standing: Standing, name: str) -> dict[str, Any]:
    """Return what the fact *name* says of this migration's entities; empty where it says none."""
    ledger = sides.adapter(standing.holder).ledger
    return dict(facts.of_migration(ledger, name, standing.migration).get("entities", {}))


def unfilled(
    sides: Sides, standing: Standing, entities: Sequence[Entity], *, since_epoch: int = 0
) -> Iterator[str]:
    """Yield words for each entity that no backfill of this migration has brought over."""
    known = found(sides, standing, facts.BACKFILL)
    for entity in entities:
        if known.get(entity.name, {}).get("epoch", -1) < since_epoch:
            yield f"{entity.name} was not backfilled in this migration"


def unvalidated(
    sides: Sides, standing: Standing, entities: Sequence[Entity], *, max_age_seconds: float
) -> Iterator[str]:
    """Yield words for each entity without a validation of this epoch that is fresh and clean."""
    known = found(sides, standing, facts.VALIDATION)
    for entity in entities:
        fact = known.get(entity.name)
        problem = (
            "was not validated in this migration"
            if fact is None
            else _problem(fact, standing.epoch, max_age_seconds)
        )
        if problem:
            yield f"{entity.name} {problem}"


def _problem(fact: dict[str, Any], epoch: int, max_age_seconds: float) -> str:
    """Return why a validation does not count, or an empty string."""
    age = facts.age_seconds(fact)
    if fact["epoch"] != epoch:
        return f"was validated in epoch {fact['epoch']}, and this is epoch {epoch}"
    if fact["refused"]:
        return "could not be compared at all"
    if fact["differences"]:
        return f"had {fact['differences']:,} differences when it was validated"
    if age > max_age_seconds:
        return f"was validated {duration(age)} ago, {duration(max_age_seconds)} at most expected"
    return ""
