"""Leases between processes of one host: a lock of the kernel's, gone when its holder is.

The lock is on a file of its own beside the database, which holds who has it and is removed by the
holder that lets go.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fluxstore.errors import LeaseError

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")


@contextmanager
def held(database: Path, name: str) -> Iterator[None]:
    """Hold the lease *name*; ``LeaseError`` at once where another has it."""
    plain = name if _PLAIN.match(name) else name.encode().hex()[:80]
    path = database.with_name(f"{database.name}-lease-{plain}")
    descriptor = _locked(path, name)
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock goes, or another's file would be removed
        os.close(descriptor)


def _locked(path: Path, name: str) -> int:
    """Return a descriptor that has the lock on the file that is at *path* now."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace")
            os.close(descriptor)
            raise LeaseError(f"the lease {name} is held by {holder}", holder=holder) from None
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # the holder before removed it between our opening and our lock


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
