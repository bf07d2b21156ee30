"""Changing one value of the configuration file; comments, order and everything else stay."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from fluxstore.config.reading import read_table
from fluxstore.errors import ConfigError

_PROJECT = ("tool", "fluxstore")


def change(file: Path, keys: Sequence[str], value: str) -> bool:
    """Set the value at *keys* (tables, then the name) of the configuration in *file*.

    Tables that are missing are made. Tells whether anything changed; the file is replaced whole,
    with its mode, and a symbolic link stays one. ``ConfigError`` where it cannot be written.
    """
    if _found(read_table(file), keys) == value:
        return False
    place = file.resolve()
    inside = (*_PROJECT, *keys) if file.name == "pyproject.toml" else tuple(keys)
    try:
        document = tomlkit.parse(place.read_bytes().decode("utf-8"))
        _set(document, inside, value)
        _replace(place, _ended(tomlkit.dumps(document)))
    except (OSError, TOMLKitError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot be changed: {words}",
            file=str(file),
            key=".".join(keys),
            next_step=f'write {keys[-1]} = "{value}" there yourself',
        ) from None
    return True


def _found(table: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _set(document: Any, keys: Sequence[str], value: str) -> None:
    table = document
    for key in keys[:-1]:
        if key not in table:
            table[key] = tomlkit.table()
        table = table[key]
    table[keys[-1]] = value


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), path.stat().st_mode & 0o7777)
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
