"""A coroutine that is cancelled at a suspension of one's choice.

A task suspends with a future in hand. ``Stepped`` stands between the coroutine and its task and
counts these moments; at those that *strikes* names it cancels, *before* the future is waited for
(what ``Task.cancel`` does to a task that waits), or *after* it is done and before the coroutine
hears of it (what it does to one that is about to go on).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Literal

When = Literal["before", "after"]


class Stepped:
    """Awaitable in the coroutine's stead; ``suspensions`` tells how many there were."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], strikes: Callable[[int], bool], when: When
    ) -> None:
        self._coroutine, self._strikes, self._when = coroutine, strikes, when
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                future = self._coroutine.throw(error) if error else self._coroutine.send(None)
            except StopIteration as ended:
                return ended.value
            self.suspensions += 1
            is_struck = self._strikes(self.suspensions)
            if is_struck and self._when == "before" and future is not None:
                future.cancel()
            try:
                yield future
                error = asyncio.CancelledError() if is_struck and self._when == "after" else None
            except BaseException as told:  # noqa: BLE001 - it is the coroutine's to hear
                error = told


async def cancelled_at(
    step: int, make: Callable[[], Coroutine[Any, Any, Any]], when: When, *, again: bool = False
) -> bool:
    """Run what *make* makes, cancelled at its suspension *step*, and *again* at all that follow.

    Tell whether it had so many suspensions.
    """
    stepped = Stepped(make(), lambda n: n >= step if again else n == step, when)
    try:
        await stepped
    except asyncio.CancelledError:
        return True
    assert stepped.suspensions < step
    return False
