"""Where the generator of the demo's data is: inside the wheel, or in a checkout's examples."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from fluxstore.errors import ConfigError

INSIDE = Path(__file__).with_name("studio_data")
CHECKOUT = Path(__file__).parents[2] / "examples" / "flux_studio"


def generate(directory: Path, *, records: int, seed: int) -> dict[str, int]:
    """Write a folder of Flux Studio's files; return how many records of each kind it has."""
    made: Any = _generator().generate(directory, records=records, seed=seed)
    return {kind: count for kind, count in made.counts.items() if count}


def _generator() -> Any:
    for place in (INSIDE, CHECKOUT):
        if (place / "flux_studio" / "generate.py").is_file():
            sys.path.insert(0, str(place))
            try:
                return import_module("flux_studio.generate")
            finally:
                sys.path.remove(str(place))
    raise ConfigError(
        "the generator of the demo's data is missing", next_step="reinstall fluxstore-core"
    )
