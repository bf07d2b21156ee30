"""What the entities demand of records: unique groups, references, checks; kept as facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import attrs

from fluxstore.codec import Codec, value_bytes
from fluxstore.entity import Entities, Entity, Field
from fluxstore.errors import ConstraintError
from fluxstore.evaluate import Read, reading
from fluxstore.ledger.facts import Fact
from fluxstore.records import Key, Problem, Reason, Rejected, Row
from fluxstore_json.places import Place, Places

PARENT = "in"
"""The name of the fact that a record is in the document of another."""


class Broken(Exception):  # noqa: N818 - a rule that is broken, raised or listed as the caller likes
    """One rule that one record breaks."""

    def __init__(
        self,
        rule: Literal["unique", "reference", "check"],
        key: Key,
        fields: tuple[str, ...],
        *,
        reason: Reason,
        expected: str,
    ) -> None:
        """Hold the facts."""
        super().__init__(rule, key, fields, expected)
        self.rule, self.key, self.fields = rule, key, fields
        self.reason, self.expected = reason, expected

    def error(self, backend: str, entity: Entity) -> ConstraintError:
        """Return what a commit raises."""
        named = ", ".join(self.fields)
        return ConstraintError(
            f"{named}: {self.expected}" if named else self.expected,
            backend=backend,
            entity=entity.name,
            key=self.key,
            rule=self.rule,
            fields=self.fields,
        )

    def rejected(self, entity: Entity, file: str) -> Rejected:
        """Return what a merge lists."""
        return Rejected(
            Problem(
                entity=entity.name,
                reason=self.reason,
                expected=self.expected,
                key=Codec.of(entity).key_text(self.key),
                field=", ".join(self.fields),
                file=file,
            )
        )


@attrs.frozen
class Name:
    """A fact's name, and the fields whose values it holds (read with their defaults)."""

    text: str
    fields: tuple[str, ...]
    reads: tuple[Read, ...] = attrs.field(eq=False, repr=False)

    def value(self, values: Row) -> bytes | None:
        """Return the fact's value; ``None`` where a null is among the fields: it never collides."""
        return value_of([read(values) for read in self.reads])


def value_of(parts: Sequence[Any]) -> bytes | None:
    """Return plain values as a fact's value."""
    if any(part is None for part in parts):
        return None
    return value_bytes([value_bytes(part) for part in parts])


class Rules:
    """What facts are kept of each entity, and what refers to what."""

    def __init__(self, entities: Entities, places: Places) -> None:
        """Make the tables."""
        self.entities, self.places = entities, places
        self.unique = {name: _unique(places[name]) for name in places}
        self.names = {name: _names(places[name], self.unique[name]) for name in places}

    def facts(self, name: str, key: str, values: Row) -> set[Fact]:
        """Return the facts of one record."""
        found = ((one.text, one.value(values)) for one in self.names[name])
        return {(name, text, value, key) for text, value in found if value is not None}

    def fingerprint(self, name: str) -> str:
        """Return what facts are kept of an entity, to notice another set of rules."""
        return " | ".join(one.text for one in self.names[name])

    def by_field(self, name: str) -> dict[str, Name]:
        """Return the facts that hold one field's value, by field."""
        return {one.fields[0]: one for one in self.names[name] if len(one.fields) == 1}

    def referring_to(self, name: str) -> tuple[tuple[Place, Field], ...]:
        """Return every field that refers to the entity, with its place."""
        found = self.entities.referring_to(name)
        return tuple((self.places[entity.name], field) for entity, field in found)

    def held_without_reference(self, name: str) -> tuple[Place, ...]:
        """Return the places inside the entity's documents that no reference speaks for."""
        referring = {place.name for place, _ in self.referring_to(name)}
        return tuple(p for p in self.places.inside(name) if p.name not in referring)

    def needed_to_delete(self, name: str) -> tuple[str, ...]:
        """Return the entities whose facts a delete asks for, those of a cascade included."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            current = waiting.pop()
            places = [place for place, _ in self.referring_to(current)]
            for place in (*places, *self.places.inside(current)):
                if place.name not in found:
                    found[place.name] = None
                    waiting.append(place.name)
        return tuple(found)


def _unique(place: Place) -> tuple[Name, ...]:
    return tuple(_name(place, "unique", group) for group in place.entity.unique)


def _names(place: Place, unique: Iterable[Name]) -> tuple[Name, ...]:
    alone = [f.name for f in place.entity.fields if f.rules.references or f.rules.index]
    made = [*unique, *(_name(place, "field", (name,)) for name in alone)]
    if place.parent is not None:
        made.append(_name(place, PARENT, parent_fields(place)))
    return tuple(made)


def parent_fields(place: Place) -> tuple[str, ...]:
    """Return the fields that name the document around, in the order of that one's key."""
    there = {parent: here for here, parent in place.inherited}
    return tuple(there[part] for part in place.parent.entity.key) if place.parent else ()


def _name(place: Place, kind: str, fields: tuple[str, ...]) -> Name:
    reads = tuple(reading(place.entity, place.entity.field(field)) for field in fields)
    return Name(f"{kind} {','.join(fields)}", fields, reads)


def key_parts(key: Key) -> tuple[Any, ...]:
    """Return the parts of a key."""
    return key if isinstance(key, tuple) else (key,)
