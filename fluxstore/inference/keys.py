"""Which fields of a record are its key."""

from __future__ import annotations

import attrs

from fluxstore.inference import naming
from fluxstore.inference.observing import POSITIONS, Shape, Values

OWN = ("id", "_id", "uuid", "guid")
PARTS = ("id", "uuid", "number", "no", "nr", "code")
MOST_BAD = 0.1
"""A field named like a key is taken for it even where a tenth of the records are bad."""


@attrs.frozen
class KeyChoice:
    """The key's JSON names, and why; ``in_parent`` when it needs the parent's key in front."""

    names: tuple[str, ...]
    reason: str
    in_parent: bool = False
    warning: str = ""
    is_own: bool = False
    """Whether the field is named as a key usually is."""


def choose(shape: Shape, entity: str, *, nested: bool = False) -> KeyChoice | None:
    """Return the key of the records in *shape*, or ``None`` where nothing identifies them."""
    own = _own_names(shape, entity)
    if nested:
        return _nested(shape, own)
    for name in own:
        if _may_be_key(shape.fields[name], shape.count):
            return _named_like_a_key(name, shape)
    for name, values in shape.fields.items():
        if _complete(values, shape) and values.is_unique():
            return KeyChoice((name,), "in every record, never twice")
    return _pair(shape)


def _own_names(shape: Shape, entity: str) -> list[str]:
    """Return the names that look like a key of its own, the likeliest first."""
    one = naming.singular(entity)
    last = one.rpartition("_")[2]
    wanted = (*OWN, *(f"{noun}_{part}" for part in PARTS for noun in (one, last)))
    made = {name: naming.snake(name) if name != "_id" else "_id" for name in shape.fields}
    return [name for like in wanted for name in shape.fields if made[name] == like]


def _single_kind(values: Values) -> bool:
    return values.kinds in ({"str"}, {"int"})


def kind_of_key(values: Values) -> str:
    """Return the kind that a key's values have, but for a few bad ones: ``str`` or ``int``."""
    return max(("str", "int"), key=lambda kind: values.counts.get(kind, 0))


def _may_be_key(values: Values, count: int) -> bool:
    there = values.counts.get(kind_of_key(values), 0)
    return there >= count * (1 - MOST_BAD) and there > 0


def _complete(values: Values, shape: Shape) -> bool:
    full = values.present == shape.count and not values.nulls and shape.count > 0
    return full and _single_kind(values) and values.checked


def _named_like_a_key(name: str, shape: Shape) -> KeyChoice:
    values = shape.fields[name]
    lacking = shape.count - values.counts[kind_of_key(values)]
    twice = _twice(values)
    parts = []
    if lacking:
        parts.append(f"{lacking:,} of {shape.count:,} records have no good {name}")
    if twice and values.checked:
        parts.append(f"{twice:,} of {shape.count:,} have the {name} of another")
    reason = "named like a key" + ("" if parts else ", never twice")
    return KeyChoice((name,), reason, warning=" and ".join(parts), is_own=True)


def _nested(shape: Shape, own: list[str]) -> KeyChoice | None:
    for name in own:
        if _complete(shape.fields[name], shape) and shape.fields[name].is_unique():
            return KeyChoice((name,), "in every record, never twice", is_own=True)
    positions = [name for name in shape.fields if naming.snake(name) in POSITIONS]
    for name in (*own, *positions, *shape.fields):
        values = shape.fields[name]
        if values.hashes is not None and _complete(values, shape) and values.unique_in_parent:
            return KeyChoice((name,), "never twice within one parent", in_parent=True)
    for name in own:
        values = shape.fields[name]
        if _may_be_key(values, shape.count) and _twice(values) <= shape.count * MOST_BAD:
            return _named_like_a_key(name, shape)
    return None


def _twice(values: Values) -> int:
    """Return how many values are those of another record."""
    return len(values.hashes or ()) - len(set(values.hashes or ()))


def _pair(shape: Shape) -> KeyChoice | None:
    for (one, other), hashes in shape.pairs.items():
        complete = all(_complete(shape.fields[name], shape) for name in (one, other))
        if complete and len(hashes) == shape.count == len(set(hashes)):
            return KeyChoice((one, other), "never twice together")
    return None
