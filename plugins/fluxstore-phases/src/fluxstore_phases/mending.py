"""Mending: a phase change that somebody began and nobody ends is ended by who waits for it."""

from __future__ import annotations

import logging
import time

from fluxstore.errors import BackendError, GateError, LeaseError
from fluxstore_phases import recovery
from fluxstore_phases.phases import Side
from fluxstore_phases.sides import BOTH, Sides

log = logging.getLogger("fluxstore.phases")

PATIENCE_SECONDS = 2.0
"""How long a change may be under way before it is asked whether anybody still makes it."""


class Mender:
    """Knows since when a change has been under way.

    Whoever makes a change holds its lease. A free one, seconds after the change began, says that
    its maker is gone.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._since: float | None = None

    def look(self, sides: Sides, *, sealed: bool, doubtful: bool) -> bool:
        """Tell whether a change is under way, and end one that was abandoned.

        *sealed* says that writes wait; where they do not, but something is *doubtful*, both sides
        are asked.
        """
        if not sealed and not (doubtful and _is_unfinished(sides)):
            self._since = None
            return False
        now = time.monotonic()
        self._since = self._since if self._since is not None else now
        if now - self._since >= PATIENCE_SECONDS:
            self._since = now
            _mend(sides)
        return True


def _is_unfinished(sides: Sides) -> bool:
    try:
        return not all(sides.standing(scope).state.done for scope in sides.scopes())
    except BackendError as error:
        log.debug("a side is away, and catches up once it can be asked: %s", error)
        return False


def _mend(sides: Sides) -> None:
    try:
        with sides.leased():
            found = recovery.recover_all(sides)
    except (LeaseError, GateError) as error:
        log.debug("somebody else changes the phase: %s", error)
    except BackendError as error:
        log.warning("a phase change waits for a backend: %s", error)
        for side in BOTH:
            _unseal(sides, side)
    else:
        if found:
            log.warning("a phase change was left unfinished; mended: %s", ", ".join(found))


def _unseal(sides: Sides, side: Side) -> None:
    """Give a sealed side back to its writers, on its own: the side that is away is not needed."""
    try:
        with sides.leased(side):
            given = [name for name in sides.controls(side) if recovery.unseal(sides, name, side)]
    except (LeaseError, GateError, BackendError) as error:
        log.debug("%s is not unsealed: %s", side.value, error)
        return
    if given:
        log.warning("an abandoned cutover was undone, writes go on (%s)", ", ".join(given))
