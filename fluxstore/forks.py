"""What must happen in a forked child before it goes on: threads and locks stayed behind."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

_calls: list[weakref.WeakMethod[Callable[[], Any]]] = []


def in_child(method: Callable[[], Any]) -> None:
    """Have a bound *method* called in each forked child, for as long as its object lives."""
    _calls[:] = [call for call in _calls if call() is not None]
    _calls.append(weakref.WeakMethod(method))


def around(hold: Callable[[], Any], release: Callable[[], Any]) -> None:
    """Have *hold* called before each fork, and *release* after it, in the parent and in the child.

    What a thread is in the middle of would be in the middle in the child for ever.
    """
    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=release)


def _call_all() -> None:
    for call in _calls:
        method = call()
        if method is not None:
            method()


os.register_at_fork(after_in_child=_call_all)
