"""JSON files as a backend of fluxstore: the user's own files, in their own shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxstore.hookspecs import hookimpl


@hookimpl
def fluxstore_register_adapters(register: Callable[[str, Any], None]) -> None:
    """Offer the adapter ``json``, imported when a configuration names it."""
    register("json", "fluxstore_json.adapter:JsonAdapter")
