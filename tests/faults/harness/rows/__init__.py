"""The matrix: every row, in the order of its numbers."""

from harness.row import Row
from harness.rows import crashes, disks, journeys, races, servers

ROWS: tuple[Row, ...] = tuple(
    sorted(
        (*crashes.ROWS, *disks.ROWS, *journeys.ROWS, *races.ROWS, *servers.ROWS),
        key=lambda row: row.id,
    )
)
