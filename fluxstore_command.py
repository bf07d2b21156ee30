"""Starts the command ``fluxstore``, listening for signals before anything slow is imported.

It stands outside the package because importing anything of the package imports all of its API
first, a tenth of a second in which Ctrl-C would end in a traceback.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

_NOTICE = b"error: stopped before anything was begun\n"


def main() -> None:
    """Run the command line of this process and exit with its code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    from fluxstore.cli import main as run  # from here on fluxstore.cli.signals listens

    run()


def _stop(number: int, _frame: FrameType | None) -> None:
    os.write(2, _NOTICE)
    os._exit(130 if number == signal.SIGINT else 143)
