"""Whose turn it is to write: a queue of processes at the door, for SQLite's own lock has none.

SQLite waits for a lock by asking again and again, ever more rarely, so the process that has just
written is the likeliest to write next: of eight busy processes some write one record in seconds.
A writer therefore takes the door, then SQLite's lock, then lets the next one to the door. The
kernel lets go of the door when a process dies.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_SECONDS = 0.0005


class Door:
    """A lock between processes, on a file of its own beside the database.

    Not on the database itself: closing any descriptor of a file drops the locks that SQLite has on
    it in this process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """

    def __init__(self, path: Path) -> None:
        """Use the file *path*, which is made when it is first needed."""
        self._path = path
        self._descriptor: int | None = None
        self._process = 0

    @contextmanager
    def taken(self, deadline: float) -> Iterator[None]:
        """Hold the door while the context lasts; ``TimeoutError`` when *deadline* passes first.

        One thread of a process at a time. *deadline* is a ``time.monotonic()``.
        """
        descriptor = self._open()
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_PAUSE_SECONDS)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _open(self) -> int:
        if self._descriptor is None or self._process != os.getpid():
            # A descriptor from before a fork shares its lock with the other process.
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            self._process = os.getpid()
        return self._descriptor

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None and self._process == os.getpid():
            os.close(self._descriptor)
        self._descriptor = None


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
