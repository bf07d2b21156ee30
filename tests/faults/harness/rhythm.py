"""Something done every so often beside a scenario; what goes wrong in it fails the scenario."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Rhythm:
    """Calls a function every so many seconds, from a thread, until the context ends."""

    def __init__(self, act: Callable[[], None], seconds: float) -> None:
        """Take what is to be done; nothing happens before the context is entered."""
        self._act, self._seconds = act, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rhythm")
        self._error: BaseException | None = None

    def _run(self) -> None:
        try:
            while not self._ended.wait(self._seconds):
                self._act()
        except BaseException as error:  # noqa: BLE001 - raised where the context ends
            self._error = error

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the last call end; raise what one of them raised."""
        self._ended.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error
