"""Locks between processes of one host: leases, and who has the lock that SQLite writes under."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fluxstore.errors import LeaseError
from fluxstore.ledger.lock import KernelLock, holders

# https://www.sqlite.org/walformat.html#locks and https://www.sqlite.org/src/file/src/os.h
_WRITE_BYTE_OF_SHM = 120
_RESERVED_BYTE = 0x40000001
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")


@contextmanager
def held(database: Path, name: str) -> Iterator[None]:
    """Hold the lease *name*; ``LeaseError`` at once where another has it.

    The lock is on a file of its own beside the database, which is not left behind.
    """
    plain = name if _PLAIN.match(name) else name.encode().hex()[:80]
    path = database.with_name(f"{database.name}-lease-{plain}")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = KernelLock(path, what=f"the lease {name}")
    if not lock.try_acquire():
        holder = holders(path)
        raise LeaseError(f"the lease {name} is held by {holder}", holder=holder)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # before the lock goes, or another's file would be removed
        lock.release()


def writer_of(database: Path) -> str:
    """Return words for the process that has SQLite's lock for writing to *database*."""
    places = ((f"{database.name}-shm", _WRITE_BYTE_OF_SHM), (database.name, _RESERVED_BYTE))
    try:
        lines = Path("/proc/locks").read_text("ascii").splitlines()
        wanted = {
            str(path.stat().st_ino): byte
            for name, byte in places
            if (path := database.with_name(name)).exists()
        }
    except OSError:
        return "another process"
    found = {parts[4] for parts in map(str.split, lines) if _is_writing(parts, wanted)}
    return f"process {', '.join(sorted(found))}" if found else "another process"


def _is_writing(parts: Sequence[str], wanted: Mapping[str, int]) -> bool:
    """Tell whether a line of /proc/locks is a lock for writing on one of *wanted* (inode, byte)."""
    if len(parts) < 8 or parts[1] != "POSIX" or parts[3] != "WRITE":
        return False
    byte = wanted.get(parts[5].rpartition(":")[2])
    last = int(parts[7]) if parts[7].isdigit() else sys.maxsize
    return byte is not None and int(parts[6]) <= byte <= last
