"""Questions that SQLite cannot answer exactly, answered in Python while a statement runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

Predicate: TypeAlias = Callable[[Any], bool]


class Predicates:
    """The function ``fluxstore_holds(number, column)``, and the predicates it finds by number."""

    def __init__(self) -> None:
        """Begin with none."""
        self._numbers = itertools.count(1)
        self._predicates: dict[int, Predicate] = {}

    @contextmanager
    def scope(self) -> Iterator[Callable[[Predicate], int]]:
        """Yield what takes a predicate and returns its number; they end with the context."""
        made: list[int] = []

        def add(predicate: Predicate) -> int:
            number = next(self._numbers)
            self._predicates[number] = predicate
            made.append(number)
            return number

        try:
            yield add
        finally:
            for number in made:
                del self._predicates[number]

    def call(self, number: int, stored: Any) -> int:
        """Return 1 where the predicate *number* holds for a stored value, else 0."""
        return int(self._predicates[number](stored))
