"""One operation whose connection dies: what the caller is told, and what a retry does.

The operation is a transaction at the authority. Its connection may die while the server is still
at work, so that the transaction ends later, or after its commit. The client asks a new connection
what became of it, gives up at its deadline, and retries with the same op_id, meanwhile perhaps at
the other side of a cutover. A caller who was told that it failed may do something else instead, so
a failure must have no effect, then or later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import attrs

from protocol_model.explorer import Event
from protocol_model.state import SIDES, SOURCE, TARGET, replaced

NEVER, UNDER_WAY, COMMITTED, ABORTED = "never", "under way", "committed", "aborted"
CALLING, WAITING, UNSURE, TOLD_UNKNOWN = "calling", "waiting", "unsure", "told unknown"
TOLD_DONE, TOLD_FAILED = "told done", "told failed"
OPEN, SEALED, MOVED = "open", "sealed", "moved"


class Attempt(NamedTuple):
    """A transaction: at which store, what became of it, whether its connection still lives."""

    side: int
    fate: str
    connected: bool


class Asked(NamedTuple):
    """A client and its attempts, where the authority is, and which store knows the operation."""

    client: str
    attempts: tuple[Attempt, ...]
    source: str
    known: tuple[bool, ...]
    effects: int


@attrs.frozen
class Outcomes:
    """One client, one operation, at most so many attempts, and a cutover at any time."""

    attempts: int = 2
    in_progress_is_not_aborted: bool = True
    """``pg_xact_status`` saying *in progress* decides nothing."""
    silence_is_not_failure: bool = True
    """A connection that died in COMMIT is not reported as a failure."""
    has_op_id: bool = True
    """The transaction records its op_id, and a retry looks for it."""
    op_id_is_unique: bool = True
    """A retry waits for another transaction with its op_id, instead of passing it."""
    seal_waits: bool = True
    """The seal waits for transactions under way, whether or not their connections live."""
    carries_ops: bool = True
    """The cutover carries the operation's record to the target."""

    def initial(self) -> Asked:
        """Return a client that is about to call."""
        return Asked(CALLING, (), OPEN, (False, False), 0)

    def steps(self, state: Asked) -> Iterator[tuple[Event, Asked]]:
        """Yield every step of client, servers and migrator."""
        if state.client in (CALLING, TOLD_UNKNOWN):
            yield from self._call(state)
        yield from self._serve(state)
        if state.client == WAITING:
            yield from self._reply(state)
        if state.client == UNSURE:
            yield from self._ask(state)
        yield from self._cut_over(state)

    def violation(self, state: Asked) -> str | None:
        """Return I7 where an operation had two effects, or one that its caller was denied."""
        denied = state.client == TOLD_FAILED and state.effects
        promised = state.client == TOLD_DONE and not state.effects
        return "I7" if state.effects > 1 or denied or promised else None

    def is_end(self, state: Asked) -> bool:
        """Return whether the caller knows, or may ask no more, and nothing is under way."""
        knows = state.client in (TOLD_DONE, TOLD_FAILED)
        tired = state.client == TOLD_UNKNOWN and len(state.attempts) == self.attempts
        return (knows or tired) and not any(attempt.fate == UNDER_WAY for attempt in state.attempts)

    def _call(self, state: Asked) -> Iterator[tuple[Event, Asked]]:
        if state.source == SEALED or len(state.attempts) == self.attempts:
            return
        side = TARGET if state.source == MOVED else SOURCE
        under_way = any(a.fate == UNDER_WAY and a.side == side for a in state.attempts)
        if self.has_op_id and state.known[side]:
            done = state._replace(client=TOLD_DONE)
            yield Event("client", "is recognised", SIDES[side]), done
        elif not (self.has_op_id and self.op_id_is_unique and under_way):
            sent = (*state.attempts, Attempt(side, UNDER_WAY, connected=True))
            yield (
                Event("client", "calls", SIDES[side]),
                state._replace(client=WAITING, attempts=sent),
            )

    def _serve(self, state: Asked) -> Iterator[tuple[Event, Asked]]:
        for number, attempt in enumerate(state.attempts):
            if attempt.fate == UNDER_WAY:
                yield self._commit(state, number, attempt)
                ended = _with(state, number, attempt._replace(fate=ABORTED))
                yield Event("server", "aborts", SIDES[attempt.side]), ended

    def _commit(self, state: Asked, number: int, attempt: Attempt) -> tuple[Event, Asked]:
        ended = _with(state, number, attempt._replace(fate=COMMITTED))
        known = replaced(state.known, attempt.side, True)
        event = Event("server", "commits", SIDES[attempt.side])
        return event, ended._replace(known=known, effects=state.effects + 1)

    def _reply(self, state: Asked) -> Iterator[tuple[Event, Asked]]:
        number, attempt = len(state.attempts) - 1, state.attempts[-1]
        if attempt.fate in (COMMITTED, ABORTED):
            told = TOLD_DONE if attempt.fate == COMMITTED else TOLD_FAILED
            yield Event("client", "has its reply"), state._replace(client=told)
        lost = _with(state, number, attempt._replace(connected=False))
        after = UNSURE if self.silence_is_not_failure else TOLD_FAILED
        yield Event("connection", "dies"), lost._replace(client=after)

    def _ask(self, state: Asked) -> Iterator[tuple[Event, Asked]]:
        """Ask for the transaction's status; at the deadline, say that nobody knows."""
        fate = state.attempts[-1].fate
        if fate == UNDER_WAY and not self.in_progress_is_not_aborted:
            fate = ABORTED
        if fate in (COMMITTED, ABORTED):
            told = TOLD_DONE if fate == COMMITTED else TOLD_FAILED
            yield Event("client", "asks for the status"), state._replace(client=told)
        yield Event("client", "reaches its deadline"), state._replace(client=TOLD_UNKNOWN)

    def _cut_over(self, state: Asked) -> Iterator[tuple[Event, Asked]]:
        if state.source == OPEN:
            busy = any(attempt.fate == UNDER_WAY for attempt in state.attempts)
            if not (busy and self.seal_waits):
                yield Event("migrator", "seals"), state._replace(source=SEALED)
        elif state.source == SEALED:
            known = (state.known[SOURCE], state.known[SOURCE] and self.carries_ops)
            yield Event("migrator", "moves authority"), state._replace(source=MOVED, known=known)


def _with(state: Asked, number: int, attempt: Attempt) -> Asked:
    return state._replace(attempts=replaced(state.attempts, number, attempt))
