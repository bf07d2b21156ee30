"""Inside a write in PostgreSQL: does the fence make check and commit one instant?

A client's statement meets a BEFORE STATEMENT trigger: a shared advisory lock, then the control row
in the next query, then the row, and at some later time the commit. The migrator takes the lock
exclusively, sets control to *sealed* and commits; from then on nobody may commit here, because the
outbox is drained on that assumption. Snapshots are PostgreSQL's (manual, chapter 13.2): at READ
COMMITTED each query has its own, at REPEATABLE READ the transaction has that of its first query.
A client that is refused or fails to serialise has ended: it will find the other store.

SQLite needs no model: BEGIN IMMEDIATE makes the whole transaction one instant for every writer, and
a deferred transaction whose snapshot is older fails to become a writer (SQLITE_BUSY_SNAPSHOT).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import attrs

from protocol_model.explorer import Event
from protocol_model.state import replaced

READ_COMMITTED, REPEATABLE_READ = "READ COMMITTED", "REPEATABLE READ"
IDLE, BEGUN, STARTED, QUERIED, LOCKED, WRITTEN = range(6)
COMMITTED, REFUSED = 6, 7
NEXT_QUERY, SAME_QUERY, STATEMENT = "next query", "same query", "statement"
"""Whose snapshot the check sees: a query after the lock, the lock's own, or the write's."""


class Client(NamedTuple):
    """A transaction: how far it is, which seals its snapshot shows, which locks it holds."""

    stage: int
    snapshot: int | None
    locked: bool
    shares_row: bool


class Fenced(NamedTuple):
    """One store: how often it was sealed (0 or 1), who is at work, what the migrator holds."""

    sealed: int
    clients: tuple[Client, ...]
    migrator: int
    broken: str | None


OUTSIDE, LOCKS, UPDATES, SEALS = range(4)
"""The migrator's transaction: not begun, exclusive lock held, control updated, committed."""


@attrs.frozen
class Fence:
    """The fence of one store, with clients of the given isolation levels."""

    isolation: tuple[str, ...] = (READ_COMMITTED, REPEATABLE_READ)
    locks: bool = True
    """The trigger takes the shared lock at all."""
    check: str = NEXT_QUERY
    locks_until_commit: bool = True
    """The lock is the transaction's, not the statement's."""
    for_share: bool = True
    """Above READ COMMITTED the control row is read FOR SHARE."""

    def initial(self) -> Fenced:
        """Return an unsealed store; nobody is at work."""
        client = Client(IDLE, None, locked=False, shares_row=False)
        return Fenced(0, (client,) * len(self.isolation), OUTSIDE, None)

    def steps(self, state: Fenced) -> Iterator[tuple[Event, Fenced]]:
        """Yield every step of a client or of the migrator."""
        for who, client in enumerate(state.clients):
            if client.stage in STAGES:
                yield from STAGES[client.stage](self, state, who)
        yield from self._seal(state)

    def violation(self, state: Fenced) -> str | None:
        """Return I1 where a write was committed after the seal: nobody will ever copy it."""
        return state.broken

    def is_end(self, state: Fenced) -> bool:
        """Return whether the store is sealed and every client has committed or was refused."""
        return state.migrator == SEALS and all(c.stage > WRITTEN for c in state.clients)

    def _seal(self, state: Fenced) -> Iterator[tuple[Event, Fenced]]:
        if state.migrator == OUTSIDE and not any(client.locked for client in state.clients):
            yield Event("migrator", "locks"), state._replace(migrator=LOCKS)
        elif state.migrator == LOCKS and not any(c.shares_row for c in state.clients):
            yield Event("migrator", "updates control"), state._replace(migrator=UPDATES)
        elif state.migrator == UPDATES:
            yield Event("migrator", "commits the seal"), state._replace(migrator=SEALS, sealed=1)

    def _begin(self, state: Fenced, who: int) -> Iterator[tuple[Event, Fenced]]:
        """Begin, at REPEATABLE READ with a query that fixes the snapshot."""
        snapshot = state.sealed if self.isolation[who] == REPEATABLE_READ else None
        client = state.clients[who]._replace(stage=BEGUN, snapshot=snapshot)
        yield Event(f"client {who}", "begins"), _with(state, who, client)

    def _start(self, state: Fenced, who: int) -> Iterator[tuple[Event, Fenced]]:
        """The write's statement begins; its trigger has not run yet."""
        client = state.clients[who]._replace(stage=STARTED)
        if self.check == STATEMENT and client.snapshot is None:
            client = client._replace(snapshot=state.sealed)
        yield Event(f"client {who}", "starts its statement"), _with(state, who, client)

    def _query(self, state: Fenced, who: int) -> Iterator[tuple[Event, Fenced]]:
        """The trigger's query for the lock begins, and may have to wait for it."""
        client = state.clients[who]._replace(stage=QUERIED)
        if self.check == SAME_QUERY and client.snapshot is None:
            client = client._replace(snapshot=state.sealed)
        yield Event(f"client {who}", "asks for the lock"), _with(state, who, client)

    def _lock(self, state: Fenced, who: int) -> Iterator[tuple[Event, Fenced]]:
        if self.locks and state.migrator in (LOCKS, UPDATES):
            return
        client = state.clients[who]._replace(stage=LOCKED, locked=self.locks)
        yield Event(f"client {who}", "has the lock"), _with(state, who, client)

    def _write(self, state: Fenced, who: int) -> Iterator[tuple[Event, Fenced]]:
        """Check control in the snapshot there is, then write."""
        client = state.clients[who]
        shares = self.for_share and self.isolation[who] == REPEATABLE_READ
        seen = state.sealed if client.snapshot is None else client.snapshot
        if shares and state.migrator == UPDATES:
            return
        if seen or (shares and seen != state.sealed):
            gone = Client(REFUSED, None, locked=False, shares_row=False)
            yield Event(f"client {who}", "is refused"), _with(state, who, gone)
            return
        locked = client.locked and self.locks_until_commit
        written = Client(WRITTEN, client.snapshot, locked, shares)
        yield Event(f"client {who}", "writes"), _with(state, who, written)

    def _commit(self, state: Fenced, who: int) -> Iterator[tuple[Event, Fenced]]:
        done = Client(COMMITTED, None, locked=False, shares_row=False)
        after = _with(state, who, done)
        yield (
            Event(f"client {who}", "commits"),
            after._replace(broken="I1" if state.sealed else None),
        )


STAGES = {
    IDLE: Fence._begin,
    BEGUN: Fence._start,
    STARTED: Fence._query,
    QUERIED: Fence._lock,
    LOCKED: Fence._write,
    WRITTEN: Fence._commit,
}


def _with(state: Fenced, who: int, client: Client) -> Fenced:
    return state._replace(clients=replaced(state.clients, who, client))
