"""Other clocks for single processes, by libfaketime."""

from __future__ import annotations

from pathlib import Path

AHEAD, BEHIND = "+400d", "-400d"
_PLACES = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def why_not() -> str:
    """Return why no process can be given another clock here, or an empty text."""
    return "" if _library() else "needs libfaketime"


def other(**settings: str) -> dict[str, str]:
    """Return the environment of a process with another clock; what it measures stays right."""
    return {"LD_PRELOAD": _library(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", **settings}


def _library() -> str:
    return next((str(found) for found in Path("/").glob(_PLACES.lstrip("/"))), "")
