"""Which of the records that a unit has written break a rule of their entities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fluxstore.records import Key, Reason, Record
from fluxstore_json.places import Place
from fluxstore_json.rules import Broken
from fluxstore_json.unit import Slot, Unit

Written = Sequence[tuple[Slot, Key]]


def broken_rules(unit: Unit, written: Written, *, references: bool = True) -> Iterator[Broken]:
    """Yield the first rule that each written record breaks, where it breaks one.

    Of records that collide, those not among *written* and then the first of them keep their place.
    """
    order = {slot: number for number, (slot, _) in enumerate(written)}
    missing = _missing(unit, written) if references else set()
    for slot, key in written:
        place = unit.rules.places[slot[0]]
        stored = unit.get(place, key)
        if stored is None:
            continue
        broken = _collision(unit, place, stored.record, order)
        if broken is None and references:
            broken = _dangling(unit, slot, stored.record, missing)
        if broken is not None:
            yield broken


def _collision(
    unit: Unit, place: Place, record: Record, order: Mapping[Slot, int]
) -> Broken | None:
    own = order[unit.slot(place, record.key)]
    for fields, others in unit.collisions(place, record):
        if any(order.get(unit.slot(place, other), -1) < own for other in others):
            return Broken(
                "unique",
                record.key,
                fields,
                reason=Reason.UNIQUE,
                expected="a value that no other record has expected",
            )
    return None


def _references(unit: Unit, slot: Slot, record: Record) -> Iterator[tuple[str, str, Any]]:
    """Yield (field, entity, key) of the references that a written record newly makes."""
    replaced = unit.replaced.get(slot)
    before = replaced.record.values if replaced is not None else {}
    for field in unit.rules.entities[slot[0]].references:
        value = record.values.get(field.name)
        if value is not None and before.get(field.name) != value:
            yield field.name, str(field.rules.references), value


def _missing(unit: Unit, written: Written) -> set[tuple[str, Any]]:
    """Return (entity, key) of what the written records refer to and is not there."""
    wanted: dict[str, set[Any]] = {}
    for slot, key in written:
        stored = unit.get(unit.rules.places[slot[0]], key)
        for _, name, value in _references(unit, slot, stored.record) if stored else ():
            wanted.setdefault(name, set()).add(value)
    return {
        (name, value)
        for name, values in wanted.items()
        for value in values - unit.have(unit.rules.places[name], values)
    }


def _dangling(
    unit: Unit, slot: Slot, record: Record, missing: set[tuple[str, Any]]
) -> Broken | None:
    for field, name, value in _references(unit, slot, record):
        if (name, value) in missing:
            return Broken(
                "reference",
                record.key,
                (field,),
                reason=Reason.REFERENCE,
                expected=f"a record of {name} expected",
            )
    return None
