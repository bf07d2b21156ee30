"""Calls something a while after it became due, in a thread of its own, and not too often."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_LONGEST_WAIT_SECONDS = 60.0
_REST = 9
"""How many times as long as a run took nothing runs: a tenth of the time is enough for it."""


class Schedule:
    """Runs *work* some seconds after the first ``due`` since the last run, a long one later."""

    def __init__(self, seconds: float, work: Callable[[], bool]) -> None:
        """*work* tells whether it is done; otherwise it is tried again, ever later."""
        self._seconds, self._work = seconds, work
        self._mutex = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._due, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def due(self) -> None:
        """Say that there is something to do."""
        if self._due.is_set() and self._process == os.getpid():
            return
        with self._mutex:
            if self._process != os.getpid():  # threads do not survive a fork
                self._begin()
            self._due.set()
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(
                    target=self._loop, name="fluxstore-checkpoint", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Run no more; return when a run under way has ended."""
        self._stopped.set()
        self._due.set()
        thread = self._thread
        if thread is not None and self._process == os.getpid():
            thread.join()

    def _loop(self) -> None:
        wait = self._seconds
        while True:
            self._due.wait()
            self._stopped.wait(wait)
            self._due.clear()
            if self._stopped.is_set():  # asked last: what says so sets both
                return
            began = time.monotonic()
            if self._work():
                wait = max(self._seconds, _REST * (time.monotonic() - began))
            else:
                wait = min(max(2 * wait, 1.0), _LONGEST_WAIT_SECONDS)
                self._due.set()
