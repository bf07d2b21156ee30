"""The matrix: every row of every file in this folder, in the order of their numbers."""

from importlib import import_module
from pkgutil import iter_modules

from harness.row import Row

_FILES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
ROWS: tuple[Row, ...] = tuple(
    sorted((row for file in _FILES for row in file.ROWS), key=lambda row: row.id)
)
