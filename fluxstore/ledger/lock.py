"""A lock that processes queue on: fair, let go by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from pathlib import Path

from fluxstore.errors import BackendUnavailableError, LeaseError

_NEXT_STEP = "nothing was changed; see what that process is doing, then try again"
_locks: weakref.WeakSet[KernelLock] = weakref.WeakSet()


class HeldError(BackendUnavailableError):
    """Somebody else holds a lock for longer than the caller would wait; nothing was done."""


class KernelLock:
    """``flock`` on a file. Waiters get it in the order in which they came.

    One thread of a process at a time may use it. A forked child has a lock of its own, not held.
    """

    def __init__(self, path: Path, *, what: str) -> None:
        """Lock the file at *path*, made when first needed; *what* names it in messages."""
        self._path, self._what = path, what
        self._descriptor: int | None = None
        _locks.add(self)

    def acquire(self, timeout_seconds: float) -> None:
        """Hold the lock; ``HeldError`` when it was not free in time."""
        if not self.is_acquired(timeout_seconds):
            raise HeldError(self._held_by(timeout_seconds)[0], next_step=_NEXT_STEP)

    def is_acquired(self, timeout_seconds: float) -> bool:
        """Hold the lock once it is free; tell whether that was in time.

        Whatever ends this, ``release`` lets go of what is held by then.
        """
        while True:
            descriptor = self._open()
            try:
                if not _try(descriptor) and not _wait(descriptor, timeout_seconds):
                    return False
                if self._is_the_file(descriptor):  # else it was replaced while we waited
                    self._descriptor = descriptor
                    return True
            finally:
                if self._descriptor != descriptor:
                    os.close(descriptor)

    def refused(self, seconds: float) -> LeaseError:
        """Return the error for somebody who would not wait longer; it names who holds the lock."""
        problem, holder = self._held_by(seconds)
        return LeaseError(problem, holder=holder, next_step=_NEXT_STEP)

    def _held_by(self, seconds: float) -> tuple[str, str]:
        holder = holders(self._path)
        return f"{self._what} has been held for {seconds:g} s by {holder}", holder

    def try_acquire(self) -> bool:
        """Hold the lock if it is free; tell whether it is held now."""
        descriptor = self._open()
        if _try(descriptor) and self._is_the_file(descriptor):
            self._descriptor = descriptor
            return True
        os.close(descriptor)
        return False

    def release(self) -> None:
        """Let go, where it is held."""
        descriptor = self._descriptor
        if descriptor is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a child forked meanwhile may hold it open
        finally:
            self._descriptor = None
            os.close(descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)

    def _is_the_file(self, descriptor: int) -> bool:
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def forget(self) -> None:
        """In a forked child: close the descriptor that is the parent's lock, without unlocking."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(descriptor: int, timeout_seconds: float) -> bool:
    """Queue in the kernel, in a thread of its own: a blocked flock has no timeout."""
    waiter = _Waiter(os.dup(descriptor))
    try:
        return waiter.held_within(timeout_seconds)
    except BaseException:
        if not waiter.abandon():  # it came at that moment: closing what we have lets go of it
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        raise


class _Waiter:
    """Waits for a flock on its own descriptor (of the same open file, so the lock is shared)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._mutex = threading.Lock()
        self._held = threading.Event()
        self._abandoned = False
        threading.Thread(target=self._queue, name="fluxstore-lock", daemon=True).start()

    def _queue(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mutex:
            if self._abandoned:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._held.set()
        os.close(self._descriptor)

    def held_within(self, timeout_seconds: float) -> bool:
        return self._held.wait(timeout_seconds) or not self.abandon()

    def abandon(self) -> bool:
        """Give up waiting; tell whether the lock had not come before."""
        with self._mutex:
            self._abandoned = not self._held.is_set()
            return self._abandoned


def holders(path: Path) -> str:
    """Return words for the processes that hold a lock on the file at *path*."""
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text("ascii").splitlines()
    except OSError:
        return "another process"
    found = {
        parts[4]
        for parts in map(str.split, lines)
        if "FLOCK" in parts and "->" not in parts and parts[5].rpartition(":")[2] == str(inode)
    }
    return f"process {', '.join(sorted(found))}" if found else "another process"


def _forget_all() -> None:
    for lock in _locks:
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)
