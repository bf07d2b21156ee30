"""What must happen in a forked child before it goes on: threads and locks stayed behind."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

_around: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
_calls: list[weakref.WeakMethod[Callable[[], Any]]] = []


def in_child(method: Callable[[], Any]) -> None:
    """Have a bound *method* called in each forked child, for as long as its object lives."""
    _calls[:] = [call for call in _calls if call() is not None]
    _calls.append(weakref.WeakMethod(method))


def around(hold: Callable[[], Any], release: Callable[[], Any], *, last: bool = False) -> None:
    """Have *hold* called before each fork, and *release* after it, in the parent and in the child.

    What a thread is in the middle of would be in the middle in the child for ever. *last* is for
    what others need to come to their end: it is held after them, and released before.
    """
    _around.insert(len(_around) if last else 0, (hold, release))


def _call_all() -> None:
    for call in _calls:
        method = call()
        if method is not None:
            method()


def _hold_all() -> None:
    for hold, _ in _around:
        hold()


def _release_all() -> None:
    for _, release in reversed(_around):
        release()


os.register_at_fork(after_in_child=_call_all)
os.register_at_fork(before=_hold_all, after_in_parent=_release_all, after_in_child=_release_all)
