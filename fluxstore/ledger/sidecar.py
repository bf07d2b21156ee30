"""``SidecarLedger``: the contract's ``Ledger`` on a SQLite database beside the user's files."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import attrs

from fluxstore.adapter import Control, Cursor, Mark, Part
from fluxstore.codec import Codec
from fluxstore.entity import Entities
from fluxstore.errors import LeaseError, SealedError, StalePhaseError
from fluxstore.ledger.base import Sidecar
from fluxstore.ledger.database import SQL
from fluxstore.ledger.lock import KernelLock
from fluxstore.ledger.writer import Transaction
from fluxstore.records import UNTOUCHED, Key, Problem, Reason, Rejected, Version

_FORGET_EVERY = 256


class SidecarLedger(Sidecar):
    """What an adapter without transactions keeps beside its records, as the contract says."""

    def __init__(
        self,
        folder: Path,
        entities: Entities,
        *,
        read_only: bool = False,
        lock_timeout_seconds: float = 30.0,
        op_retention_seconds: float = 3600.0,
    ) -> None:
        """Keep the ledger of the files in *folder*; nothing is opened yet."""
        super().__init__(folder, read_only=read_only, lock_timeout_seconds=lock_timeout_seconds)
        self._entities = entities
        self._op_retention_seconds = op_retention_seconds
        self._remembered = 0

    # control and versions

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        with self.reading() as connection:
            row = connection and connection.execute(SQL["control"], (entity,)).fetchone()
            return Control(*row) if row else None

    def set_control(self, entity: str, expected: Control | None, control: Control) -> bool:
        """Compare and set under the exclusive fence; ``False`` where *expected* is not there."""

        def work(transaction: Transaction) -> bool:
            row = transaction.run("control_row", entity).fetchone()
            if (Control(*row) if row else None) != expected:
                return False
            transaction.run("set_control", entity, *attrs.astuple(control))
            return True

        return self.submit(work)

    def fence(self, transaction: Transaction, entity: str) -> Control | None:
        """Return the control that a write of *entity* is under (``None``: no policy rules it).

        ``SealedError`` while a cutover holds writes back, ``StalePhaseError`` where this backend is
        not the authority.
        """
        row = transaction.run("control", entity).fetchone()
        control = Control(*row) if row else None
        if control is not None and control.role in ("sealed", "committing"):
            raise SealedError(
                f"a cutover (epoch {control.epoch}) holds writes back",
                entity=entity,
                next_step="try again in a moment",
            )
        if control is not None and control.role != "authority":
            raise StalePhaseError(
                f"this backend is {control.role} in epoch {control.epoch}, so it takes no writes",
                entity=entity,
                next_step="refresh the phase and write to the authority",
            )
        return control

    def touch(
        self, transaction: Transaction, entity: str, key: str, *, epoch: int, deleted: bool
    ) -> Version:
        """Give a record its next version and mark it for the follower; return the version."""
        row = transaction.run("versions", entity, json.dumps([key])).fetchone()
        known = Version(row[1], row[2]) if row else UNTOUCHED
        version = Version(epoch, known.seq + 1, deleted)
        values = (entity, key, version.epoch, version.seq, deleted)
        transaction.run("set_version", *values)
        transaction.run("mark", *values)
        return version

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        codec = Codec.of(self._entities[entity])
        texts = {codec.key_text(key): key for key in keys}
        with self.reading() as connection:
            if connection is None:
                return {}
            found = versions_of(connection, entity, list(texts))
            return {texts[text]: version for text, version in found.items()}

    def set_version(
        self, transaction: Transaction, entity: str, key: str, version: Version
    ) -> None:
        """Say how new a record is, without a mark: it came with its version."""
        values = (entity, key, version.epoch, version.seq, version.deleted)
        transaction.run("set_version", *values)

    # outbox

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks of the outbox."""
        codec = Codec.of(self._entities[entity])
        with self.reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(SQL["marks"], (entity, limit))
            return [
                Mark(entity, codec.key_of_text(key), Version(epoch, seq, bool(deleted)))
                for key, epoch, seq, deleted in rows
            ]

    def clear(self, marks: Sequence[Mark]) -> int:
        """Clear each mark that still is the one given; return how many."""

        def work(transaction: Transaction) -> int:
            return sum(
                transaction.run(
                    "clear",
                    mark.entity,
                    Codec.of(self._entities[mark.entity]).key_text(mark.key),
                    mark.version.epoch,
                    mark.version.seq,
                ).rowcount
                for mark in marks
            )

        return self.submit(work) if marks else 0

    # operations

    def is_repeated(
        self, transaction: Transaction, op_id: str, entity: str, keys: Iterable[str]
    ) -> bool:
        """Tell whether the operation has changed one of *keys* of *entity* before."""
        done = {row[0] for row in transaction.run("op_keys", op_id, entity)}
        return not done.isdisjoint(keys)

    def remember(
        self,
        transaction: Transaction,
        op_id: str,
        entity: str,
        versions: Mapping[str, Version | None],
    ) -> None:
        """Keep what an operation has changed: key text to version, while it may be repeated."""
        now = int(time.time())
        for key, version in versions.items():
            known = version or UNTOUCHED
            transaction.run("remember_op", op_id, entity, key, known.epoch, known.seq, now)
        self._remembered += 1
        if self._remembered % _FORGET_EVERY == 1:
            transaction.run("forget_ops", now - int(self._op_retention_seconds))

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


def versions_of(
    connection: sqlite3.Connection, entity: str, keys: Sequence[str]
) -> dict[str, Version]:
    """Return the versions of touched keys, all as text."""
    rows = connection.execute(SQL["versions"], (entity, json.dumps(keys)))
    return {key: Version(epoch, seq, bool(deleted)) for key, epoch, seq, deleted in rows}


def _problem(facts: dict[str, str]) -> Problem:
    return Problem(**{**facts, "reason": Reason(facts["reason"])})  # type: ignore[arg-type]
