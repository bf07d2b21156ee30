"""Whether two folders of JSON files hold equal documents, as the documentation defines equal.

Equal JSON values after parsing: numbers by value, array order counts, the order of an object's
keys does not; missing, null and empty are three things. It shares no code with the product.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def normal(value: Any) -> Any:
    """Return a JSON value with what does not count taken out."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: normal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return value


def _digest(value: Any) -> str:
    text = json.dumps(normal(value), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digests(file: Path) -> dict[str, Any]:
    """Return digests of a file: one of the wrapper, and one for each record in its place."""
    document = json.loads(file.read_bytes())
    if isinstance(document, list):
        return {"": [_digest(item) for item in document]}
    return {
        name: [_digest(item) for item in value] if isinstance(value, list) else _digest(value)
        for name, value in document.items()
    }


def folder_digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the digests of every JSON file of *folder* by name."""
    return {file.name: digests(file) for file in sorted(folder.glob("*.json"))}


def differences(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    """Yield words for each place at which two folders' digests differ."""
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            yield f"{name}: only in one"
            continue
        for array in sorted({*one[name], *other[name]}):
            mine, theirs = one[name].get(array), other[name].get(array)
            if mine != theirs:
                yield f"{name} {array}: {_first(mine, theirs)}"


def _first(mine: Any, theirs: Any) -> str:
    if not isinstance(mine, list) or not isinstance(theirs, list):
        return "differs"
    if len(mine) != len(theirs):
        return f"{len(mine)} and {len(theirs)} items"
    pairs = enumerate(zip(mine, theirs, strict=True))
    return f"item {next(at for at, (one, other) in pairs if one != other)}"


def drop_half(folder: Path) -> int:
    """Remove every second record of every file's first array; return how many."""
    removed = 0
    for file in folder.glob("*.json"):
        document = json.loads(file.read_bytes())
        arrays = [document] if isinstance(document, list) else list(document.values())
        for array in arrays:
            if isinstance(array, list) and len(array) > 1:
                removed += len(array[1::2])
                del array[1::2]
                break
        file.write_text(json.dumps(document), "utf-8")
    return removed
