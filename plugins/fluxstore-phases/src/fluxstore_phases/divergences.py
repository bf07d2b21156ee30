"""What shadow reads have found to differ: told once a record, and kept for ``status``."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs

from fluxstore.adapter import Ledger
from fluxstore.calls import Reports
from fluxstore.entity import Entity
from fluxstore.errors import LeaseError, printable
from fluxstore_phases.phases import Side

log = logging.getLogger("fluxstore.phases")

FACT = "shadow"
"""The authority's fact: ``{"compared": …, "dropped": …, "count": …, "last": […]}``; no values."""
_LAST = 10
_REMEMBERED = 10_000
_BETWEEN_COUNTS_SECONDS = 10.0


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
        self._counts: dict[Side, Counter[str]] = {}
        self._due = 0.0

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

    def counted(self, authority: Side, *, compared: int = 0, dropped: int = 0) -> None:
        """Count reads that were compared with what follows *authority*, or could not be."""
        counts = self._counts.setdefault(authority, Counter())
        counts.update(compared=compared, dropped=dropped)

    def keep(self, ledger: Callable[[Side], Ledger]) -> None:
        """Write down what came since the last time, in the authority's ledger; seldom."""
        for side in list(self._unkept):
            self._kept(ledger(side), side)
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _BETWEEN_COUNTS_SECONDS
            for side in [side for side, counts in self._counts.items() if counts.total()]:
                self._kept(ledger(side), side)

    def _kept(self, ledger: Ledger, side: Side) -> None:
        """Add to the fact; several processes do, one after the other."""
        found, counts = self._unkept.get(side, []), self._counts.get(side, Counter())
        try:
            with ledger.lease(FACT):
                before = ledger.fact(FACT) or {}
                ledger.set_fact(FACT, _added(before, found, counts))
        except LeaseError as error:
            log.debug("what was compared is written down later: %s", error)
            return
        self._unkept.pop(side, None)
        self._counts.pop(side, None)


def _added(
    before: dict[str, Any], found: list[dict[str, Any]], counts: Counter[str]
) -> dict[str, Any]:
    return {
        "compared": before.get("compared", 0) + counts["compared"],
        "dropped": before.get("dropped", 0) + counts["dropped"],
        "count": before.get("count", 0) + len(found),
        "last": [*before.get("last", []), *found][-_LAST:],
    }


def _described(found: Divergence) -> dict[str, Any]:
    return {
        "entity": found.entity.name,
        "key": found.key,
        "fields": list(found.fields),
        "kind": found.kind,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
