"""Transactions that do not write, and parts of those that do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def begin_to_read(driver: sqlite3.Connection) -> None:
    """Begin a transaction, whose moment SQLite fixes at the first read."""
    driver.execute("BEGIN")
    driver.execute("PRAGMA schema_version").fetchone()


def at_one_moment(driver: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Return what *work* answers, whose statements all see the same moment."""
    if driver.in_transaction:
        return work(driver)
    driver.execute("BEGIN")
    try:
        return work(driver)
    finally:
        driver.rollback()


@contextmanager
def in_memory() -> Iterator[sqlite3.Connection]:
    """Yield a connection to a database of its own, which nothing is left of."""
    driver = sqlite3.connect(":memory:", isolation_level=None)
    try:
        yield driver
    finally:
        driver.close()


@contextmanager
def savepoint(driver: sqlite3.Connection) -> Iterator[None]:
    """Undo what the context did where it ends with an error, and nothing before it."""
    driver.execute("SAVEPOINT fluxstore")
    try:
        yield
    except BaseException:
        # An error that ended the whole transaction took its savepoints along.
        if driver.in_transaction:
            driver.execute("ROLLBACK TO fluxstore")
            driver.execute("RELEASE fluxstore")
        raise
    driver.execute("RELEASE fluxstore")
