"""Committing changes: one statement where one is enough, otherwise one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import psycopg

from fluxstore import evaluate
from fluxstore.errors import (
    BackendUnavailableError,
    ConflictError,
    ConstraintError,
    FluxstoreError,
    OutcomeUnknown,
    RecordExistsError,
    RecordNotFoundError,
)
from fluxstore.records import Change, Delete, Intent, Key, Put, Record, Row
from fluxstore_postgres.failures import RETRIED, SilentServer
from fluxstore_postgres.references import References
from fluxstore_postgres.residues import SideResidue
from fluxstore_postgres.rules import refuse_broken
from fluxstore_postgres.statements import identifier, statement
from fluxstore_postgres.tabling import Bound, Tabling, key_arrays
from fluxstore_postgres.unit import Unit
from fluxstore_postgres.writes import PLAIN, Ask

ATTEMPTS = 5
FORGET_EVERY = 1000
"""How many operations are noted before old ones are forgotten."""
T = TypeVar("T")


class Commits:
    """Makes changes to one entity's records."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when there is something to change."""
        self._tabling = tabling
        self._database = tabling.database
        self._codec = tabling.codec
        self._noted = 0

    def commit(
        self, changes: Sequence[Change], *, expect: Mapping[Key, Row], op_id: str | None
    ) -> dict[Key, Record]:
        """Make *changes*; return the records of the puts as they are now."""
        bound = self._tabling.made()
        for change in changes:
            if isinstance(change, Put):
                refuse_broken(bound, change)
        if op_id is not None:
            self._database.make_ledger()
            bound = self._tabling.made()
        if len(changes) == 1 and self._is_plain(bound, changes[0], expect):
            expected = expect.get(changes[0].key)
            return self._retried(lambda: self._alone(bound, changes[0], expected, op_id), op_id)
        return self._retried(lambda: self._together(bound, changes, expect, op_id), op_id)

    def _is_plain(self, bound: Bound, change: Change, expect: Mapping[Key, Row]) -> bool:
        """Tell whether a change is one statement: no side table, no reference to look after.

        In a transaction it is not: what is refused must not spoil the rest.
        """
        if self._database.connections.is_in_unit or not bound.table.is_own:
            return False
        changes_what_is_there = isinstance(change, Delete) or change.intent is Intent.CHANGE
        if expect and not (changes_what_is_there and expect.keys() == {change.key}):
            return False
        return not self._tabling.references(bound)

    # one statement

    def _alone(
        self, bound: Bound, change: Change, expected: Row | None, op_id: str | None
    ) -> dict[Key, Record]:
        ask = PLAIN
        if expected is not None or op_id is not None:
            ask = Ask(expected, op_id, self._codec.key_text(change.key) if op_id else "")
        asked, params = bound.statements.writes.prepared(change, ask)
        where = attrs.evolve(bound.where, key=change.key)
        run = self._database.connections.run
        rows = run(asked, params, where=where, writes=True, op_id=op_id or "")
        if op_id is not None:
            (is_known, *row) = rows[0]
            if is_known:
                return {} if isinstance(change, Delete) else self._tabling.read([change.key])
            rows = [tuple(row)] if row[0] is not None else []
            self._count_noted()
        if not rows:
            raise self._conflict(change.key) if expected is not None else self._missed(change)
        return {} if isinstance(change, Delete) else bound.rows.records(rows)

    # several

    def _together(
        self,
        bound: Bound,
        changes: Sequence[Change],
        expect: Mapping[Key, Row],
        op_id: str | None,
    ) -> dict[Key, Record]:
        puts = [change.key for change in changes if isinstance(change, Put)]
        where = attrs.evolve(bound.where, key=changes[0].key if len(changes) == 1 else None)
        with self._database.connections.unit(where, op_id=op_id or "") as unit:
            if op_id is None or self.note(unit, [c.key for c in changes], op_id):
                self._expect(unit, bound, expect)
                self._make(unit, bound, changes)
            return {} if not puts else self._tabling.read(list(dict.fromkeys(puts)))

    def _make(self, unit: Unit, bound: Bound, changes: Sequence[Change]) -> None:
        references = self._tabling.references(bound)
        if len(changes) > 1:
            unit.run(statement("session", "defer"))
        for change in changes:
            self._one(unit, bound, change, references)
        references.refuse_dangling(unit, [c for c in changes if isinstance(c, Put)])
        if len(changes) > 1:
            unit.run(statement("session", "judge"))

    def _one(self, unit: Unit, bound: Bound, change: Change, references: References) -> None:
        where = attrs.evolve(bound.where, key=change.key)
        if isinstance(change, Delete):
            references.delete_referring(unit, change.key)
        asked, params = bound.statements.writes.prepared(change)
        rows = unit.run(asked, params, where=where)
        if not rows:
            raise self._missed(change)
        if not bound.table.is_own:
            SideResidue(bound, self._database).follow(unit, change, rows[0])

    def note(self, unit: Unit, keys: Iterable[Key], op_id: str) -> bool:
        """Note an operation on *keys*; tell whether it is a new one."""
        ledger = identifier(self._database.make_ledger())
        asked = statement("ops", "note", ledger=ledger)
        params = {"op_id": op_id, "entity": self._tabling.entity.name}
        texts = dict.fromkeys(map(self._codec.key_text, keys))
        noted = [unit.run(asked, {**params, "key": text}) for text in texts]
        self._count_noted()
        return all(noted)

    def _count_noted(self) -> None:
        """Forget old operations every now and then; a failure is the next one's to mend."""
        self._noted += 1
        if self._noted % FORGET_EVERY == 0:
            ledger = identifier(self._database.make_ledger())
            self._database.connections.run(statement("ops", "forget", ledger=ledger), writes=True)

    def delete_if_there(self, unit: Unit, bound: Bound, change: Delete) -> int:
        """Delete a record with what goes with it; return how many, 0 or 1."""
        if not self._tabling.read([change.key]):
            return 0
        self._one(unit, bound, change, self._tabling.references(bound))
        return 1

    def put_in(self, unit: Unit, bound: Bound, put: Put) -> None:
        """Make a put in a transaction that is open."""
        references = self._tabling.references(bound)
        self._one(unit, bound, put, references)
        references.refuse_dangling(unit, [put])

    def _expect(self, unit: Unit, bound: Bound, expect: Mapping[Key, Row]) -> None:
        if not expect:
            return
        keys = list(expect)
        rows = unit.run(bound.statements.lock, key_arrays(bound.table, keys))
        found = bound.rows.records(rows)
        for key in keys:
            there = found.get(key)
            if there is None or self._whole(there.values) != self._whole(expect[key]):
                raise self._conflict(key)

    def _whole(self, values: Row) -> bytes:
        """Return the canonical bytes of a record with the defaults of what it misses."""
        entity = self._tabling.entity
        whole = {f.name: evaluate.reading(entity, f)(values) for f in entity.fields}
        return self._codec.canonical(whole)

    def _conflict(self, key: Key) -> ConflictError:
        return ConflictError(
            "is no longer as it was read",
            backend=self._database.backend,
            entity=self._tabling.entity.name,
            key=key,
            next_step="read it again, decide anew",
        )

    def _missed(self, change: Change) -> RecordExistsError | RecordNotFoundError:
        facts: dict[str, Any] = {
            "backend": self._database.backend,
            "entity": self._tabling.entity.name,
            "key": change.key,
        }
        if isinstance(change, Put) and change.intent is Intent.CREATE:
            return RecordExistsError("a record with that key is there already", **facts)
        return RecordNotFoundError("no such record", **facts)

    def _retried(self, work: Callable[[], T], op_id: str | None) -> T:
        """Return what *work* returns, tried again where that is safe.

        After a deadlock nothing has happened; after a lost connection an operation with an id may
        be repeated: if it had happened, it is known. A transaction that is open decides itself.
        """
        attempts = 1 if self._database.connections.is_in_unit else ATTEMPTS
        for _ in range(attempts - 1):
            try:
                return work()
            except (BackendUnavailableError, OutcomeUnknown, ConstraintError) as error:
                if not _may_repeat(error, op_id):
                    raise
        return work()


def _may_repeat(error: FluxstoreError, op_id: str | None) -> bool:
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return False
    if isinstance(error, OutcomeUnknown):
        return bool(op_id) and not isinstance(cause, SilentServer)
    if isinstance(error, ConstraintError):  # the same operation, at the same moment
        return bool(op_id) and cause.diag.constraint_name == "ops_pkey"
    return cause.sqlstate in RETRIED
