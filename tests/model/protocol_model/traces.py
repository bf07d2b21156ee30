"""Is a recorded run a path of the model? The stable entrance for checking real code.

A run is a sequence of events, each as precise as the recorder knows: ``None`` in a field stands for
anything. Steps that nobody can see, such as a process dying, are *hidden*: they may happen between
two events in any number. A commit that was refused changed nothing, so the model has no step for
it: it may be recorded anywhere. All states that the run may have led to are followed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from protocol_model.explorer import Event, Model, State

Hides = Callable[[Event], bool]

UNSEEN_VERBS = frozenset({"dies", "gives up its leg"})
"""What no process of a real run lives to tell, or cares to."""


@attrs.frozen
class Verdict:
    """Whether a run is a path of the model, and where it left it.

    ``matched`` events were accepted; where it is not a path, ``refused`` is the next one, and
    ``possible`` are the events that the model would have accepted there. ``broken`` is a promise
    that the run has broken on every path that leads to it, if there is one.
    """

    accepted: bool
    matched: int
    refused: Event | None = None
    possible: tuple[Event, ...] = ()
    broken: str | None = None

    def __str__(self) -> str:
        if self.accepted:
            return f"a path of the model, {self.matched} events" + (
                f", which breaks {self.broken}" if self.broken else ""
            )
        choice = "; ".join(map(str, self.possible)) or "nothing"
        return (
            f"event {self.matched + 1} is no step of the model: {self.refused}; possible: {choice}"
        )


def unseen(event: Event) -> bool:
    """Return whether *event* is one of ``UNSEEN_VERBS``."""
    return event.verb in UNSEEN_VERBS


def is_idle(event: Event) -> bool:
    """Return whether *event* is a refused commit: its process had an old idea of the phase."""
    client = str(event.actor).startswith(("writer", "foreign"))
    return client and event.verb == "is refused"


def accepts(model: Model[State], run: Sequence[Event], *, hides: Hides = unseen) -> Verdict:
    """Return whether *run* is a path of *model* from its beginning, hidden steps aside."""
    states = _closed(model, {model.initial()}, hides)
    for matched, seen in enumerate(run):
        following = {
            state
            for origin in states
            for event, state in model.steps(origin)
            if seen.matches(event)
        }
        if is_idle(seen):
            following |= states
        if not following:
            return Verdict(False, matched, seen, _possible(model, states, hides))
        states = _closed(model, following, hides)
    broken = {model.violation(state) for state in states}
    return Verdict(True, len(run), broken=None if None in broken else min(map(str, broken)))


def _closed(model: Model[State], states: set[State], hides: Hides) -> set[State]:
    """Return *states* and every state that hidden steps lead to from them."""
    closed, waiting = set(states), list(states)
    while waiting:
        for event, state in model.steps(waiting.pop()):
            if hides(event) and state not in closed:
                closed.add(state)
                waiting.append(state)
    return closed


def _possible(model: Model[State], states: Iterable[State], hides: Hides) -> tuple[Event, ...]:
    found = {event for state in states for event, _ in model.steps(state) if not hides(event)}
    return tuple(sorted(found, key=str))
