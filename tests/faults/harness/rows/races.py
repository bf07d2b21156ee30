"""Rows in which a disk is full, fails or is read-only."""

from harness.row import Row

ROWS: tuple[Row, ...] = ()
