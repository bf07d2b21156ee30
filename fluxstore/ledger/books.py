"""What the sidecar keeps of migrations: cursors, quarantine, leases, parts, notes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import attrs

from fluxstore.adapter import Cursor, Part
from fluxstore.errors import LeaseError
from fluxstore.ledger.base import Sidecar
from fluxstore.ledger.database import SQL
from fluxstore.ledger.lock import KernelLock
from fluxstore.ledger.writer import Transaction
from fluxstore.records import Problem, Reason, Rejected


class Books(Sidecar):
    """The part of the contract's ``Ledger`` that has nothing to do with versions."""

    # facts

    def fact(self, name: str) -> Any:
        """Return the JSON value that is kept under *name*, or ``None``."""
        with self.reading() as connection:
            row = connection and connection.execute(SQL["note"], (name,)).fetchone()
            return json.loads(row[0]) if row else None

    def set_fact(self, name: str, value: Any) -> None:
        """Keep a JSON value under *name*, durably; ``None`` forgets it."""
        if value is not None:
            text = json.dumps(value)
            self.submit(lambda transaction: transaction.run("set_note", name, text))
        elif self.exists():
            self.submit(lambda transaction: transaction.run("drop_note", name))

    # migrations

    def cursor(self, migration: str, entity: str) -> Cursor | None:
        """Return where a migration stands, saved by the last merged batch."""
        with self.reading() as connection:
            row = connection and connection.execute(SQL["cursor"], (migration, entity)).fetchone()
            if not row:
                return None
            position, fingerprint, counts, form = row
            return Cursor(migration, entity, position, fingerprint, json.loads(counts), form)

    def save_cursor(self, transaction: Transaction, cursor: Cursor) -> None:
        """Save where a migration stands, with what it covers."""
        transaction.run(
            "set_cursor",
            cursor.migration,
            cursor.entity,
            cursor.position,
            cursor.fingerprint,
            json.dumps(dict(cursor.counts)),
            cursor.format,
        )

    def drop_cursors(self, migration: str) -> None:
        """Forget where a migration stands: it is over, or begins afresh."""
        if self.exists():
            self.submit(lambda transaction: transaction.run("drop_cursors", migration))

    def quarantine(self, entity: str) -> Sequence[Rejected]:
        """Return what is in quarantine of *entity*."""
        with self.reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(SQL["quarantine"], (entity,))
            return [Rejected(_problem(json.loads(problem)), raw) for problem, raw in rows]

    def set_quarantine(self, entity: str, rejected: Iterable[Rejected]) -> None:
        """Replace the quarantine of *entity*."""

        def work(transaction: Transaction) -> None:
            transaction.run("drop_quarantine", entity)
            for number, one in enumerate(rejected):
                problem = json.dumps(attrs.asdict(one.problem))
                transaction.run("add_quarantine", entity, number, problem, one.raw)

        self.submit(work)

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the lease *name* while the context lasts; ``LeaseError`` if another holds it."""
        self._may_write()
        return self._leased(name)

    @contextmanager
    def _leased(self, name: str) -> Iterator[None]:
        lock = KernelLock(self.folder / f"lease-{name.encode().hex()}", what=f"the lease {name}")
        if not lock.try_acquire():
            with self.reading() as connection:
                row = connection and connection.execute(SQL["lease"], (name,)).fetchone()
            holder = row[0] if row else "another process"
            raise LeaseError(
                f"the lease {name} is held by {holder}",
                holder=holder,
                next_step="wait until it is done, or stop it",
            )
        try:
            holder = f"process {os.getpid()}"
            self.submit(lambda transaction: transaction.run("set_lease", name, holder))
            yield
        finally:
            lock.release()

    # parts

    def parts(self, entity: str) -> Iterator[Part]:
        """Return the saved parts of *entity*, in order."""
        after = ("", -1)
        while True:
            with self.reading() as connection:
                found = connection.execute(SQL["parts"], (entity, *after)) if connection else ()
                rows = list(found)
            for name, number, value in rows:
                yield Part(entity, name, number, json.loads(value))
            if not rows:
                return
            after = rows[-1][:2]

    def save_parts(self, entity: str, parts: Iterable[Part]) -> int:
        """Replace the parts of *entity*, writing only what differs; return how many pieces."""

        def work(transaction: Transaction) -> int:
            ends = {row[0]: 0 for row in transaction.run("part_names", entity)}
            written = 0
            for part in parts:
                value = json.dumps(part.value)
                row = transaction.run("part", entity, part.name, part.number).fetchone()
                ends[part.name] = max(ends.get(part.name, 0), part.number + 1)
                if row is None or row[0] != value:
                    transaction.run("set_part", entity, part.name, part.number, value)
                    written += 1
            for name, end in ends.items():
                written += transaction.run("drop_parts", entity, name, end).rowcount
            return written

        return self.submit(work)


def _problem(facts: dict[str, str]) -> Problem:
    return Problem(**{**facts, "reason": Reason(facts["reason"])})  # type: ignore[arg-type]
