"""One entity's binding: called through, and made anew where a call finds it out of date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs

from fluxstore import forks
from fluxstore.calls import Read, Write
from fluxstore.errors import SealedError, StalePhaseError, UnsupportedError

T = TypeVar("T")
PATIENCE_SECONDS = 35.0
"""How long a call waits for a phase change to end: a seal undoes itself after 30 s."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.001, 0.05


@attrs.frozen(eq=False)
class Binding:
    """How one entity is read and written; immutable, swapped in one assignment."""

    read: Read
    write: Write


class Bound:
    """What ``store[Task]`` calls through.

    A call that the backend refused because of a phase change had no effect: with a binding made
    anew it is made again, and while a cutover holds writes back it waits.
    """

    def __init__(self, bind: Callable[[], Binding], *, follows: bool = True) -> None:
        """Bind, and keep how to do it again.

        Where no policy *follows* the phase, binding anew would change nothing: refused is refused.
        """
        self._bind, self._follows = bind, follows
        self.forget()
        self.binding = bind()
        forks.in_child(self.forget)

    def forget(self) -> None:
        """Begin with a free lock, as a forked child must: who held it is not there."""
        self._lock = threading.Lock()

    def read(self) -> Read:
        """Return reads that never go out of date."""
        stale = Read(
            get=self._through(lambda binding: _stale(binding).get),
            find=self._through(lambda binding: _stale(binding).find),
            count=self._through(lambda binding: _stale(binding).count),
        )
        return Read(
            get=self._through(lambda binding: binding.read.get),
            find=self._through(lambda binding: binding.read.find),
            count=self._through(lambda binding: binding.read.count),
            stale=stale,
            stale_ok=self.binding.read.stale_ok,
        )

    def write(self) -> Write:
        """Return a write that never goes out of date."""
        commit = self._through(lambda binding: binding.write.commit)
        return attrs.evolve(self.binding.write, commit=commit)

    def renew(self, stale: Binding) -> None:
        """Bind anew, unless *stale* has been replaced already."""
        with self._lock:
            if self.binding is stale:
                self.binding = self._bind()

    def _through(self, pick: Callable[[Binding], Callable[..., Any]]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            binding = self.binding
            try:
                return pick(binding)(*args, **options)
            except (StalePhaseError, SealedError) as error:
                if not self._follows and isinstance(error, StalePhaseError):
                    raise
                refused = error

            def renew() -> None:
                nonlocal binding
                self.renew(binding)
                binding = self.binding

            return patiently(lambda: pick(self.binding)(*args, **options), renew, refused=refused)

        return call


def _stale(binding: Binding) -> Read:
    if binding.read.stale is None:
        raise UnsupportedError("nobody follows who could give a stale answer")
    return binding.read.stale


def patiently(
    call: Callable[[], T],
    renew: Callable[[], None],
    *,
    refused: StalePhaseError | SealedError | None = None,
) -> T:
    """Return what *call* returns once no phase change refuses it; *renew* is called between."""
    until = time.monotonic() + PATIENCE_SECONDS
    for pause in _pauses():
        if isinstance(refused, StalePhaseError):
            renew()
        elif refused is not None:
            time.sleep(pause)
        try:
            return call()
        except (StalePhaseError, SealedError) as error:
            refused = error
            if time.monotonic() > until:
                raise
        if isinstance(refused, StalePhaseError):
            time.sleep(pause)
    raise AssertionError("pauses have no end")


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
