"""Words for what the joins have found: the second look at records that stay behind."""

from __future__ import annotations

from collections.abc import Collection

from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity, Field
from fluxstore.errors import shortened
from fluxstore.migration import identity
from fluxstore.migration.joins import Why
from fluxstore.migration.scratch import DIGEST_BYTES, Index
from fluxstore.migration.spool import document_bytes
from fluxstore.records import Problem, Reason, Record, Rejected

_REASONS = {
    Why.DUPLICATE: Reason.DUPLICATE_KEY,
    Why.COLLISION: Reason.UNIQUE,
    Why.ABSENT: Reason.REFERENCE,
    Why.HELD_BACK: Reason.REFERENCE,
}


class Namer:
    """Makes problems of the flags of one entity."""

    def __init__(
        self, entity: Entity, place: str, flags: Index, entities: Entities, outside: Collection[str]
    ) -> None:
        """Take the flags; *outside* names entities whose records are looked up in the target."""
        self._entity, self._place, self._flags = entity, place, flags
        self._entities, self._outside = entities, outside
        self._codec = Codec.of(entity)
        self._digest = identity.key_digest(entity)

    def problems(self, record: Record) -> list[Rejected]:
        """Return what keeps *record* behind: nothing for most."""
        found = self._flags.find(self._digest(record.key))
        if not found:
            return []
        raw = document_bytes(self._codec, record)
        return [Rejected(self._problem(record, entry), raw) for entry in found]

    def _problem(self, record: Record, entry: bytes) -> Problem:
        why, at = Why(entry[DIGEST_BYTES]), entry[DIGEST_BYTES + 1]
        fields, expected = self._words(record, why, at)
        return Problem(
            entity=self._entity.name,
            reason=_REASONS[why],
            expected=expected,
            key=self._codec.key_text(record.key),
            field=", ".join(fields),
            file=self._place,
        )

    def _words(self, record: Record, why: Why, at: int) -> tuple[tuple[str, ...], str]:
        if why is Why.DUPLICATE:
            return self._entity.key, "a key of its own expected, another record has the same"
        if why is Why.COLLISION:
            group = self._entity.unique[at]
            return group, "values of its own expected, another record has the same"
        field = self._entity.references[at]
        return (field.name,), self._reference(record, field, why)

    def _reference(self, record: Record, field: Field, why: Why) -> str:
        parent = self._entities[str(field.rules.references)]
        value = record.values.get(field.name)
        shown = "" if field.rules.pii or value is None else f" {shortened(_text(parent, value))}"
        wanted = f"a record{shown} of {parent.name} expected"
        if why is Why.HELD_BACK:
            return f"{wanted}, it stays behind itself"
        where = " in the target" if parent.name in self._outside else ""
        return f"{wanted}, none found{where}"


def _text(parent: Entity, value: object) -> str:
    return Codec.of(parent).key_text(value)
