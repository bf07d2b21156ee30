"""The matrix: every row, in the order of its numbers."""

from harness.row import Row
from harness.rows import (
    backfills,
    callers,
    crashes,
    disks,
    edits,
    interruptions,
    journeys,
    races,
    rules,
    servers,
    sizes,
    soak,
    sqlite,
    switches,
)

_FILES = (
    backfills,
    callers,
    crashes,
    disks,
    edits,
    interruptions,
    journeys,
    races,
    rules,
    servers,
    sizes,
    soak,
    sqlite,
    switches,
)
ROWS: tuple[Row, ...] = tuple(
    sorted((row for file in _FILES for row in file.ROWS), key=lambda row: row.id)
)
