"""Leases between processes of one host: a lock of the kernel's, gone when its holder is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fluxstore.errors import LeaseError
from fluxstore.ledger.lock import KernelLock, holders

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
