"""Where Flux Studio is: inside the wheel, or in a checkout's examples."""

from __future__ import annotations

import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from fluxstore.errors import ConfigError

INSIDE = Path(__file__).with_name("studio_data")
CHECKOUT = Path(__file__).parents[2] / "examples" / "flux_studio"
CONFIGURATION = ("entities.py", "entities_business.py", "fluxstore.toml")


def generate(directory: Path, *, records: int, seed: int) -> dict[str, int]:
    """Write a folder of Flux Studio's files; return how many records of each kind it has."""
    made: Any = _generator().generate(directory, records=records, seed=seed)
    return {kind: count for kind, count in made.counts.items() if count}


def configure(folder: Path) -> None:
    """Copy Flux Studio's entities and configuration into *folder*."""
    for name in CONFIGURATION:
        shutil.copy(place() / name, folder)


def place() -> Path:
    """Return the folder that holds Flux Studio's package and configuration."""
    for found in (INSIDE, CHECKOUT):
        if (found / "flux_studio" / "generate.py").is_file():
            return found
    raise ConfigError("Flux Studio is missing", next_step="reinstall fluxstore-core")


def _generator() -> Any:
    found = str(place())
    sys.path.insert(0, found)
    try:
        return import_module("flux_studio.generate")
    finally:
        sys.path.remove(found)
