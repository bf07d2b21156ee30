"""File locks of an embedded server: one starter at a time, and who is using it.

Kernel locks (``flock``): they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fluxstore.errors import BackendUnavailableError
from fluxstore_postgres.embedded.places import open_private

LOCK_TIMEOUT_SECONDS = 120.0  # an initdb on a slow disk, twice
POLL_SECONDS = 0.02


@contextmanager
def only_one(path: Path, make_folder: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file *path* alone; raise BackendUnavailableError when others never let go.

    Who waited for a folder that its holder removed makes it again and waits for the new one.
    """
    descriptor = _locked(path, make_folder)
    while not os.fstat(descriptor).st_nlink:
        os.close(descriptor)
        descriptor = _locked(path, make_folder)
    try:
        yield
    finally:
        os.close(descriptor)  # and so unlock


class Use:
    """One user's hold on a running server: while any is held, nobody stops it behind our back."""

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path)
        self._owner_pid = os.getpid()
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> bool:
        """Let go, once; tell whether this was the last use of the server.

        In a forked child the hold is the parent's: the child only forgets it.
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return False
        try:
            return self._owner_pid == os.getpid() and _try_lock(descriptor)
        finally:
            os.close(descriptor)


def _locked(path: Path, make_folder: Callable[[], None]) -> int:
    make_folder()
    descriptor = open_private(path)
    try:
        _wait_for_lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _wait_for_lock(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            raise BackendUnavailableError(
                f"another process has held {path} for {LOCK_TIMEOUT_SECONDS:.0f} s",
                next_step="look whether a start of the embedded PostgreSQL hangs",
            )
        time.sleep(POLL_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
