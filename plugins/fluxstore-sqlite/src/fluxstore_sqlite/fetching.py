"""Running a statement and taking its answer, text that is not UTF-8 included."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from fluxstore_sqlite.columns import Stored


def fetch(
    driver: sqlite3.Connection, statement: str, values: Sequence[Stored] = ()
) -> list[tuple[Any, ...]]:
    """Return all rows of *statement*.

    Bytes that are no UTF-8 come as lone surrogates, which the codec refuses by name: one such text
    must not keep the others from being read.
    """
    try:
        return driver.execute(statement, values).fetchall()
    except sqlite3.OperationalError as error:
        if "Could not decode to UTF-8" not in str(error):
            raise
    driver.text_factory = _tolerant
    try:
        return driver.execute(statement, values).fetchall()
    finally:
        driver.text_factory = str


def fetch_one(
    driver: sqlite3.Connection, statement: str, values: Sequence[Stored] = ()
) -> tuple[Any, ...] | None:
    """Return the first row of *statement*, or ``None``."""
    rows = fetch(driver, statement, values)
    return rows[0] if rows else None


def _tolerant(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
