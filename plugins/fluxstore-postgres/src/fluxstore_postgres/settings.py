"""What ``[backends.NAME]`` and its entities may say where ``adapter = "postgres"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import attrs

from fluxstore.settings import Secret

EMBEDDED = "embedded"
PoolMode = Literal["session", "transaction"]
CaptureMode = Literal["trigger", "client"]
TlsMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_NAME_BYTES = 63


def _name(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    if not value or "\0" in value or len(value.encode()) > _NAME_BYTES:
        raise ValueError(f"a name of 1 to {_NAME_BYTES} bytes expected")


def _table(_instance: object, _attribute: attrs.Attribute[Any], value: str | None) -> None:
    for part in re.split(r"\.", value, maxsplit=1) if value is not None else ():
        _name(_instance, _attribute, part)


def _columns(_instance: object, _attribute: attrs.Attribute[Any], value: Mapping[str, str]) -> None:
    for column in value.values():
        _name(_instance, _attribute, column)


def _at_least_one(_instance: object, _attribute: attrs.Attribute[Any], value: int) -> None:
    if value < 1:
        raise ValueError("a number of at least 1 expected")


def _positive(_instance: object, _attribute: attrs.Attribute[Any], value: timedelta) -> None:
    if value <= timedelta(0):
        raise ValueError("a duration above 0 expected")


@attrs.frozen
class PoolSettings:
    """How many connections are kept, and how long a caller waits for one."""

    min: int = attrs.field(default=2, validator=_at_least_one)
    max: int = attrs.field(default=10, validator=_at_least_one)
    timeout: timedelta = attrs.field(default=timedelta(seconds=30), validator=_positive)
    idle: timedelta = attrs.field(default=timedelta(seconds=30), validator=_positive)

    def __attrs_post_init__(self) -> None:
        """Refuse a pool whose most is less than its least."""
        if self.max < self.min:
            raise ValueError(f"max of at least min ({self.min}) expected, {self.max} found")


@attrs.frozen
class Settings:
    """One PostgreSQL database as a backend; without ``dsn`` libpq's ``PG*`` variables decide."""

    dsn: Secret = attrs.field(default=Secret(""))
    schema: str = attrs.field(default="public", validator=_name)
    pool: PoolSettings = PoolSettings()
    connect_timeout: timedelta = attrs.field(default=timedelta(seconds=5), validator=_positive)
    statement_timeout: timedelta = attrs.field(default=timedelta(seconds=30), validator=_positive)
    slow_query: timedelta = timedelta(seconds=1)
    tls: TlsMode | None = None
    pool_mode: PoolMode = "session"
    """``transaction``: an external pooler lends its connections for a transaction each."""
    direct_dsn: Secret = attrs.field(default=Secret(""))
    """Past that pooler, for what a session holds: leases, cursors, backups."""

    capture: CaptureMode = "trigger"
    """``client``: for roles that may make no triggers; what others write is not captured then."""

    def __attrs_post_init__(self) -> None:
        """Refuse a pooler that there is no way past."""
        if self.is_pooled and not self.direct_dsn.reveal():
            raise ValueError('direct_dsn expected where pool_mode is "transaction"')

    @property
    def is_pooled(self) -> bool:
        """Tell whether connections are lent for a transaction each."""
        return self.pool_mode == "transaction"

    @property
    def captures_itself(self) -> bool:
        """Tell whether our own statements keep the ledger rather than triggers."""
        return self.capture == "client"

    @property
    def is_embedded(self) -> bool:
        """Tell whether the backend is a server of our own."""
        return self.dsn.reveal() == EMBEDDED


@attrs.frozen
class EntitySettings:
    """Where one entity's records are, when not in a table and columns of its own names."""

    table: str | None = attrs.field(default=None, validator=_table)
    columns: dict[str, str] = attrs.field(factory=dict, validator=_columns)
