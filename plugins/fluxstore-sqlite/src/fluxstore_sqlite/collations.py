"""What SQLite must be told to compare values by what they mean and not by their text.

``fluxstore_decimal`` (Decimals, integers beyond 63 bits) and ``fluxstore_timedelta`` are declared
on the columns of tables that fluxstore makes. The others are named in queries on tables that were
there before, where a time or a UUID may be spelt in more than one way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fluxstore.codec import Refusal
from fluxstore.codec.document import decoder
from fluxstore.kinds import Kind, Type

COLLATIONS: Mapping[Kind, str] = {
    kind: f"fluxstore_{kind.value}"
    for kind in (Kind.DECIMAL, Kind.TIMEDELTA, Kind.DATETIME, Kind.TIME, Kind.UUID)
}
BINARY = "BINARY"


def register(connection: sqlite3.Connection) -> None:
    """Make every collation known to *connection*."""
    for kind, name in COLLATIONS.items():
        connection.create_collation(name, _COMPARE[kind])


def _comparing(kind: Kind) -> Callable[[str, str], int]:
    decode = decoder(Type(kind))

    @lru_cache(maxsize=4096)
    def place(text: str) -> tuple[bool, Any]:
        try:
            return False, decode(text)
        except Refusal:
            return _otherwise(kind, decode, text)

    def compare(one: str, other: str) -> int:
        if one == other:
            return 0
        left, right = place(one), place(other)
        return (left > right) - (left < right)

    return compare


def _otherwise(kind: Kind, decode: Callable[[Any], Any], text: str) -> tuple[bool, Any]:
    """Return the place of a time without an offset (UTC), or, behind all others, of any text."""
    if kind is Kind.DATETIME:
        try:
            return False, decode(text + "Z")
        except Refusal:
            pass
    return True, text


_COMPARE = {kind: _comparing(kind) for kind in COLLATIONS}
