"""Batches of a migration: merged in one transaction with their cursor, refused singly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress

import attrs

from fluxstore.adapter import Batch, Cursor, Merged, Use
from fluxstore.errors import (
    BackendError,
    BackendUnavailableError,
    ConstraintError,
    FluxstoreError,
)
from fluxstore.records import Delete, Key, Problem, Reason, Record, Rejected
from fluxstore_postgres.batch_fence import BatchFence
from fluxstore_postgres.commits import Commits
from fluxstore_postgres.references import References
from fluxstore_postgres.retrying import retried
from fluxstore_postgres.rows import document_text
from fluxstore_postgres.rules import are_good, broken
from fluxstore_postgres.staging import Staging
from fluxstore_postgres.statements import identifier, statement
from fluxstore_postgres.tabling import Bound, Tabling
from fluxstore_postgres.unit import Unit

_LOOKED_AT = 128
"""Records that are looked at together: mostly far below what makes one a large one."""
_REASONS = {"unique": Reason.UNIQUE, "reference": Reason.REFERENCE, "check": Reason.CHECK}


class _Undone(Exception):  # noqa: N818 - it is no error: a trial is taken back
    """Ends a trial."""


@attrs.define
class _Came:
    """What has come of a batch so far."""

    is_live: bool = False
    """Whether the rules between records were judged at the authority."""
    written: int = 0
    refused: list[Rejected] = attrs.field(factory=list)


class Merging:
    """Takes batches into one table."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when a batch comes."""
        self._tabling = tabling
        self._database = tabling.database
        self._codec = tabling.codec
        self._fencing = BatchFence(tabling)
        self._is_fresh: bool | None = None
        """Whether records are new as far as this merger has found: the table was empty, say."""

    def merge(self, batch: Batch) -> Merged:
        """Merge *batch*; a record that breaks a rule is refused, the others are not held up."""
        is_live = batch.epoch is not None
        bound = self._tabling.made(whole=self._database.use is not Use.TARGET)
        if is_live or batch.cursor is not None or _needs_side_table(bound, batch.records):
            self._database.make_ledger()
            bound = self._tabling.made()
        connections = self._database.connections
        return retried(connections, lambda: self._tried(bound, batch))

    def _tried(self, bound: Bound, batch: Batch) -> Merged:
        try:
            return self._merge_all(bound, batch)
        except BaseException:
            self._is_fresh = None  # what was found and done at the first batch may be undone
            raise

    def _merge_all(self, bound: Bound, batch: Batch) -> Merged:
        with self._bulk(bound) as unit:
            self._fencing.close(unit, batch.epoch)
            came = _Came(is_live=batch.epoch is not None)
            touched = self._fencing.touched(unit, batch)
            deletes = [key for key in batch.deletes if key not in touched]
            deleted = self._delete(unit, bound, deletes, came)
            records = {record.key: record for record in batch.records}
            refused_before = len(came.refused)
            fresh = [record for key, record in records.items() if key not in touched]
            self._write(unit, bound, fresh, came)
            if batch.cursor is not None:
                self._save(unit, batch.cursor)
            self._fencing.open(unit)
        refused = len(came.refused) - refused_before
        unchanged = len(records) - came.written - refused
        return Merged(came.written, unchanged, deleted, tuple(came.refused))

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse, references apart; what is tried is taken back.

        A table of our own refuses nothing that ``broken`` has let pass but a unique value, so most
        entities are never sent at all. The rules of an adopted one are tried on an empty copy.
        """
        came = _Came()
        bound = self._tabling.planned()
        some = self._without_broken(bound, list({r.key: r for r in records}.values()), came)
        if some and (self._tabling.entity.unique or not bound.table.is_own):
            with suppress(_Undone), self._bulk(bound) as unit:
                unit.run(statement("merging", "allow_writes"))
                self._try(unit, bound, some, came)
                raise _Undone
        return came.refused

    def _bulk(self, bound: Bound) -> AbstractContextManager[Unit]:
        connections = self._database.connections
        return connections.unit(bound.where, seconds=connections.bulk_seconds)

    # trying

    def _try(self, unit: Unit, bound: Bound, records: list[Record], came: _Came) -> None:
        if not bound.table.exists:
            for part in self._database.statements_to_make([self._tabling.entity]):
                unit.execute(part)
        staging = Staging(bound.table, bound.ledger)
        if not bound.table.is_own:
            unit.run(staging.make_trial)
            records = self._fitting(unit, staging, records, came)
        if records and self._tabling.entity.unique:
            staging.stage(unit, records)
            while found := self._colliding(unit, staging, records):
                came.refused += found.values()
                staging.unstage(unit, list(found))

    def _fitting(
        self, unit: Unit, staging: Staging, records: list[Record], came: _Came
    ) -> list[Record]:
        """Return the records that an empty copy of the table takes; find the others by halves."""
        try:
            with unit.savepoint():
                staging.try_out(unit, records)
        except BackendError as error:
            if _is_outage(error):
                raise
            if len(records) == 1:
                came.refused.append(self._rejected(records[0], error))
                return []
            middle = len(records) // 2
            return [
                *self._fitting(unit, staging, records[:middle], came),
                *self._fitting(unit, staging, records[middle:], came),
            ]
        return records

    # writing

    def _write(self, unit: Unit, bound: Bound, records: list[Record], came: _Came) -> None:
        records = self._without_broken(bound, records, came)
        if not came.is_live:  # a parent whose mark is still to be relayed is no missing one
            records = self._without_dangling(unit, bound, records, came)
        if not records:
            return
        is_new = self._is_new(unit, bound, came)
        if is_new and self._copied(unit, bound, records, is_live=came.is_live):
            came.written += len(records)
            return
        self._staged(unit, bound, records, came)

    def _is_new(self, unit: Unit, bound: Bound, came: _Came) -> bool:
        """Tell whether records are worth a try as new ones; what fails once is not tried again.

        In a live batch they are, whatever legs have written: those keys have been left out.
        """
        if self._is_fresh is None and came.is_live:
            self._is_fresh = True
        if self._is_fresh is None:
            rows = unit.run(statement("merging", "is_empty", table=bound.table.path))
            self._is_fresh = bool(rows[0][0])
            if self._is_fresh:
                Staging(bound.table, bound.ledger).forget_residue(unit)
        return self._is_fresh

    def _copied(self, unit: Unit, bound: Bound, records: list[Record], *, is_live: bool) -> bool:
        """Try to copy records straight in; tell whether all of them could be."""
        if is_live and _needs_side_table(bound, records):
            return False
        try:
            with unit.savepoint():
                Staging(bound.table, bound.ledger).copy_in(unit, records)
        except BackendError as error:
            if _is_outage(error):
                raise
            self._is_fresh = False
            return False
        return True

    def _staged(self, unit: Unit, bound: Bound, records: list[Record], came: _Came) -> None:
        """Merge by a stage; where a value is refused, find it by halves."""
        staging = Staging(bound.table, bound.ledger)
        try:
            with unit.savepoint():
                staging.stage(unit, records)
                self._merged(unit, staging, records, came)
                staging.drop(unit)
        except BackendError as error:
            if _is_outage(error):
                raise
            if len(records) == 1:
                came.refused.append(self._rejected(records[0], error))
                return
            middle = len(records) // 2
            self._staged(unit, bound, records[:middle], came)
            self._staged(unit, bound, records[middle:], came)

    def _merged(self, unit: Unit, staging: Staging, records: list[Record], came: _Came) -> None:
        refused: list[Rejected] = []
        while True:
            try:
                with unit.savepoint():
                    came.written += self._written(unit, staging)
            except ConstraintError as error:
                found = self._culprits(unit, staging, records, error)
                if not found:
                    raise
                refused += found.values()
                staging.unstage(unit, list(found))
            else:
                came.refused += refused
                return

    def _written(self, unit: Unit, staging: Staging) -> int:
        written = staging.write(unit)
        if isinstance(written, int):
            return written
        ledger = self._database.ledger
        return len(written | (staging.write_residue(unit, ledger) if ledger else set()))

    def _culprits(
        self, unit: Unit, staging: Staging, records: list[Record], error: ConstraintError
    ) -> dict[int, Rejected]:
        """Return the staged records, by number, that break the rule of *error*; none if unclear."""
        return self._colliding(unit, staging, records) if error.rule == "unique" else {}

    def _colliding(
        self, unit: Unit, staging: Staging, records: list[Record]
    ) -> dict[int, Rejected]:
        found: dict[int, Rejected] = {}
        for group in staging.table.entity.unique:
            for number in staging.colliding(unit, group):
                words = "unique values expected, another record has them"
                found[number] = self._refusal(
                    records[number].key, Reason.UNIQUE, words, ", ".join(group)
                )
        return found

    # refusing

    def _without_broken(self, bound: Bound, records: list[Record], came: _Came) -> list[Record]:
        good: list[Record] = []
        for start in range(0, len(records), _LOOKED_AT):
            some = records[start : start + _LOOKED_AT]
            is_good = are_good(bound.table, some)
            good += some if is_good else self._singly(bound, some, came)
        return good

    def _singly(self, bound: Bound, records: list[Record], came: _Came) -> list[Record]:
        good: list[Record] = []
        for record in records:
            first = next(iter(broken(bound.table, record)), None)
            if first is None:
                good.append(record)
                continue
            name, refusal = first
            field = name + refusal.path
            came.refused.append(self._refusal(record.key, refusal.reason, refusal.expected, field))
        return good

    def _without_dangling(
        self, unit: Unit, bound: Bound, records: list[Record], came: _Came
    ) -> list[Record]:
        references = References(bound, self._tabling)
        while found := references.dangling(unit, records):
            for key, field in found.items():
                words = f"a record of {field.rules.references} expected, none has that key"
                came.refused.append(self._refusal(key, Reason.REFERENCE, words, field.name))
            records = [record for record in records if record.key not in found]
        return records

    def _rejected(self, record: Record, error: BackendError) -> Rejected:
        if not isinstance(error, ConstraintError):
            return self._refusal(record.key, Reason.UNREPRESENTABLE, error.problem, "")
        field = ", ".join(error.fields)
        expected = error.problem.removeprefix(f"{field}: ")
        return self._refusal(record.key, _REASONS.get(error.rule, Reason.CHECK), expected, field)

    def _refusal(self, key: Key, reason: Reason, expected: str, field: str) -> Rejected:
        entity = self._tabling.entity.name
        text = self._codec.key_text(key)
        return Rejected(Problem(entity, reason, expected, key=text, field=field))

    # the rest of a batch

    def _delete(self, unit: Unit, bound: Bound, keys: Iterable[Key], came: _Came) -> int:
        delete, deleted = self._deletion(bound, came), 0
        for key in keys:
            try:
                with unit.savepoint():
                    deleted += delete(unit, Delete(key))
            except ConstraintError as error:
                field = ", ".join(error.fields)
                words = "no record that refers to it expected"
                came.refused.append(self._refusal(key, Reason.REFERENCE, words, field))
        return deleted

    def _deletion(self, bound: Bound, came: _Came) -> Callable[[Unit, Delete], int]:
        """Return how a record is deleted: alone in a live batch, else with what goes with it."""
        commits = Commits(self._tabling)

        def alone(unit: Unit, change: Delete) -> int:
            self._tabling.references(bound).refuse_held(unit, [change.key], [])
            return commits.write(unit, bound, change)

        def with_others(unit: Unit, change: Delete) -> int:
            return commits.delete_if_there(unit, bound, change)

        return alone if came.is_live else with_others

    def _save(self, unit: Unit, cursor: Cursor) -> None:
        ledger = identifier(self._database.make_ledger())
        params = {
            "migration": cursor.migration,
            "entity": cursor.entity,
            "position": cursor.position,
            "fingerprint": cursor.fingerprint,
            "counts": document_text(dict(cursor.counts)),
            "format": str(cursor.format),
        }
        unit.run(statement("merging", "save_cursor", ledger=ledger), params)


def _needs_side_table(bound: Bound, records: Iterable[Record]) -> bool:
    table = bound.table
    return not table.is_own and any(one.residue or table.missing(one.values) for one in records)


def _is_outage(error: FluxstoreError) -> bool:
    """Tell whether the backend is at fault rather than a record."""
    return isinstance(error, BackendUnavailableError)
