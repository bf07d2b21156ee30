"""The follower leg: what was just written, carried to the other side within a budget.

One standing thread a direction carries what all threads of the application have written, at once
where it can. Whatever becomes of it, the write is durable and its mark is there: what the leg does
not carry, the relay does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import attrs

from fluxstore.adapter import Adapter
from fluxstore.entity import Entities
from fluxstore.errors import FluxstoreError, SealedError, StalePhaseError
from fluxstore_phases.attendant import Attendant
from fluxstore_phases.breaker import Advice, Breaker, Health
from fluxstore_phases.carriage import Carriage, Parcel, Receipt, Written, parcels

log = logging.getLogger("fluxstore.phases")

FACT = "follower"
"""The ledger's fact of the authority: whether some process found the follower not to follow."""
CAPACITY = 10_000
"""How many writes may queue; more leave it to the relay."""


@attrs.define(eq=False)
class Ticket:
    """What one call has written, and what became of it at the follower."""

    written: Sequence[Written]
    done: threading.Event = attrs.field(factory=threading.Event)
    problem: str = ""
    """Why the follower has not taken it; empty where it has, or a phase change came between."""


@attrs.frozen
class Ends:
    """What a leg runs between; both are opened when first needed."""

    origin: Callable[[], Adapter]
    follower: Callable[[], Adapter]
    follower_name: str
    entities: Entities


class Leg(Attendant):
    """Carries writes from one side to the other."""

    def __init__(
        self, ends: Ends, *, budget_seconds: float, left: Callable[[], None], breaker: Breaker
    ) -> None:
        """Wait *budget_seconds* at most; *left* is told when marks stay for the relay."""
        self._ends, self._budget_seconds, self._left = ends, budget_seconds, left
        self.breaker = breaker
        self._told_open = False
        super().__init__(f"fluxstore-leg-{ends.follower_name}")

    def forget(self) -> None:
        """Begin with an empty queue."""
        super().forget()
        self._queue: deque[Ticket] = deque()
        self._transaction = threading.local()
        ends = self._ends
        self._carriage = Carriage(ends.origin, ends.follower, entities=ends.entities)

    # what the application's threads do

    def follow(self, written: Sequence[Written]) -> str:
        """Carry *written*, in the open transaction's case once that has ended.

        Returns why the follower has not taken it, or an empty string. Never waits longer than the
        budget, and raises nothing: the write is durable already.
        """
        collected: list[Written] | None = getattr(self._transaction, "collected", None)
        if collected is not None:
            collected.extend(one.unsure() for one in written)
            return ""
        return self._follow(Ticket(written))

    def _follow(self, ticket: Ticket) -> str:
        advice = self.breaker.advice()
        if advice is Advice.SKIP:
            return self.breaker.health.problem
        if len(self._queue) >= CAPACITY:
            self.breaker.failed(f"{CAPACITY} writes wait for it")
            return self.breaker.health.problem
        if not self.start():
            return "no thread could be started"
        self._queue.append(ticket)
        self.wake()
        if advice is Advice.PROBE:
            return self.breaker.health.problem
        return self._awaited(ticket)

    def _awaited(self, ticket: Ticket) -> str:
        if ticket.done.wait(self._budget_seconds):
            return ticket.problem
        problem = f"no answer within {self._budget_seconds * 1000:g} ms"
        self.breaker.failed(problem)
        self.wake()
        return problem

    @contextmanager
    def around(self, failed: Callable[[str], None]) -> Iterator[None]:
        """Carry what this thread writes in the context once it has ended well, in one go.

        *failed* is called with the reason where the follower has not taken it.
        """
        if getattr(self._transaction, "collected", None) is not None:
            yield  # inside another one: the outermost carries
            return
        collected: list[Written] = []
        self._transaction.collected = collected
        try:
            yield
        finally:
            self._transaction.collected = None
        if collected and (problem := self._follow(Ticket(collected))):
            failed(problem)

    # what the standing thread does

    def turn(self) -> None:
        """Carry everything that is queued."""
        while self._queue and not self.is_closing():
            tickets = [self._queue.popleft() for _ in range(len(self._queue))]
            receipt = Receipt()
            try:
                self._carry_all(tickets, receipt)
            finally:
                for ticket in tickets:
                    ticket.done.set()
            if receipt.marks and not self._carriage.note(receipt):
                self._left()
        self._tell()

    def close(self, seconds: float = 10.0) -> None:
        """End; who still waits is let go, and the marks stay."""
        super().close(seconds)
        for ticket in list(self._queue):
            ticket.problem = "the store was closed"
            ticket.done.set()

    def _carry_all(self, tickets: Sequence[Ticket], receipt: Receipt) -> None:
        """Carry what *tickets* wrote; nobody waits for the *receipt* of it to be noted."""
        problems: dict[tuple[str, int], str] = {}
        for parcel in parcels(chain(*(ticket.written for ticket in tickets))):
            problems[parcel.entity.name, parcel.epoch] = self._carried(parcel, receipt)
        for ticket in tickets:
            found = (problems[one.entity.name, one.epoch] for one in ticket.written)
            ticket.problem = next(filter(None, found), "")

    def _carried(self, parcel: Parcel, receipt: Receipt) -> str:
        """Carry one parcel; return what went wrong."""
        began = time.monotonic()
        try:
            problem, done = self._carriage.carry(parcel)
        except (StalePhaseError, SealedError) as error:
            log.debug("a phase change is under way, marks stay: %s", error)
            self._left()
            return ""
        except FluxstoreError as error:
            return self._failed(str(error))
        except Exception as error:
            log.exception("carrying to %s failed", self._ends.follower_name)
            return self._failed(f"{type(error).__name__}: {error}")
        receipt.add(done)
        if problem:
            return self._failed(problem)
        self._judge(time.monotonic() - began)
        return ""

    def _judge(self, seconds: float) -> None:
        """Count what took longer than its budget as a failure: somebody has waited for nothing."""
        if seconds > self._budget_seconds:
            self.breaker.failed(f"took {seconds * 1000:.0f} ms")
        else:
            self.breaker.succeeded()

    def _failed(self, problem: str) -> str:
        self.breaker.failed(problem)
        self._left()
        return problem

    def _tell(self) -> None:
        """Say once when the breaker opens and when it closes: in the log and in the ledger."""
        health, name = self.breaker.health, self._ends.follower_name
        if health.is_open is self._told_open:
            return
        self._told_open = health.is_open
        if health.is_open:
            log.warning("%s does not follow, marks wait for it: %s", name, health.problem)
        else:
            log.warning("%s follows again", name)
        try:
            self._ends.origin().ledger.set_fact(FACT, _told(name, health))
        except FluxstoreError as error:
            log.warning("how %s is cannot be written down: %s", name, error)


def _told(name: str, health: Health) -> dict[str, Any]:
    return {
        "follower": name,
        "follows": not health.is_open,
        "problem": health.problem,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
