"""Looks for one order of a key's calls that explains all that they saw.

A call takes effect at one instant between its begin and its end; one whose outcome is unknown at
any instant since its begin, or never. What is seen only narrows the choice: of all appends at most
one can come next, because the longest sight of a life tells its order; a look is placed as soon as
it fits, since it changes nothing. Left to try are creates and deletes of unknown outcome, after
what is known to have happened: of those that are alike only the one that began first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from harness.history import NEVER, Call, Entries

Value = Entries | None


@attrs.frozen
class _State:
    value: Value
    done: int
    """A bit for each call that has been placed."""


class _Search:
    def __init__(self, calls: Sequence[Call]) -> None:
        relevant = sorted(_relevant(calls), key=lambda call: call.began)
        settled = [call for call in relevant if call.ended != NEVER]
        self.settled = len(settled)
        self.calls = [*settled, *(call for call in relevant if call.ended == NEVER)]
        self.chains = _chains(calls)
        self.must = (1 << self.settled) - 1
        self.furthest = _State(None, 0)

    def run(self) -> bool:
        """Tell whether there is an order."""
        seen: set[_State] = set()
        waiting = [_State(None, 0)]
        while waiting:
            state = self._with_looks(waiting.pop())
            if state.done & self.must == self.must:
                return True
            if state in seen:
                continue
            seen.add(state)
            if state.done.bit_count() >= self.furthest.done.bit_count():
                self.furthest = state
            waiting += [self._placed(state, number) for number in reversed([*self._next(state)])]
        return False

    def open_calls(self, state: _State) -> Iterator[int]:
        """Yield the calls that may be next: begun before any call that is not done has ended."""
        first_end = NEVER
        first_left = (~state.done & (state.done + 1)).bit_length() - 1
        for number in range(first_left, self.settled):
            call = self.calls[number]
            if call.began > first_end:
                break
            if not state.done >> number & 1:
                first_end = min(first_end, call.ended)
                yield number
        for number in range(self.settled, len(self.calls)):
            if not state.done >> number & 1 and self.calls[number].began <= first_end:
                yield number

    def _with_looks(self, state: _State) -> _State:
        """Place every look that fits, as often as one that does opens others."""
        placed = True
        while placed:
            placed = False
            for number in list(self.open_calls(state)):
                if _looks(self.calls[number]) and _fits(self.calls[number], state.value):
                    state = attrs.evolve(state, done=state.done | 1 << number)
                    placed = True
        return state

    def _next(self, state: _State) -> Iterator[int]:
        tried = set[str]()
        for number in self.open_calls(state):
            call = self.calls[number]
            if _looks(call) or not self._possible(call, state.value):
                continue
            if not self._has_others_alike(call):
                yield number
            elif call.verb not in tried:
                tried.add(call.verb)
                yield number

    def _has_others_alike(self, call: Call) -> bool:
        """Tell whether a call's place could be any other's of its verb: nobody saw what it did.

        Whatever began may come at any time from then on, so that the first is as good as others.
        """
        return call.ended == NEVER and (call.verb == "delete" or call.op not in self.chains)

    def _possible(self, call: Call, value: Value) -> bool:
        if call.verb == "create":
            return value is None
        if value is None:
            return False
        if call.verb == "delete":
            return not call.saw or call.entries == value
        chain = self.chains.get(value[0], value)
        return len(chain) > len(value) and chain[len(value)] == call.op

    def _placed(self, state: _State, number: int) -> _State:
        call = self.calls[number]
        match call.verb:
            case "create":
                value: Value = (call.op,)
            case "append":
                value = (*(state.value or ()), call.op)
            case _:
                value = None
        return _State(value, state.done | 1 << number)

    def tell(self) -> str:
        """Return how far the best order came, and what did not fit any more."""
        state = self.furthest
        left = [self.calls[n] for n in self.open_calls(state)]
        stuck = ", ".join(_told(call) for call in left if call.ended != NEVER)
        done = f"{state.done.bit_count()} of {len(self.calls)}"
        return f"after {done} calls the record is {_shown(state.value)}; then nothing fits: {stuck}"


def unexplained(calls: Sequence[Call]) -> str:
    """Return why no order explains a key's calls, or an empty text where one does."""
    search = _Search(calls)
    return "" if search.run() else search.tell()


def _relevant(calls: Sequence[Call]) -> Iterator[Call]:
    """Yield what must or may be placed: a repeated call's sight is a look of its own.

    An append that nobody saw can be left out; a create cannot, since a delete may have needed it.
    """
    entries = {entry for call in calls if call.saw for entry in call.entries or ()}
    for call in calls:
        may = call.outcome == "unknown" and (call.verb != "append" or call.op in entries)
        if call.outcome == "ok" and call.repeated and call.verb != "read":
            yield attrs.evolve(call, saw=False, entries=None)
            if call.saw and call.verb != "delete":
                yield attrs.evolve(call, op=f"{call.op}'", verb="read")
        elif call.outcome == "ok":
            yield call
        elif may and call.verb != "read":
            yield attrs.evolve(call, ended=NEVER)
        elif call.outcome == "fail" and call.exists is not None:
            yield call


def _chains(calls: Sequence[Call]) -> dict[str, Entries]:
    longest: dict[str, Entries] = {}
    for call in calls:
        if call.saw and call.entries and len(call.entries) > len(longest.get(call.entries[0], ())):
            longest[call.entries[0]] = call.entries
    return longest


def _looks(call: Call) -> bool:
    return call.verb == "read" or call.outcome == "fail"


def _fits(call: Call, value: Value) -> bool:
    if call.outcome == "fail":
        return call.exists is (value is not None)
    return call.entries == value


def _told(call: Call) -> str:
    if call.outcome == "fail":
        return f"{call.verb} {call.op} refused, as if it was {'there' if call.exists else 'absent'}"
    return f"{call.verb} {call.op} saw {_shown(call.entries) if call.saw else 'nothing'}"


def _shown(value: Value) -> str:
    if value is None:
        return "absent"
    return f"[{value[0]}, … {value[-1]}] ({len(value)})"
