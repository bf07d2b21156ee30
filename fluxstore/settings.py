"""Values that settings of adapters and policies are made of."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|min|h|d)\Z", re.ASCII)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Secret:
    """A text that is never shown: ``repr``, ``str`` and pickles of reports hold ``***``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Hold *text*."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the driver that needs it."""
        return self._text

    def __repr__(self) -> str:
        """Return ``Secret('***')``."""
        return "Secret('***')"

    def __str__(self) -> str:
        """Return ``***``."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Compare by text."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash by text."""
        return hash((Secret, self._text))


def duration(value: Any) -> timedelta:
    """Return a duration from ``"250ms"``, ``"30s"``, ``"5m"``, ``"1h"`` or a number of seconds.

    ``ValueError`` for anything else: NaN, infinities and negative values included.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str) and (found := _DURATION.match(value.strip())):
        seconds = float(found[1]) * _SECONDS[found[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        raise ValueError('a duration like "30s" or "250ms" expected')
    if not 0 <= seconds <= 366 * 86400:
        raise ValueError("a duration between 0 and a year expected")
    return timedelta(seconds=seconds)
