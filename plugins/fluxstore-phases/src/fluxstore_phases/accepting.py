"""Records that stay behind by name: quarantined, looked at, and accepted one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from fluxstore.entity import Entity
from fluxstore.errors import UsageError, shortened
from fluxstore.records import Rejected
from fluxstore_phases.phases import Side
from fluxstore_phases.sides import BOTH, Sides
from fluxstore_phases.standing import Standing


def left_behind(sides: Sides, standing: Standing, entity: Entity) -> Iterator[Rejected]:
    """Yield what is in quarantine of *entity* at either side and was not accepted as it is."""
    known = accepted(sides, standing, entity)
    for side in BOTH:
        for one in sides.adapter(side).ledger.quarantine(entity.name):
            if known.get(_name(one)) != _why(one):
                yield one


def is_accepted(sides: Sides, standing: Standing, rejected: Rejected) -> bool:
    """Tell whether it was accepted that this record stays behind, for this reason."""
    entity = sides.entities[rejected.problem.entity]
    return accepted(sides, standing, entity).get(_name(rejected)) == _why(rejected)


def accept(sides: Sides, standing: Standing, entity: Entity, key: str) -> Rejected:
    """Accept that the record *key* stays behind, for the reason that it has now; return it.

    Its bytes stay at the source. Another reason, another migration: it must be accepted anew.
    ``UsageError`` where no such record is in quarantine.
    """
    found = [
        one
        for side in BOTH
        for one in sides.adapter(side).ledger.quarantine(entity.name)
        if _name(one) == key
    ]
    if not found:
        raise UsageError(
            f"{entity.name} {shortened(key)} is not in quarantine",
            next_step="see `fluxstore phase show` for what is",
        )
    known = dict(accepted(sides, standing, entity)) | {key: _why(found[0])}
    fact = {"migration": standing.migration, "accepted_at": time.time(), "keys": known}
    sides.adapter(Side.TARGET).ledger.set_fact(_fact(entity), fact)
    return found[0]


def accepted(sides: Sides, standing: Standing, entity: Entity) -> Mapping[str, Any]:
    """Return what may stay behind of *entity*: keys, or files, and the reasons."""
    fact = sides.adapter(Side.TARGET).ledger.fact(_fact(entity))
    if not fact or fact["migration"] != standing.migration:
        return {}
    return dict(fact["keys"])


def _fact(entity: Entity) -> str:
    return f"accepted:{entity.name}"


def _name(rejected: Rejected) -> str:
    """Return what the record is called: its key, or its file where all of that is refused."""
    return rejected.problem.key or rejected.problem.file


def _why(rejected: Rejected) -> list[str]:
    problem = rejected.problem
    return [problem.reason.value, problem.field, problem.expected]
