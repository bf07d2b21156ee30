"""What the TOML says about a SQLite backend: ``[backends.NAME]`` with ``adapter = "sqlite"``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import attrs


def _file(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if not value or "\0" in value:
        raise ValueError("the path of a file expected")
    if value.startswith((":", "file:")):
        raise ValueError("the path of a file expected, not a database in memory or a URI")
    if value.startswith("~"):
        raise ValueError("a path without ~ expected: write it out, or use ${HOME}")


def _name(instance: object, attribute: attrs.Attribute[str | None], value: str | None) -> None:
    if value is not None and (not value or "\0" in value):
        raise ValueError("a name expected")
    if value is not None and value.lower().startswith(("sqlite_", "_fluxstore")):
        raise ValueError("a name that SQLite and fluxstore do not keep for themselves expected")


def _columns(
    instance: object, attribute: attrs.Attribute[dict[str, str]], value: Mapping[str, str]
) -> None:
    if any(not column or "\0" in column for column in value.values()):
        raise ValueError("names of columns expected")


def _positive(instance: object, attribute: attrs.Attribute[timedelta], value: timedelta) -> None:
    if value <= timedelta(0):
        raise ValueError("a duration above 0 expected")


@attrs.frozen
class Settings:
    """One SQLite file as a backend."""

    path: str = attrs.field(validator=_file)
    timeout: timedelta = attrs.field(default=timedelta(seconds=5), validator=_positive)
    """How long a write waits for others, and a read for a lock."""
    journal: Literal["wal", "delete"] = "wal"
    synchronous: Literal["extra", "full", "normal"] = "full"
    """``normal`` may lose the last commits in a power cut; the adapter is then not durable."""
    network_files: bool = False
    """Allow a file on a network file system, where SQLite's locks may not hold."""
    op_retention: timedelta = attrs.field(default=timedelta(hours=1), validator=_positive)
    """For how long a repeated ``op_id`` is recognised."""


@attrs.frozen
class EntitySettings:
    """Where one entity's records are, when not in a table and columns of its own names."""

    table: str | None = attrs.field(default=None, validator=_name)
    columns: dict[str, str] = attrs.field(factory=dict, validator=_columns)
    """Field to column, where their names differ."""
    naive_times: Literal["refuse", "utc"] = "refuse"
    """What a time without an offset is in a table that was there before: refused, or UTC."""
