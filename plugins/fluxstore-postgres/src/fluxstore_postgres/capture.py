"""Triggers that fence and capture: made when a table comes under control, and no earlier.

A plain statement stays a plain statement; the triggers check control, and keep versions and marks,
for our own writes and for those of any other client.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from fluxstore_postgres.statements import (
    Part,
    composed,
    filled,
    identifier,
    literal,
    statement,
)
from fluxstore_postgres.tables import Table
from fluxstore_postgres.unit import Unit

TRIGGERS = ("fence", "keep", "insert", "update", "delete")
CONTROL_LOCK = "{} control"
"""The name of the lock that writers share and a change of control has alone."""
_NAME_BYTES = 63


class Capture:
    """Makes the triggers of one backend's tables."""

    def __init__(self, ledger: str) -> None:
        """Know the ledger's schema."""
        self._name = ledger
        self._ledger = identifier(ledger)

    def is_wanted(self, unit: Unit) -> bool:
        """Tell whether the ledger governs anything."""
        return bool(unit.run(statement("capture", "is_governed", ledger=self._ledger))[0][0])

    def make(self, unit: Unit, tables: Sequence[Table]) -> None:
        """Make the triggers of *tables* that are not there yet."""
        there = {tuple(row) for row in unit.run(statement("capture", "has_triggers"))}
        missing = [table for table in tables if (table.schema, table.name) not in there]
        if not missing:
            return
        unit.execute(composed("capture", "patience"))
        for part in self._functions():
            unit.execute(part)
        for table in missing:
            for part in self._of_table(table):
                unit.execute(part)

    def _functions(self) -> Iterator[Part]:
        lock = literal(CONTROL_LOCK.format(self._name))
        yield composed("capture", "fence_function", ledger=self._ledger, lock=lock)
        yield composed("capture", "keep_function", ledger=self._ledger)
        yield composed("capture", "note_function", ledger=self._ledger)

    def _of_table(self, table: Table) -> Iterator[Part]:
        parts = {
            "ledger": self._ledger,
            "table": table.path,
            "entity": literal(table.entity.name),
            "function": identifier(self._name, _function_name(table.entity.name)),
        }
        old_key, new_key = table.key_text("o"), table.key_text("n")
        is_old = filled("({} IN (SELECT {} FROM old_rows AS o))", new_key, old_key)
        yield composed(
            "capture",
            "capture_function",
            old_key=old_key,
            new_key=new_key,
            new_key_is_old=is_old,
            **parts,
        )
        for name in TRIGGERS:
            yield composed("capture", f"{name}_trigger", **parts)
            trigger = identifier(f"fluxstore_{name}")
            yield composed("capture", "always", table=table.path, trigger=trigger)


def _function_name(entity: str) -> str:
    name = f"capture_{entity}"
    if len(name.encode()) <= _NAME_BYTES:
        return name
    return f"capture_{hashlib.sha256(entity.encode()).hexdigest()[:40]}"
