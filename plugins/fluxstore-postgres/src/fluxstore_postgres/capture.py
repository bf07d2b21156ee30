"""Triggers that fence and capture: there exactly where control is, made and dropped with it.

A plain statement stays a plain statement; the triggers check control, and keep versions and marks,
for our own writes and for those of any other client. In phase ``off`` the fence alone is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import attrs

from fluxstore.adapter import Control
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

FENCE = ("fence",)
CAPTURE = ("keep", "insert", "update", "delete")
PREFIX = "fluxstore_"
_NAME_BYTES = 63
Place = tuple[str, str]
"""A table's schema and name."""


def lock_name(ledger: str, entity: str) -> str:
    """Return the name of the lock that an entity's writers share, and a change has alone."""
    return f"{ledger} control {entity}"


@attrs.frozen
class Found:
    """A trigger of ours that is there."""

    place: Place
    name: str
    entity: str


class Capture:
    """Makes and drops the triggers of one backend's tables."""

    def __init__(self, ledger: str, *, by_triggers: bool = True) -> None:
        """Know the ledger's schema.

        Not *by_triggers*, our own statements keep it, and a table gets triggers only where it has
        some already: another process made them, and counts on them.
        """
        self._name, self._by_triggers = ledger, by_triggers
        self._ledger = identifier(ledger)

    def functions(self) -> Iterator[Part]:
        """Yield the statements that make what all tables share; the ledger is made with them."""
        lock = literal(lock_name(self._name, ""))
        yield composed("capture", "make_serves", ledger=self._ledger)
        yield composed("capture", "make_admit", ledger=self._ledger, lock=lock)
        for name in ("make_admitted", "make_fence", "make_keep", "make_note", "make_rights"):
            yield composed("capture", name, ledger=self._ledger)

    def changes(
        self, unit: Unit, tables: Sequence[Table], controls: Mapping[str, Control]
    ) -> list[Part]:
        """Return the statements that bring triggers in step with *controls*, drops first.

        Of a table that this process does not know, triggers are only dropped.
        """
        there = self._found(unit)
        known = {(one.place, one.name) for one in there}
        extra = [one for one in there if one.name not in _wanted(one.entity, controls)]
        made = [self._dropped(one) for one in extra]
        places = {one.place for one in there}
        for table in tables:
            wanted = _wanted(table.entity.name, controls)
            place = (table.schema, table.name)
            if not self._by_triggers and place not in places:
                continue
            made += self._made(table, [name for name in wanted if (place, name) not in known])
        return made

    def _found(self, unit: Unit) -> list[Found]:
        rows = unit.run(statement("capture", "triggers"), {"ledger": self._name})
        return [
            Found((schema, table), name.removeprefix(PREFIX), entity)
            for schema, table, name, entity in rows
        ]

    def _dropped(self, one: Found) -> Part:
        trigger, table = identifier(PREFIX + one.name), identifier(*one.place)
        return composed("capture", "drop_trigger", trigger=trigger, table=table)

    def _made(self, table: Table, names: Sequence[str]) -> list[Part]:
        parts = {
            "ledger": self._ledger,
            "table": table.path,
            "entity": literal(table.entity.name),
            "function": identifier(self._name, _function_name(table.entity.name)),
        }
        made = list(self._function(table, parts)) if set(names) & set(CAPTURE) else []
        for name in names:
            trigger = identifier(PREFIX + name)
            made.append(composed("capture", f"{name}_trigger", **parts))
            made.append(composed("capture", "always", table=table.path, trigger=trigger))
        return made

    def _function(self, table: Table, parts: Mapping[str, Part]) -> Iterator[Part]:
        old_key, new_key = table.key_text("o"), table.key_text("n")
        is_old = filled("({} IN (SELECT {} FROM old_rows AS o))", new_key, old_key)
        keys = {"old_key": old_key, "new_key": new_key, "new_key_is_old": is_old}
        yield composed("capture", "make_capture", **keys, **parts)
        yield composed("capture", "make_capture_rights", **parts)


def _wanted(entity: str, controls: Mapping[str, Control]) -> tuple[str, ...]:
    control = controls.get(entity) or controls.get("*")
    if control is None:
        return ()
    return FENCE if control.phase == "off" else FENCE + CAPTURE


def _function_name(entity: str) -> str:
    name = f"capture_{entity}"
    if len(name.encode()) <= _NAME_BYTES:
        return name
    return f"capture_{hashlib.sha256(entity.encode()).hexdigest()[:40]}"
