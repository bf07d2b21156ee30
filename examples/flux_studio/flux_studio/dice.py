"""Seeded chance: draws, and timestamps in the spellings that Flux Studio's files hold."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import TypeVar

from flux_studio.shares import SHARES

_T = TypeVar("_T")
_FIRST_DAY = date(2021, 1, 1)
_DAYS = tuple((_FIRST_DAY + timedelta(days=at)).isoformat() for at in range(3000))
DAY_SECONDS = 86_400
_KOLKATA_SECONDS = 19_800
_WHOLE = SHARES.whole_second
_OFFSET = _WHOLE + SHARES.offset
_NO_FRACTION = _OFFSET + SHARES.no_fraction


class Dice:
    """One stream of chance; the same seed draws the same."""

    def __init__(self, seed: int, stream: str) -> None:
        self.random = Random(f"{seed}/{stream}").random  # noqa: S311 - data, not secrets

    def below(self, count: int) -> int:
        """A whole number from 0 up to, not including, *count*."""
        return int(self.random() * count)

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of *choices*."""
        return choices[int(self.random() * len(choices))]

    def second(self, days: int = 1500) -> int:
        """A moment in the first *days* days, in seconds since 2021-01-01 UTC."""
        return int(self.random() * days * DAY_SECONDS)

    def stamp(self, second: int) -> str:
        """The moment *second* as text, in one of the spellings that occur."""
        draw = self.random()
        if draw < _WHOLE:
            return f"{clock(second)}.000Z"
        if draw < _OFFSET:
            return f"{clock(second + _KOLKATA_SECONDS)}.000+05:30"
        if draw < _NO_FRACTION:
            return f"{clock(second)}Z"
        return f"{clock(second)}.{int(draw * 1e6) % 999 + 1:03}Z"


def clock(second: int) -> str:
    """Seconds since 2021-01-01 UTC as ``YYYY-MM-DDThh:mm:ss``."""
    day, rest = divmod(second, DAY_SECONDS)
    minute, seconds = divmod(rest, 60)
    return f"{_DAYS[day]}T{minute // 60:02}:{minute % 60:02}:{seconds:02}"
