"""Deleting a record and what goes with it: by an application's rules, or behind an authority."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from fluxstore.entity import Field
from fluxstore.errors import RecordNotFoundError
from fluxstore.records import Intent, Key, Put
from fluxstore_json.places import Place
from fluxstore_json.rules import Broken
from fluxstore_json.unit import Unit, reference

Kept: TypeAlias = tuple[Place, Key]
"""A record that went although others refer to it that would have to go first."""


def delete(unit: Unit, place: Place, key: Key) -> None:
    """Delete a record and what goes with it; ``Broken`` where something keeps it."""
    if unit.get(place, key) is None:
        raise unit.refused(RecordNotFoundError, place, key, "is not there")
    unit.set(unit.slot(place, key), key, None)
    for other, field, holder in _referring(unit, place, key):
        if field.rules.on_delete == "restrict":
            raise _kept(key, field, other)
        if unit.get(other, holder) is None:
            continue
        if field.rules.on_delete == "cascade":
            delete(unit, other, holder)
        else:
            _let_go(unit, other, holder, field)
    for inner in unit.rules.held_without_reference(place.name):
        if unit.children(inner, key):
            raise reference(key, (), f"{inner.name} are inside it")


def follow(unit: Unit, place: Place, key: Key) -> list[Kept]:
    """Delete what an authority deleted and nothing with it; return it, to be judged at the end.

    A delete that comes late would take along a newer record whose mark is gone.
    """
    if unit.get(place, key) is None:
        return []
    unit.set(unit.slot(place, key), key, None)
    return [(place, key)]


def still_kept(unit: Unit, kept: list[Kept]) -> Iterator[tuple[Place, Broken]]:
    """Yield which of *kept* are gone while others that refer to them, or were inside, are there."""
    for place, key in kept:
        if unit.get(place, key) is not None:
            continue
        for other, field, holder in _referring(unit, place, key):
            if unit.get(other, holder) is not None:
                yield place, _kept(key, field, other)
        for inner in unit.rules.places.inside(place.name):
            if unit.children(inner, key):
                yield place, reference(key, (), f"{inner.name} are inside it")


def _referring(unit: Unit, place: Place, key: Key) -> Iterator[tuple[Place, Field, Key]]:
    """Yield who refers to *key*: entity, field and key; facts must be complete."""
    for other, field in unit.rules.referring_to(place.name):
        name = unit.rules.by_field(other.name)[field.name].text
        for holder in unit.holders(other, name, (key,)):
            yield other, field, holder


def _let_go(unit: Unit, place: Place, holder: Key, field: Field) -> None:
    unit.put(place, Put(holder, {field.name: None}, Intent.CHANGE))


def _kept(key: Key, field: Field, other: Place) -> Broken:
    return reference(key, (field.name,), f"{other.name} refer to it")
