"""The matrix: every row, in the order of its numbers."""

from harness.row import Row
from harness.rows import crashes, disks, races

ROWS: tuple[Row, ...] = tuple(
    sorted((*crashes.ROWS, *disks.ROWS, *races.ROWS), key=lambda row: row.id)
)
