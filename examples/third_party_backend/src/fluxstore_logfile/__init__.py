"""A log file of JSON lines as a backend of fluxstore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxstore.hookspecs import hookimpl


@hookimpl
def fluxstore_register_adapters(register: Callable[[str, Any], None]) -> None:
    """Offer the adapter ``logfile``; its module is imported when a configuration names it."""
    register("logfile", "fluxstore_logfile.adapter:LogAdapter")
