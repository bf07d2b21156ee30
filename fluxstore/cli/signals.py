"""Ctrl-C, SIGTERM and SIGHUP: the first ends a batch, the second ends the command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOTICE = b"\nfluxstore: ending the batch in hand; once more stops at once\n"
SIGINT_CODE, SIGTERM_CODE = 130, 143


class Stopped(KeyboardInterrupt):
    """The command was told to stop by a signal."""


class Signals:
    """The signals of this process, from the first line of a command to its last.

    While somebody is ``patient`` the first signal only sets ``stop``; everywhere else, and the
    second time, it raises ``Stopped``. A signal that was ignored at the start (``nohup``) stays so.
    """

    def __init__(self) -> None:
        """Know of no signal yet."""
        self.stop = threading.Event()
        self.received = 0
        self._patient = 0
        self._earlier: dict[int, Any] = {}

    def install(self) -> None:
        """Begin to listen."""
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._earlier[number] = signal.signal(number, self._handle)

    def uninstall(self) -> None:
        """Give up listening: from here on a signal ends the process without a word."""
        for number in self._earlier:
            signal.signal(number, signal.SIG_DFL)

    @property
    def exit_code(self) -> int:
        """The exit code of a command that a signal ended."""
        return SIGINT_CODE if self.received in (0, signal.SIGINT) else SIGTERM_CODE

    @contextmanager
    def patient(self) -> Iterator[threading.Event]:
        """Yield the event that says *end at the next good place*; work inside looks at it."""
        self._patient += 1
        try:
            yield self.stop
        finally:
            self._patient -= 1

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        again = bool(self.received)
        self.received = self.received or number
        if again or not self._patient:
            raise Stopped(number)
        self.stop.set()
        _tell(NOTICE)


def _tell(notice: bytes) -> None:
    # print() may be in the middle of another line's lock when a signal comes.
    try:
        os.write(2, notice)
    except OSError:
        return  # the terminal has gone: nobody reads it
