"""Residue beside tables that were there before: a row of the ledger for a record that has any."""

from __future__ import annotations

from typing import Any

from fluxstore.codec import Codec
from fluxstore.records import Change, Delete, Intent, Put
from fluxstore_postgres.database import Database
from fluxstore_postgres.rows import document_text, residue_document
from fluxstore_postgres.statements import identifier, statement
from fluxstore_postgres.tabling import Bound
from fluxstore_postgres.unit import Unit


class SideResidue:
    """Keeps the side table in step with changes of one table, in their transaction."""

    def __init__(self, bound: Bound, database: Database) -> None:
        """Make the side table only when there is something to keep."""
        self._bound = bound
        self._database = database

    def follow(self, unit: Unit, change: Change, row: Any) -> None:
        """Do what *change*, which returned *row*, means for the residue."""
        table = self._bound.table
        key = table.entity.name, self._key_text(change)
        old = self._read(unit, *key)
        if isinstance(change, Delete):
            new = None
        elif change.intent is Intent.CHANGE:
            new = _changed(old, change)
        else:
            is_new = change.intent is Intent.CREATE or bool(row[-1])
            new = residue_document(table, change)
            if change.residue is None and old and not is_new:
                new = _without(old, "missing") | (new or {}) or None
        if new != old:
            self._write(unit, *key, new)

    def _key_text(self, change: Change) -> str:
        return Codec.of(self._bound.table.entity).key_text(change.key)

    def _read(self, unit: Unit, entity: str, key: str) -> dict[str, Any] | None:
        if self._database.ledger is None:
            return None
        ledger = identifier(self._database.ledger)
        rows = unit.run(statement("residue", "read", ledger=ledger), {"entity": entity, "key": key})
        return rows[0][0] if rows else None

    def _write(self, unit: Unit, entity: str, key: str, new: dict[str, Any] | None) -> None:
        ledger = identifier(self._database.make_ledger())
        if new is None:
            params: dict[str, Any] = {"entity": entity, "keys": [key]}
            unit.run(statement("residue", "delete", ledger=ledger), params)
        else:
            params = {"entity": entity, "key": key, "residue": document_text(new)}
            unit.run(statement("residue", "write", ledger=ledger), params)


def _changed(old: dict[str, Any] | None, put: Put) -> dict[str, Any] | None:
    missing = [name for name in (old or {}).get("missing", ()) if name not in put.values]
    base = _without(old or {}, "missing") if put.residue is None else put.residue.to_json() or {}
    return base | ({"missing": missing} if missing else {}) or None


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}
