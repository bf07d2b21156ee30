"""Waiting for a backend that is away for a moment: a connection is lost, a server starts again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import attrs

from fluxstore.errors import BackendUnavailableError, OutcomeUnknown
from fluxstore.migration.progress import Stopped

T = TypeVar("T")
PATIENCE_SECONDS = 30.0
"""How long a backend that is away is waited for."""
_PAUSE_SECONDS = 0.5


@attrs.frozen
class Patience:
    """Calls what can be called twice, again and again while a backend is away."""

    stopped: Stopped
    rest: Callable[[float], object] = time.sleep

    def __call__(self, call: Callable[[], T]) -> T:
        """Return what *call* returns; what it raises after too long, and when stopped."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except (BackendUnavailableError, OutcomeUnknown):
                if time.monotonic() > until or self.stopped():
                    raise
                self.rest(_PAUSE_SECONDS)
