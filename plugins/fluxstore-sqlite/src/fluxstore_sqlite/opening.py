"""How a SQLite file is opened, and how it is known to be the same file later.

A source is opened so that nothing beside it is made. SQLite with ``mode=ro`` makes ``-shm`` and
``-wal`` files for a database whose journal is a WAL; with ``immutable=1`` it makes none, and sees
no other process's writes either. So a source that nobody writes to (no ``-wal``, no ``-journal``)
is opened immutable, and opened again as soon as its size, its time or these files change.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import attrs


@attrs.frozen
class Identity:
    """Which file is at a path, and for a source whether it is still as it was."""

    device: int
    inode: int
    is_quiet: bool = False
    """It is a source, and no ``-wal`` or ``-journal`` file says that somebody writes to it."""
    size_bytes: int = 0
    changed_ns: int = 0


def identity(path: Path, *, source: bool) -> Identity | None:
    """Return what is at *path*; ``None`` for nothing. Raises ``OSError``."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not source or _in_use(path):
        return Identity(found.st_dev, found.st_ino)
    return Identity(found.st_dev, found.st_ino, True, found.st_size, found.st_mtime_ns)


def _in_use(path: Path) -> bool:
    return any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-journal"))


def may(path: str | Path, mode: int) -> bool:
    """Tell whether this user, as the system sees it now, may read (or write) *path*."""
    effective = os.access in os.supports_effective_ids
    return os.access(path, mode, effective_ids=effective)


def uri(path: Path, *, read_only: bool, immutable: bool) -> str:
    """Return the URI that opens *path*."""
    mode = "ro" if read_only else "rwc"
    return f"file:{quote(str(path))}?mode={mode}{'&immutable=1' if immutable else ''}"
