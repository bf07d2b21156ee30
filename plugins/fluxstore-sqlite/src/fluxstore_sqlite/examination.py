"""What ``doctor`` says of a SQLite file: rights, disk, settings that lose data, its tables."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator

from fluxstore.adapter import Capability, Finding
from fluxstore_sqlite import schema
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.opening import may
from fluxstore_sqlite.tables import Tables

_LEAST_FREE_BYTES = 64 * 1024 * 1024


def examine(
    connections: Connections, tables: Tables, capabilities: frozenset[Capability]
) -> list[Finding]:
    """Return everything that is worth saying; nothing is changed."""
    findings = [*_settings(connections, capabilities), *_disk(connections)]
    if connections.there():
        findings += _rights(connections)
        findings += _whole(connections)
        findings += schema.differences(connections, tables)
        findings += connections.ask_at_one_moment(lambda driver: list(_triggers(driver, tables)))
    return findings


def _settings(connections: Connections, capabilities: frozenset[Capability]) -> Iterator[Finding]:
    if Capability.DURABLE not in capabilities:
        yield Finding(
            connections.backend,
            'synchronous = "normal" may lose the last commits in a power cut',
            'set synchronous = "full"',
            blocks=True,
            offline=True,
        )


def _disk(connections: Connections) -> Iterator[Finding]:
    folder = next(one for one in connections.path.parents if one.exists())
    free = shutil.disk_usage(folder).free
    if free < _LEAST_FREE_BYTES:
        words = f"the disk has {free >> 20:,} MiB left"
        yield Finding(str(folder), words, "make room", blocks=True)


def _rights(connections: Connections) -> Iterator[Finding]:
    path = connections.path
    if connections.read_only:
        return
    for one, words in ((path, "cannot be written"), (path.parent, "takes no journal beside it")):
        if not may(one, os.W_OK):
            yield Finding(str(one), words, "give this user the right to write", blocks=True)


def _whole(connections: Connections) -> Iterator[Finding]:
    (verdict,) = connections.ask(lambda driver: driver.execute("PRAGMA quick_check(1)").fetchone())
    if verdict != "ok":
        yield Finding(
            str(connections.path), f"is damaged: {verdict}", "restore a backup", blocks=True
        )


def _triggers(driver: sqlite3.Connection, tables: Tables) -> Iterator[Finding]:
    for table in tables.unguarded(driver):
        yield Finding(
            table.name,
            "lacks a trigger that keeps its ledger: another program dropped it, or made the"
            " table anew, and what it wrote since is not captured",
            "the next write of this application makes it; then validate",
            blocks=True,
        )
