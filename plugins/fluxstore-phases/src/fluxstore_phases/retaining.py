"""The end of phase 5's marks: dropped beside an application once they were kept for long enough."""

from __future__ import annotations

import logging
from datetime import timedelta

from fluxstore.errors import FluxstoreError
from fluxstore_phases import completing
from fluxstore_phases.attendant import Attendant
from fluxstore_phases.phases import PHASES
from fluxstore_phases.sides import Sides

log = logging.getLogger("fluxstore.phases")

LOOKS_SECONDS = 600.0


class Retaining(Attendant):
    """Looks every ten minutes whether marks of phase ``complete`` are older than their retention.

    The way back stays open: it begins with a backfill then, for deletes are still known.
    """

    def __init__(self, sides: Sides, retention: timedelta) -> None:
        """Keep marks for *retention*."""
        self._sides, self._retention = sides, retention
        super().__init__("fluxstore-retention")

    def turn(self) -> float:
        """Look once."""
        try:
            self._expire()
        except FluxstoreError as error:
            log.info("marks of phase %s are kept on: %s", PHASES[-1].name, error)
        return LOOKS_SECONDS

    def _expire(self) -> None:
        with self._sides.leased():
            for scope in self._sides.scopes():
                if completing.expire(self._sides, scope, self._retention.total_seconds()):
                    log.warning(
                        "%s: the marks that lead back were kept for %s and are dropped; going back "
                        "begins with a backfill now",
                        scope,
                        self._retention,
                    )
