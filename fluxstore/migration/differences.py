"""How two records differ, in words that show no more than they must."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import attrs
import msgspec

from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.errors import shortened
from fluxstore.migration.identity import scaled_fields
from fluxstore.records import Record

_SHOWN_CHARACTERS = 80
HIDDEN, ABSENT = "(hidden)", "(missing)"


class Kind(StrEnum):
    """In which way a record differs between source and target."""

    MISSING = "missing"
    """Only the source has it."""
    ORPHAN = "orphan"
    """Only the target has it."""
    DIVERGED = "diverged"
    """Both have it, and it is not equal."""
    AHEAD = "ahead"
    """The target, a follower, has a newer version than its authority: nothing of ours does that."""
    UNDECODABLE = "undecodable"
    """One side has something under its key that cannot be read as one record."""


@attrs.frozen
class FieldDifference:
    """A field's value on both sides, as JSON text, shortened; hidden where it is personal data."""

    field: str
    source: str
    target: str


@attrs.frozen
class Difference:
    """One record that is not the same on both sides."""

    entity: str
    kind: Kind
    key: str
    source_place: str
    target_place: str
    fields: tuple[FieldDifference, ...] = ()
    detail: str = ""
    """What else is to be said: why it cannot be decoded."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        made = attrs.asdict(self)
        return {**made, "kind": self.kind.value, "fields": list(made["fields"])}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Difference:
        """Return what ``to_json`` was made of."""
        fields = tuple(FieldDifference(**one) for one in value["fields"])
        return cls(**{**value, "kind": Kind(value["kind"]), "fields": fields})

    def __str__(self) -> str:
        """Return one line: place, entity, key, field, both values."""
        where = f"{self.source_place} {self.entity} {shortened(self.key, 60)}"
        if self.kind is not Kind.DIVERGED:
            return f"{where}: {self.kind.value}{f', {self.detail}' if self.detail else ''}"
        parts = (f"{one.field}: {one.source} is {one.target} in the target" for one in self.fields)
        return f"{where}: {', '.join(parts)}"


def differing(entity: Entity, source: Record, target: Record) -> tuple[FieldDifference, ...]:
    """Return the fields that differ: by value, by how a value is written, by the name it has.

    The scale of a Decimal is how it is written: 1.10 is 1.1, and another document.
    """
    codec = Codec.of(entity)
    values = codec.differing(source, target)
    found = [_by_value(entity, codec, name, source, target) for name in values]
    found += _by_spelling(entity, codec, source, target, set(values))
    return tuple(found)


def _by_value(
    entity: Entity, codec: Codec, name: str, source: Record, target: Record
) -> FieldDifference:
    field = entity.by_name.get(name)
    if field is not None and field.rules.pii:
        return FieldDifference(name, _hidden(source, name), _hidden(target, name))
    return FieldDifference(name, _shown(codec, source, name), _shown(codec, target, name))


def _hidden(record: Record, name: str) -> str:
    return HIDDEN if record.values.get(name) is not None else "null or missing"


def _shown(codec: Codec, record: Record, name: str) -> str:
    if name in record.values:
        encode = codec.encoders.get(name)
        value = record.values[name]
        return _json(value if encode is None else encode(value))
    extras = record.residue.extras
    return _json(extras[name]) if name in extras else ABSENT


def _json(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False), _SHOWN_CHARACTERS)


def _by_spelling(
    entity: Entity, codec: Codec, source: Record, target: Record, known: set[str]
) -> Iterator[FieldDifference]:
    names = {*_names(source), *_names(target), *scaled_fields(entity)} - known
    if not names:
        return
    one, other = _written(codec, source), _written(codec, target)
    for name in sorted(names):
        if one.get(name) != other.get(name):
            field = entity.by_name.get(name)
            hidden = field is not None and field.rules.pii
            shown = [HIDDEN if hidden else side.get(name, ABSENT) for side in (one, other)]
            yield FieldDifference(name, *(shortened(text, _SHOWN_CHARACTERS) for text in shown))


def _names(record: Record) -> set[str]:
    return {*record.residue.spelling, *record.residue.alias}


def _written(codec: Codec, record: Record) -> dict[str, str]:
    """Return each field's JSON text as its document has it, with the name it is found under."""
    alias = record.residue.alias
    document = codec.encode(record.values, record.residue.spelling)
    return {
        name: _text(value) + (f" as {alias[name]}" if name in alias else "")
        for name, value in document.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
