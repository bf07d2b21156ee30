"""Who hears of answers that may be out of date, and when only the authority is believed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class _Thread(threading.local):
    transactions = 0


_listeners: ContextVar[tuple[list[str], ...]] = ContextVar("fluxstore_stale_answers", default=())
_thread = _Thread()


@contextmanager
def stale_answers() -> Iterator[list[str]]:
    """Give a list that gets the entity's name of each stale answer while the context lasts.

    It hears of what this thread or task reads, and tasks started inside. Empty: all that was read
    is of the authority.
    """
    given: list[str] = []
    before = _listeners.set((*_listeners.get(), given))
    try:
        yield given
    finally:
        _listeners.reset(before)


def tell(entity: str) -> None:
    """Tell whoever listens that *entity* was answered by the side that follows."""
    for given in _listeners.get():
        given.append(entity)


@contextmanager
def in_transaction() -> Iterator[None]:
    """Have nothing stale in this thread unless a call asks for it: writes will rest on it."""
    _thread.transactions += 1
    try:
        yield
    finally:
        _thread.transactions -= 1


def is_in_transaction() -> bool:
    """Tell whether this thread is inside a transaction."""
    return _thread.transactions > 0
