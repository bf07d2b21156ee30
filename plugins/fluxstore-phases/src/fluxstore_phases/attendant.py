"""A thread that stands beside an application: begun when first needed, ended with its store."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Sequence

from fluxstore import forks

log = logging.getLogger("fluxstore.phases")

CLOSING_SECONDS = 10.0
"""How long closing waits for a turn that a backend holds up; then the thread is left behind."""
_EXIT_SECONDS = 2.0
_AFTER_A_BUG_SECONDS = 5.0
_FORK_SECONDS = 2.0
"""How long a fork waits for turns to end; longer than any that a backend does not hold up."""
_forking = threading.Lock()
_attendants: weakref.WeakSet[Attendant] = weakref.WeakSet()


class Attendant:
    """One standing thread; a subclass says what a ``turn`` does.

    A forked child begins its own thread when it needs one; what the parent's was doing is the
    parent's.
    """

    def __init__(self, name: str) -> None:
        """Give the thread a name; nothing runs yet."""
        self._name = name
        self._is_closed = False
        self.forget()
        _attendants.add(self)
        forks.in_child(self.forget)

    def forget(self) -> None:
        """Begin without thread or work, as a forked child must."""
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._turning = threading.Lock()
        self._is_held = False

    def turn(self) -> float | None:
        """Do what there is to do; return the seconds until the next turn, ``None``: when woken."""
        raise NotImplementedError

    def start(self) -> bool:
        """Have the thread running; tell whether it is. Raises nothing: a write may be behind it."""
        if self.is_running():
            return True
        with self._starting:
            if not self.is_running() and not self._is_closed:
                self._thread = self._started()
            return self.is_running()

    def is_running(self) -> bool:
        """Tell whether the thread was started, in this process, and not ended."""
        return self._thread is not None

    def _started(self) -> threading.Thread | None:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # too many threads, or the interpreter is ending
            log.warning("%s cannot be started: %s", self._name, error)
            return None
        return thread

    def wake(self) -> None:
        """Have a turn soon."""
        self._wake.set()

    def is_closing(self) -> bool:
        """Tell whether the store is closing: a long turn ends early then."""
        return self._is_closed

    def end(self) -> None:
        """Have no turn after the one that is under way; ``close`` waits for that."""
        self._is_closed = True
        self._wake.set()

    def close(self, seconds: float = CLOSING_SECONDS) -> None:
        """End the thread after the turn it is in."""
        self.end()
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)
            if thread.is_alive():
                log.warning("%s still waits for a backend and is left behind", self._name)

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.clear()
            self._wake.wait(self._turned())

    def hold(self, seconds: float) -> None:
        """Keep the thread between two turns, if that can be had in time."""
        self._is_held = self._turning.acquire(timeout=max(seconds, 0.0))

    def release(self) -> None:
        """Let the thread go on."""
        if self._is_held:
            self._is_held = False
            self._turning.release()

    def _turned(self) -> float | None:
        try:
            with self._turning:
                return self.turn()
        except Exception:
            log.exception("%s: a turn failed; it goes on", self._name)
            return _AFTER_A_BUG_SECONDS


def close_all(attendants: Sequence[Attendant], seconds: float = CLOSING_SECONDS) -> None:
    """End them all, within *seconds* together: a backend that hangs holds up each of them."""
    until = time.monotonic() + seconds
    for one in attendants:
        one.end()
    for one in attendants:
        one.close(max(0.0, until - time.monotonic()))


def _hold_all() -> None:
    """Before a fork: a child would inherit the middle of what a thread does, and not the thread.

    SQLite, for one, would find its own database locked for ever.
    """
    _forking.acquire()
    until = time.monotonic() + _FORK_SECONDS
    for one in list(_attendants):
        one.hold(until - time.monotonic())


def _release_all() -> None:
    for one in list(_attendants):
        one.release()
    _forking.release()


def _end_all() -> None:
    for one in list(_attendants):
        one.close(_EXIT_SECONDS)


forks.around(_hold_all, _release_all)
atexit.register(_end_all)
