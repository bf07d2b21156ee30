"""What shadow reads have found to differ: told once a record, and kept for ``status``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from fluxstore.adapter import Ledger
from fluxstore.calls import Reports
from fluxstore.entity import Entity
from fluxstore.errors import printable
from fluxstore_phases.phases import Side

log = logging.getLogger("fluxstore.phases")

FACT = "shadow"
"""The ledger's fact of the authority: ``{"count": …, "last": […]}``; no values are in it."""
_LAST = 10
_REMEMBERED = 10_000


@attrs.frozen
class Divergence:
    """A record that differs between the sides; no values."""

    entity: Entity
    key: str
    fields: tuple[str, ...]
    kind: str
    """``missing`` or ``orphan`` (a record of the authority or the follower only), ``ahead``,
    ``diverged``."""


class Divergences:
    """Found by this process; each record is told once, and counted once."""

    def __init__(self, reports: Reports | None) -> None:
        """Tell *reports*."""
        self._reports = reports
        self._known: dict[tuple[str, str], tuple[str, ...]] = {}
        self._unkept: dict[Side, list[dict[str, Any]]] = {}

    def add(self, found: Divergence, authority: Side) -> None:
        """Tell of a record, unless it was told already."""
        place = found.entity.name, found.key
        if self._known.get(place) == found.fields:
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[place] = found.fields
        log.warning(
            "%s %s differs between the sides: %s",
            found.entity.name,
            printable(found.key),
            ", ".join(found.fields) or found.kind,
        )
        self._unkept.setdefault(authority, []).append(_described(found))
        self._report(found)

    def _report(self, found: Divergence) -> None:
        if self._reports is None:
            return
        try:
            self._reports.diverged(found.entity, found.key, found.fields)
        except Exception:
            log.exception("a plugin failed to hear of a divergence of %s", found.entity.name)

    def keep(self, ledger: Callable[[Side], Ledger]) -> None:
        """Write down what was found since the last time, in the authority's ledger."""
        for side in list(self._unkept):
            kept, found = ledger(side).fact(FACT) or {}, self._unkept[side]
            last = [*kept.get("last", []), *found][-_LAST:]
            ledger(side).set_fact(FACT, {"count": kept.get("count", 0) + len(found), "last": last})
            del self._unkept[side]


def _described(found: Divergence) -> dict[str, Any]:
    return {
        "entity": found.entity.name,
        "key": found.key,
        "fields": list(found.fields),
        "kind": found.kind,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
