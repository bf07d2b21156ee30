"""From a TOML file to a table of plain values, its placeholders filled in."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fluxstore.errors import ConfigError

FILE_NAME = "fluxstore.toml"
_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MAX_BYTES = 1024 * 1024


def find_file(start: Path) -> Path:
    """Return the configuration of the folder *start*; ``ConfigError`` where there is none."""
    named = os.environ.get("FLUXSTORE_CONFIG")
    if named:
        return Path(named)
    if (start / FILE_NAME).exists():
        return start / FILE_NAME
    project = start / "pyproject.toml"
    if project.is_file() and "fluxstore" in read_toml(project).get("tool", {}):
        return project
    raise ConfigError(
        f"no {FILE_NAME} and no [tool.fluxstore] in pyproject.toml",
        file=str(start),
        next_step="run `fluxstore init DIR`, or name the file with --config",
    )


def read_table(file: Path) -> dict[str, Any]:
    """Return the table that configures fluxstore in *file*."""
    table = read_toml(file)
    if file.name != "pyproject.toml":
        return table
    found = table.get("tool", {}).get("fluxstore")
    if not isinstance(found, dict):
        raise ConfigError("there is no [tool.fluxstore] table", file=str(file))
    return found


def read_toml(file: Path) -> dict[str, Any]:
    """Return the TOML of *file*; ``ConfigError`` for what is no TOML file, in one line."""
    data = _read_bytes(file)
    if data.startswith(b"\xef\xbb\xbf"):
        raise ConfigError(
            "starts with a BOM", file=str(file), next_step="save it as UTF-8 without BOM"
        )
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1:,}"
        raise ConfigError(f"is not UTF-8 at {where}", file=str(file)) from None
    except RecursionError:
        raise ConfigError("is nested too deeply", file=str(file)) from None
    except ValueError as error:  # TOMLDecodeError, and int() of thousands of digits
        raise ConfigError(f"is no TOML: {error}", file=str(file)) from None


def _read_bytes(file: Path) -> bytes:
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError("is not a regular file", file=str(file))
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "run `fluxstore init DIR`, or name the file with --config"
        raise ConfigError("there is no such file", file=str(file), next_step=hint) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from None
    if len(data) > _MAX_BYTES:
        raise ConfigError("is larger than 1 MiB", file=str(file))
    return data


def filled(value: Any, file: Path, key: str = "") -> Any:
    """Return *value* with ``${NAME}``, ``${NAME:-default}`` and ``${file:/path}`` filled in."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _fill(found[1], file, key), value)
    if isinstance(value, Mapping):
        return {
            name: filled(item, file, f"{key}.{name}".strip(".")) for name, item in value.items()
        }
    if isinstance(value, list):
        return [filled(item, file, f"{key}[{at}]") for at, item in enumerate(value)]
    return value


def _fill(inside: str, file: Path, key: str) -> str:
    if inside.startswith("file:"):
        return _secret_file(inside.removeprefix("file:"), file, key)
    name, has_default, default = inside.partition(":-")
    if not _NAME.match(name):
        raise ConfigError("${…} holds the name of an environment variable", file=str(file), key=key)
    found = os.environ.get(name, "")
    if found or (has_default and default):
        return found or default
    if has_default or name in os.environ:
        return ""
    raise ConfigError(
        f"the environment variable {name} is not set",
        file=str(file),
        key=key,
        next_step=f"export {name}=…, or write ${{{name}:-default}}",
    )


def _secret_file(name: str, file: Path, key: str) -> str:
    path = (file.parent / name).expanduser()
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"{path} cannot be read: {words}", file=str(file), key=key) from None
