"""Changes that come with a version: applied where it is newer than the one here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fluxstore.adapter import Use
from fluxstore.records import UNTOUCHED, Delete, Intent, Key, Put, Versioned
from fluxstore_postgres.commits import Commits
from fluxstore_postgres.retrying import retried
from fluxstore_postgres.statements import Statement, identifier, statement
from fluxstore_postgres.tabling import Bound, Tabling
from fluxstore_postgres.unit import Unit


class Applying:
    """Applies changes of a leg, a relay or a backfill; it makes no mark.

    References that no foreign key keeps were judged at the authority, and are not judged again: a
    child may arrive before its parent.
    """

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when a change comes."""
        self._tabling = tabling
        self._database = tabling.database
        self._codec = tabling.codec
        self._commits = Commits(tabling)

    def apply(self, changes: Sequence[Versioned], epoch: int | None) -> list[bool]:
        """Apply each change that is newer than what is here, all in one transaction."""
        self._database.make_ledger()
        bound = self._tabling.made(whole=self._database.use is not Use.TARGET)
        return retried(self._database.connections, lambda: self._apply(bound, changes, epoch))

    def _apply(self, bound: Bound, changes: Sequence[Versioned], epoch: int | None) -> list[bool]:
        is_part = self._database.connections.is_in_unit
        with self._database.connections.unit(bound.where) as unit:
            follow = {"mode": "apply", "epoch": None if epoch is None else str(epoch)}
            self._run(unit, "follow", **follow)
            goes_on = is_part or len(changes) > 1
            if goes_on:
                unit.run(statement("session", "defer"))
            applied: list[bool] = []
            for some in _without_repetition(changes):
                applied += self._some(unit, bound, some)
            if goes_on:
                unit.run(statement("ledger", "usual_mode"))
            if not is_part and goes_on:
                unit.run(statement("session", "judge"))
        self._commits.count_noted(sum(len(change.op_ids) for change in changes))
        return applied

    def _some(self, unit: Unit, bound: Bound, changes: Sequence[Versioned]) -> list[bool]:
        """Apply changes of different keys: deletes first, which make room for unique values."""
        older = self._no_newer_than_untouched(changes)
        texts = {change.key: self._codec.key_text(change.key) for change in changes}
        offered = [change for change in changes if change.key not in older]
        done = [(texts[change.key], op_id) for change in changes for op_id in change.op_ids]
        rows = self._run(
            unit,
            "take",
            keys=[texts[change.key] for change in offered],
            epochs=[change.version.epoch for change in offered],
            seqs=[change.version.seq for change in offered],
            deleted=[change.record is None for change in offered],
            op_keys=[key for key, _ in done],
            op_ids=[op_id for _, op_id in done],
        )
        newer = {row[0] for row in rows}
        taken = [change for change in changes if texts[change.key] in newer]
        gone = [change.key for change in taken if change.record is None]
        references = self._tabling.references(bound)
        references.refuse_held(unit, gone, [change.key for change in taken])
        for change in sorted(taken, key=lambda one: one.record is not None):
            self._one(unit, bound, change)
        return [texts[change.key] in newer for change in changes]

    def _no_newer_than_untouched(self, changes: Sequence[Versioned]) -> set[Key]:
        """Return the keys whose record here is as new although nobody has touched it."""
        keys = [change.key for change in changes if change.version <= UNTOUCHED]
        return set(self._tabling.read(keys)) if keys else set()

    def _one(self, unit: Unit, bound: Bound, change: Versioned) -> None:
        if change.record is None:
            self._commits.write(unit, bound, Delete(change.key))
            return
        record = change.record
        put = Put(change.key, record.values, Intent.REPLACE, record.residue)
        self._commits.write(unit, bound, put)

    def _run(self, unit: Unit, name: str, /, **params: object) -> list[tuple[object, ...]]:
        return unit.run(self._statement(name), {"entity": self._tabling.entity.name, **params})

    def _statement(self, name: str) -> Statement:
        ledger = identifier(self._database.ledger_schema)
        return statement("ledger", name, ledger=ledger)


def _without_repetition(changes: Sequence[Versioned]) -> Iterator[list[Versioned]]:
    """Yield *changes* in their order, in groups in which no key comes twice."""
    group: dict[Key, Versioned] = {}
    for change in changes:
        if change.key in group:
            yield list(group.values())
            group = {}
        group[change.key] = change
    yield list(group.values())
