"""The matrix: every row, in the order of its numbers."""

from harness.row import Row
from harness.rows import crashes, disks, journeys, races

ROWS: tuple[Row, ...] = tuple(
    sorted((*crashes.ROWS, *disks.ROWS, *journeys.ROWS, *races.ROWS), key=lambda row: row.id)
)
