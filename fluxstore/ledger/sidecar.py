"""``SidecarLedger``: the contract's ``Ledger`` on a SQLite database beside the user's files."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from fluxstore.adapter import Backlog, Control, Crossed, Mark, Touch
from fluxstore.codec import Codec
from fluxstore.entity import Entities
from fluxstore.errors import SealedError, StalePhaseError
from fluxstore.ledger.books import Books
from fluxstore.ledger.database import SQL
from fluxstore.ledger.writer import Transaction
from fluxstore.records import UNTOUCHED, Key, Version

_FORGET_EVERY = 256
_PHASE_OFF = "off"

NEVER = Version(0, 0)
"""The version before the first one."""


class SidecarLedger(Books):
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

    # control

    def controls(self) -> Mapping[str, Control]:
        """Return every control record by entity (or ``*``)."""
        with self.reading() as connection:
            rows = connection.execute(SQL["controls"]) if connection else ()
            return {name: Control(*row) for name, *row in rows}

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        with self.reading() as connection:
            return control_of(connection, entity)

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Compare and set under the exclusive fence; ``False`` where *expected* is not there.

        ``None`` as *control* takes the record away; with *purge* versions, tombstones, marks and
        cursors of what it governs are forgotten, too. ``LeaseError`` names the process that is in
        the way when *patience_seconds* are over; nothing was changed.
        """

        def work(transaction: Transaction) -> bool:
            row = transaction.run("control_row", entity).fetchone()
            if (Control(*row) if row else None) != expected:
                return False
            if purge:
                _forget(transaction, entity)
            if control is None:
                transaction.run("drop_control", entity)
            else:
                transaction.run("set_control", entity, *attrs.astuple(control))
            return True

        with self.alone(patience_seconds):
            return self.submit(work)

    def fence(self, transaction: Transaction, entity: str) -> Control | None:
        """Return the control that a write of *entity* is under (``None``: no policy rules it).

        ``SealedError`` while a cutover holds writes back, ``StalePhaseError`` where this backend is
        not the authority.
        """
        control = control_of(transaction.connection, entity)
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

    def fence_follower(
        self, transaction: Transaction, entity: str, epoch: int | None = None
    ) -> Control | None:
        """Return the control that what comes from an authority is under (``None``: there is none).

        ``StalePhaseError`` where this backend is not follower, or not in *epoch*.
        """
        control = control_of(transaction.connection, entity)
        if control is None and epoch is not None:
            raise StalePhaseError(
                f"no policy rules this backend, so it takes nothing of epoch {epoch}",
                entity=entity,
                next_step="refresh the phase",
            )
        if control is None:
            return None
        if control.role != "follower" or epoch not in (None, control.epoch):
            asked = "" if epoch is None else f" of epoch {epoch}"
            raise StalePhaseError(
                f"this backend is {control.role} in epoch {control.epoch}, so it takes nothing from"
                f" an authority{asked}",
                entity=entity,
                next_step="refresh the phase",
            )
        return control

    def fence_batch(self, transaction: Transaction, entity: str, epoch: int | None) -> None:
        """Let a batch pass to a follower; in phase off, where nobody follows, an offline copy's.

        ``StalePhaseError`` as ``fence_follower``.
        """
        control = control_of(transaction.connection, entity)
        if epoch is not None or (control is not None and control.phase != "off"):
            self.fence_follower(transaction, entity, epoch)

    # versions

    def touch(
        self,
        transaction: Transaction,
        entity: str,
        keys: Mapping[str, bool],
        control: Control | None,
        *,
        new: Container[str] = (),
    ) -> dict[str, Version]:
        """Give records their next versions, and marks where there is a follower.

        *keys* says of each key (as text) whether the record is deleted; those in *new* had none. In
        phase ``off`` and without *control* only records that have a version get another: versions
        are sparse.
        """
        known, followed = versions_of(transaction.connection, entity, keys), is_migrating(control)
        epoch = control.epoch if control is not None else 0
        made: dict[str, Version] = {}
        for key, deleted in keys.items():
            before = known.get(key, NEVER if key in new else UNTOUCHED)
            if followed or key in known:
                made[key] = Version(max(epoch, before.epoch), before.seq + 1, deleted)
        self.set_versions(transaction, entity, made)
        if followed:
            now = _milliseconds()
            marks = [(*row, now) for row in _rows(entity, made)]
            transaction.connection.executemany(SQL["mark"], marks)
        return made

    def set_versions(
        self, transaction: Transaction, entity: str, versions: Mapping[str, Version]
    ) -> None:
        """Say how new records are (keys as text), without a mark."""
        transaction.connection.executemany(SQL["set_version"], _rows(entity, versions))

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        texts = self._texts(entity, keys)
        with self.reading() as connection:
            found = versions_of(connection, entity, list(texts)) if connection else {}
            return {texts[text]: version for text, version in found.items()}

    def touched(self, entity: str, after: int, limit: int) -> Sequence[Touch]:
        """Return up to *limit* touched keys beyond *after*, the last written last."""
        key_of = Codec.of(self._entities[entity]).key_of_text
        with self.reading() as connection:
            rows = connection.execute(SQL["touched"], (entity, after, limit)) if connection else ()
            return [Touch(key_of(key), number) for key, number in rows]

    def last_touch(self, entity: str) -> int:
        """Return the place of the last key that was written; one writes at a time."""
        with self.reading() as connection:
            if connection is None:
                return 0
            return int(connection.execute(SQL["last_touch"], (entity,)).fetchone()[0])

    def _texts(self, entity: str, keys: Iterable[Key]) -> dict[str, Key]:
        text_of = Codec.of(self._entities[entity]).key_text
        return {text_of(key): key for key in keys}

    # outbox

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks of the outbox, the oldest first."""
        key_of = Codec.of(self._entities[entity]).key_of_text
        with self.reading() as connection:
            rows = connection.execute(SQL["marks"], (entity, limit)) if connection else ()
            return [
                Mark(entity, key_of(key), Version(epoch, seq, bool(deleted)))
                for key, epoch, seq, deleted in rows
            ]

    def backlog(self, entity: str) -> Backlog:
        """Return how many marks of *entity* there are, and how old the oldest is."""
        with self.reading() as connection:
            if connection is None:
                return Backlog(0)
            marks, oldest = connection.execute(SQL["backlog"], (entity,)).fetchone()
            age = max(0, _milliseconds() - oldest) / 1000 if marks else 0.0
            return Backlog(marks, age)

    def clear(self, marks: Sequence[Mark], crossed: Sequence[Crossed] = ()) -> int:
        """Clear each mark that still is the one given; return how many."""
        rows = [
            (one.entity, self._text(one.entity, one.key), one.version.epoch, one.version.seq)
            for one in marks
        ]

        def work(transaction: Transaction) -> int:
            for one in crossed:
                self._cross(transaction.connection, one)
            return transaction.connection.executemany(SQL["clear"], rows).rowcount

        return self.submit(work) if rows or crossed else 0

    def _cross(self, connection: sqlite3.Connection, crossed: Crossed) -> None:
        control = control_of(connection, crossed.entity)
        if control is not None and crossed.is_of(control):
            text = self._text(crossed.entity, crossed.key)
            rows = [(control.migration, crossed.entity, text, op_id) for op_id in crossed.op_ids]
            connection.executemany(SQL["cross"], rows)

    def _text(self, entity: str, key: Key) -> str:
        return Codec.of(self._entities[entity]).key_text(key)

    # operations

    def operations(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return the ids of the operations that changed *keys* and may still be repeated."""
        return self._op_ids("operations", entity, keys)

    def owed(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return those of them that are not known to have crossed."""
        return self._op_ids("owed", entity, keys)

    def _op_ids(self, asked: str, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        texts, since = self._texts(entity, keys), int(time.time() - self._op_retention_seconds)
        found: dict[Key, list[str]] = {}
        with self.reading() as connection:
            values = (entity, json.dumps(list(texts)), since)
            for text, op_id in connection.execute(SQL[asked], values) if connection else ():
                found.setdefault(texts[text], []).append(op_id)
        return found

    def operated(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys that operations have changed, in the order of their texts."""
        codec, since = self._entities[entity], int(time.time() - self._op_retention_seconds)
        text = "" if after is None else Codec.of(codec).key_text(after)
        with self.reading() as connection:
            values = (entity, text, since, limit)
            rows = connection.execute(SQL["operated"], values) if connection else ()
            return [Codec.of(codec).key_of_text(key) for (key,) in rows]

    def is_repeated(
        self, transaction: Transaction, op_id: str, entity: str, keys: Iterable[str]
    ) -> bool:
        """Tell whether the operation has changed one of *keys* of *entity* before."""
        found = transaction.run("is_done", entity, json.dumps(list(keys)), op_id)
        return found.fetchone() is not None

    def remember(
        self,
        transaction: Transaction,
        entity: str,
        versions: Mapping[str, Version | None],
        op_ids: Sequence[str],
        *,
        have_crossed: bool = False,
    ) -> None:
        """Keep what operations have changed: key text to version, while they may be repeated.

        Those that *have_crossed* came from the other side.
        """
        now = int(time.time())
        control = control_of(transaction.connection, entity) if have_crossed else None
        crossed = control.migration if control is not None else ""
        known = {key: version or UNTOUCHED for key, version in versions.items()}
        rows = [
            (op_id, entity, key, version.epoch, version.seq, now, crossed)
            for key, version in known.items()
            for op_id in op_ids
        ]
        transaction.connection.executemany(SQL["remember_op"], rows)
        self._remembered += 1
        if self._remembered % _FORGET_EVERY == 1:
            transaction.run("forget_ops", now - int(self._op_retention_seconds))


def _forget(transaction: Transaction, name: str) -> None:
    """Forget what is kept for a follower, of what the control record *name* governs."""
    for statement in ("purge_versions", "purge_outbox", "purge_cursors"):
        transaction.run(statement, name)
    transaction.run("next_purge")


def control_of(connection: sqlite3.Connection | None, entity: str) -> Control | None:
    """Return the control record of *entity*, else that of ``*``, else ``None``."""
    row = connection and connection.execute(SQL["control"], (entity,)).fetchone()
    return Control(*row) if row else None


def is_migrating(control: Control | None) -> bool:
    """Tell whether versions and marks are kept: a migration is under way, or may come back."""
    return control is not None and control.phase != _PHASE_OFF


def check_answers(control: Control | None, entity: str) -> None:
    """Raise ``StalePhaseError`` or ``SealedError`` where a backend under *control* must not answer.

    An authority answers, and a sealed one: nobody else is authority yet.
    """
    if control is None or control.role in ("authority", "sealed"):
        return
    if control.role == "committing":
        raise SealedError(
            f"a cutover (epoch {control.epoch}) is about to end, here or there",
            entity=entity,
            next_step="ask the target's control, or try again in a moment",
        )
    raise StalePhaseError(
        f"this backend is {control.role} in epoch {control.epoch}, so it does not answer",
        entity=entity,
        next_step="refresh the phase and read from the authority",
    )


def versions_of(
    connection: sqlite3.Connection, entity: str, keys: Iterable[str]
) -> dict[str, Version]:
    """Return the versions of touched keys, all as text."""
    rows = connection.execute(SQL["versions"], (entity, json.dumps(list(keys))))
    return {key: Version(epoch, seq, bool(deleted)) for key, epoch, seq, deleted in rows}


def _rows(entity: str, versions: Mapping[str, Version]) -> list[tuple[str, str, int, int, bool]]:
    return [(entity, key, one.epoch, one.seq, one.deleted) for key, one in versions.items()]


def purges(connection: sqlite3.Connection | None) -> int:
    """Return how often versions were forgotten."""
    return int(connection.execute(SQL["purges"]).fetchone()[0]) if connection is not None else 0


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
