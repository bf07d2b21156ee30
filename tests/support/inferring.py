"""What ``init`` makes of a folder that a test writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fluxstore.inference import infer_folder


def write(folder: Path, **files: Any) -> Path:
    for name, value in files.items():
        text = value if isinstance(value, str) else json.dumps(value)
        (folder / f"{name}.json").write_text(text, "utf-8")
    return folder


def inferred(folder: Path) -> dict[str, Any]:
    return {entity.name: entity for entity in infer_folder(folder).entities}


def field(entity: Any, name: str) -> Any:
    return next(one for one in entity.fields if one.name == name)
