"""Exhaustive exploration: every state that a model can reach, breadth first, without sampling.

A model says where it begins and which steps may happen next; everything that may happen in another
order is another path. Breadth first, the first violation found has the shortest counterexample.
After a complete exploration, ``stuck`` holds a state from which no end can be reached any more: a
promise of the kind "it converges" is a property of the whole graph, not of one state.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

import attrs

STUCK = "STUCK"
"""The verdict on a state from which the protocol cannot finish, whatever happens next."""


class Event(NamedTuple):
    """What somebody saw of a step: who did what, where, to which key, with which detail.

    ``None`` stands for anything, so that a recorded run need not tell more than it knows.
    """

    actor: str | None
    verb: str | None
    side: str | None = None
    key: int | None = None
    detail: Hashable = None

    def matches(self, other: Event) -> bool:
        """Return whether *other*, an event of the model, is one that this one describes."""
        return all(mine is None or mine == its for mine, its in zip(self, other, strict=True))

    def __str__(self) -> str:
        where = "" if self.side is None else f" at {self.side}"
        key = "" if self.key is None else f" key {self.key}"
        detail = "" if self.detail is None else f" {self.detail}"
        return f"{self.actor} {self.verb}{key}{where}{detail}"


State = TypeVar("State", bound=Hashable)
Step = tuple[Event, State]


class Model(Protocol[State]):
    """A protocol: where it begins, what may happen next, what must never be, where it may end."""

    def initial(self) -> State:
        """Return the state in which it begins."""
        ...

    def steps(self, state: State) -> Iterable[Step[State]]:
        """Yield every step that may happen next, in an order that never varies."""
        ...

    def violation(self, state: State) -> str | None:
        """Return the promise that *state* breaks, or None."""
        ...

    def is_end(self, state: State) -> bool:
        """Return whether everything that was asked for is done, and nothing is under way."""
        ...


@attrs.frozen
class Exploration:
    """What an exploration found; ``broken`` is None where every promise held everywhere."""

    states: int
    transitions: int
    ends: int
    broken: str | None = None
    trace: tuple[Event, ...] = ()

    @property
    def length(self) -> int:
        """How many steps the counterexample has; no counterexample has fewer."""
        return len(self.trace)


class TooManyStatesError(Exception):
    """A model is larger than its limit, so nothing is proven; says how far it came."""


class _Graph(Generic[State]):
    """The states seen so far, numbered in the order of their discovery, and their transitions."""

    def __init__(self, first: State) -> None:
        self.numbers: dict[State, int] = {first: 0}
        self.states: list[State] = [first]
        self.parents = array("l", [0])
        self.origins = array("l")
        self.goals = array("l")

    def add(self, origin: int, state: State) -> bool:
        """Record a transition; return whether *state* is new."""
        number = self.numbers.setdefault(state, len(self.states))
        self.origins.append(origin)
        self.goals.append(number)
        if number < len(self.states):
            return False
        self.states.append(state)
        self.parents.append(origin)
        return True

    def way_to(self, number: int) -> list[State]:
        """Return the states on the shortest way to a state, the first one included."""
        way = [number]
        while way[-1]:
            way.append(self.parents[way[-1]])
        return [self.states[n] for n in reversed(way)]

    def first_without_way_to(self, ends: Iterable[int]) -> int | None:
        """Return the state found first from which none of *ends* can be reached."""
        count = len(self.states)
        starts, sources = _incoming(count, self.origins, self.goals)
        reaches = bytearray(count)
        waiting = list(ends)
        for number in waiting:
            reaches[number] = 1
        while waiting:
            number = waiting.pop()
            for origin in sources[starts[number] : starts[number + 1]]:
                if not reaches[origin]:
                    reaches[origin] = 1
                    waiting.append(origin)
        found = reaches.find(0)
        return None if found < 0 else found


def _incoming(count: int, origins: array[int], goals: array[int]) -> tuple[array[int], array[int]]:
    """Return the transitions sorted by goal: where each goal's begin, and their origins."""
    starts = array("l", bytes(8 * (count + 2)))
    for goal in goals:
        starts[goal + 2] += 1
    for number in range(2, count + 2):
        starts[number] += starts[number - 1]
    sources = array("l", bytes(8 * len(goals)))
    for origin, goal in zip(origins, goals, strict=True):
        sources[starts[goal + 1]] = origin
        starts[goal + 1] += 1
    return starts, sources


def explore(
    model: Model[State], *, limit: int = 5_000_000, promises: Collection[str] = ()
) -> Exploration:
    """Return what every reachable state of *model* says, or the shortest counterexample.

    Where *promises* are named, others may break: an ablation is judged by the harm it does.
    Raises ``TooManyStatesError`` past *limit* states: an unfinished exploration proves nothing.
    """
    with _no_collection():
        return _explore(model, limit, promises)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector from looking at millions of states for cycles that there are none of."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _explore(model: Model[State], limit: int, promises: Collection[str]) -> Exploration:
    first = model.initial()
    graph = _Graph(first)
    ends = [0] if model.is_end(first) else []
    number = 0
    while number < len(graph.states):
        for _, state in model.steps(graph.states[number]):
            if not graph.add(number, state):
                continue
            newest = len(graph.states) - 1
            broken = model.violation(state)
            if broken is not None and (not promises or broken in promises):
                return _found(model, graph, newest, broken)
            if model.is_end(state):
                ends.append(newest)
        number += 1
        if len(graph.states) > limit:
            raise TooManyStatesError(f"more than {limit:,} states; {number:,} looked at")
    trapped = graph.first_without_way_to(ends)
    if trapped is not None:
        return _found(model, graph, trapped, STUCK, ends=len(ends))
    return Exploration(len(graph.states), len(graph.goals), len(ends))


def _found(
    model: Model[State], graph: _Graph[State], number: int, broken: str, *, ends: int = 0
) -> Exploration:
    trace = tuple(_events(model, graph.way_to(number)))
    return Exploration(len(graph.states), len(graph.goals), ends, broken, trace)


def _events(model: Model[State], way: list[State]) -> Iterator[Event]:
    for origin, goal in pairwise(way):
        yield next(event for event, state in model.steps(origin) if state == goal)
