"""Changes that come with a version: applied where it is newer than the one here."""

from __future__ import annotations

from collections.abc import Sequence

from fluxstore.records import UNTOUCHED, Delete, Intent, Put, Version, Versioned
from fluxstore_postgres.commits import Commits
from fluxstore_postgres.statements import Statement, identifier, statement
from fluxstore_postgres.tabling import Bound, Tabling
from fluxstore_postgres.unit import Unit


class Applying:
    """Applies changes of a leg, a relay or a backfill; it makes no mark."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when a change comes."""
        self._tabling = tabling
        self._commits = Commits(tabling)
        self._is_captured = False

    def apply(self, changes: Sequence[Versioned]) -> list[bool]:
        """Apply each change that is newer than what is here, all in one transaction."""
        self._tabling.database.make_ledger()
        bound = self._tabling.made()
        if not self._is_captured:
            self._tabling.database.govern()  # a version once noted must go up with every write
            self._is_captured = True
        with self._tabling.database.connections.unit(bound.where) as unit:
            unit.run(self._statement("apply_mode"))
            applied = [self._one(unit, bound, change) for change in changes]
            unit.run(self._statement("usual_mode"))
            return applied

    def _one(self, unit: Unit, bound: Bound, change: Versioned) -> bool:
        key = {
            "entity": self._tabling.entity.name,
            "key": self._tabling.codec.key_text(change.key),
        }
        here = self._here(unit, change, key)
        if here is not None and not change.version > here:
            return False
        if change.record is None:
            self._commits.delete_if_there(unit, bound, Delete(change.key))
        else:
            record = change.record
            put = Put(change.key, record.values, Intent.REPLACE, record.residue)
            self._commits.put_in(unit, bound, put)
        version = {
            "epoch": str(change.version.epoch),
            "seq": str(change.version.seq),
            "deleted": change.record is None,
        }
        unit.run(self._statement("write_version"), {**key, **version})
        for op_id in change.op_ids:
            self._commits.note(unit, [change.key], op_id)
        return True

    def _here(self, unit: Unit, change: Versioned, key: dict[str, str]) -> Version | None:
        rows = unit.run(self._statement("version"), key)
        if rows:
            return Version(*rows[0])
        return UNTOUCHED if self._tabling.read([change.key]) else None

    def _statement(self, name: str) -> Statement:
        ledger = identifier(self._tabling.database.ledger_schema)
        return statement("ledger", name, ledger=ledger)
