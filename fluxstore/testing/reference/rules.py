"""What entities demand of a state: checks, unique groups, references; and what a delete does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

import attrs

from fluxstore.codec import Codec, value_bytes
from fluxstore.entity import Entities, Entity, Field
from fluxstore.errors import ConstraintError
from fluxstore.evaluate import reading
from fluxstore.records import Key, Problem, Reason, Record, Rejected
from fluxstore.testing.reference.memory import State

Rule = Literal["unique", "reference", "check"]
Touched = dict[tuple[str, Key], bool]
"""The records a commit changes, (entity, key), and whether each was there before."""


@attrs.frozen
class Broken:
    """One rule that one record breaks."""

    rule: Rule
    entity: Entity
    key: Key
    fields: tuple[str, ...]
    reason: Reason
    expected: str

    def error(self, backend: str) -> ConstraintError:
        """Return what a commit raises."""
        return ConstraintError(
            f"{', '.join(self.fields)}: {self.expected}",
            backend=backend,
            entity=self.entity.name,
            key=self.key,
            rule=self.rule,
            fields=self.fields,
        )

    def rejected(self) -> Rejected:
        """Return what a merge lists."""
        codec = Codec.of(self.entity)
        return Rejected(
            Problem(
                entity=self.entity.name,
                reason=self.reason,
                expected=self.expected,
                key=codec.key_text(self.key),
                field=", ".join(self.fields),
            )
        )


def broken(
    state: State,
    entities: Entities,
    entity: Entity,
    keys: Iterable[Key],
    *,
    references: bool = True,
) -> Iterator[Broken]:
    """Yield the first rule that each of the records *keys* breaks in *state*, where it breaks one.

    Of records that collide, those not among *keys* and then the first of them keep their place.
    """
    written = [key for key in keys if key in state.table(entity.name)]
    colliding = _collisions(state, entity, written)
    for key in written:
        record = state.table(entity.name)[key]
        found = _check(entity, record) or colliding.get(key)
        if found is None and references:
            found = _dangling(state, entities, entity, record)
        if found is not None:
            yield found


def _check(entity: Entity, record: Record) -> Broken | None:
    codec = Codec.of(entity)
    decoded = codec.decode(codec.encode(record.values))
    refusals = decoded.refusals or codec.too_large(record.values, record.residue.extras)
    for name, refusal in refusals:
        fields = (name + refusal.path,)
        return Broken("check", entity, record.key, fields, refusal.reason, refusal.expected)
    return None


def _collisions(state: State, entity: Entity, written: list[Key]) -> dict[Key, Broken]:
    found: dict[Key, Broken] = {}
    late = set(written)
    for group in entity.unique:
        reads = [reading(entity, entity.field(name)) for name in group]
        owners: dict[bytes, Key] = {}
        for key in [*(key for key in state.table(entity.name) if key not in late), *written]:
            values = [read(state.table(entity.name)[key].values) for read in reads]
            owner = owners.setdefault(_identity(values), key) if None not in values else key
            if owner != key:
                words = (
                    f"unique values expected, record {Codec.of(entity).key_text(owner)} has them"
                )
                found[key] = Broken("unique", entity, key, group, Reason.UNIQUE, words)
    return found


def _identity(values: list[Any]) -> bytes:
    return value_bytes([value_bytes(value) for value in values])


def _dangling(state: State, entities: Entities, entity: Entity, record: Record) -> Broken | None:
    for field in entity.references:
        value = reading(entity, field)(record.values)
        target = entities[cast(str, field.rules.references)]
        if value is not None and value not in state.table(target.name):
            words = f"a record of {target.name} expected, none has that key"
            name = (field.name,)
            return Broken("reference", entity, record.key, name, Reason.REFERENCE, words)
    return None


def left_behind(state: State, entities: Entities, touched: Touched) -> ConstraintError | None:
    """Return what is wrong where a record of *touched* is gone and another still refers to it."""
    for name, key in touched:
        for child, field in entities.referring_to(name) if key not in state.table(name) else ():
            for each in _children(state, child, field, key):
                return _restriction(child, field, each)
    return None


@attrs.frozen
class Deletion:
    """Deletes records, and does to those that refer to them as they declare."""

    state: State
    entities: Entities
    touched: Touched

    def delete(self, entity: Entity, key: Key) -> None:
        """Delete a record; ``ConstraintError`` (of no backend) where another restricts it."""
        del self.state.table(entity.name)[key]
        self.touched.setdefault((entity.name, key), True)
        for child, field in self.entities.referring_to(entity.name):
            follow = getattr(self, f"_{field.rules.on_delete}")
            for each in _children(self.state, child, field, key):
                follow(child, field, each)

    def _cascade(self, child: Entity, _: Field, key: Key) -> None:
        if key in self.state.table(child.name):
            self.delete(child, key)

    def _set_null(self, child: Entity, field: Field, key: Key) -> None:
        record = self.state.table(child.name)[key]
        values = {**record.values, field.name: None}
        self.state.table(child.name)[key] = attrs.evolve(record, values=values)
        self.touched.setdefault((child.name, key), True)

    def _restrict(self, child: Entity, field: Field, key: Key) -> None:
        raise _restriction(child, field, key)


def _children(state: State, child: Entity, field: Field, key: Key) -> list[Key]:
    read = reading(child, field)
    return [each for each, one in state.table(child.name).items() if read(one.values) == key]


def _restriction(child: Entity, field: Field, key: Key) -> ConstraintError:
    return ConstraintError(
        f"record {Codec.of(child).key_text(key)} of {child.name} refers to it by {field.name}",
        next_step="delete that first, or let it go without",
        rule="reference",
        fields=(field.name,),
    )
