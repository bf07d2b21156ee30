"""Which fields of a record are its key."""

from __future__ import annotations

import attrs

from fluxstore.inference import naming
from fluxstore.inference.observing import POSITIONS, Shape, Values

OWN = ("id", "_id", "uuid", "guid")
PARTS = ("id", "uuid", "number", "no", "nr", "code")
MOST_BAD = 0.1
"""A field named like a key is taken for it even where a tenth of the records are bad."""
MOST_ALIKE = 2 / 3
"""Objects are alike where a field of one is in so many of the others."""


@attrs.frozen
class KeyChoice:
    """The key's JSON names, and why; ``in_parent`` when it needs the parent's key in front."""

    names: tuple[str, ...]
    reason: str
    in_parent: bool = False
    warning: str = ""
    is_own: bool = False
    """Whether the field is named as a key usually is."""
    is_inside: bool = True
    """Whether records say it themselves: those of an object may have it as their name alone."""


def choose(shape: Shape, entity: str, *, nested: bool = False) -> KeyChoice | None:
    """Return the key of the records in *shape*, or ``None`` where nothing identifies them."""
    own = _own_names(shape, entity)
    if shape.names is not None:
        return _said_by_names(shape)
    if nested:
        return _nested(shape, own)
    for name in own:
        if _may_be_key(shape.fields[name], shape.count):
            return _named_like_a_key(name, shape)
    for name, values in shape.fields.items():
        if _complete(values, shape) and values.is_unique():
            return KeyChoice((name,), "in every record, never twice")
    return _pair(shape)


def _said_by_names(shape: Shape) -> KeyChoice:
    """Return the field that repeats the names of records where it does not contradict them."""
    for name, count in sorted(shape.repeated.items(), key=lambda one: -one[1]):
        lacking = shape.fields[name].present - count if name in shape.fields else shape.count
        if lacking <= shape.count * MOST_BAD:
            warning = f"{lacking:,} of {shape.count:,} have another {name}" if lacking else ""
            inside = count * 2 > shape.count
            return KeyChoice(
                (name,), "the name that it stands under", warning=warning, is_inside=inside
            )
    return KeyChoice((), "the name that it stands under", is_inside=False)


def are_records(shape: Shape) -> bool:
    """Tell whether the objects in an object are records: their names or what they hold says so."""
    if not shape.count or shape.odd > (shape.count + shape.odd) * MOST_BAD:
        return False
    if _said_by_names(shape).names or have_numbers(shape):
        return True
    seen = sum(values.present for values in shape.fields.values())
    return shape.count > 1 and seen > 0 and seen >= shape.count * len(shape.fields) * MOST_ALIKE


def are_children(shape: Shape) -> bool:
    """Tell whether objects that are in an object in each of some records are records too.

    The same few words in most of them (``home``, ``work``) name parts of one record.
    """
    if not are_records(shape) or shape.names is None:
        return False
    if _said_by_names(shape).names or have_numbers(shape):
        return True
    return shape.holders > 1 and _different(shape.names) * 2 > shape.names.present


def among_parents(choice: KeyChoice, shape: Shape) -> KeyChoice:
    """Return the key that names inside of records are.

    They need the record's own key beside them, unless they were never the same in two of them.
    """
    unique = shape.names is not None and shape.names.is_unique()
    alone = unique and (shape.holders > 1 or choice.is_inside)
    return attrs.evolve(choice, in_parent=not alone)


def _different(values: Values) -> int:
    return len(set(values.hashes or ()))


def have_numbers(shape: Shape) -> bool:
    """Tell whether every name has a digit, or an @, in it: words for settings have none."""
    return shape.names is not None and shape.names.numbered == shape.names.present


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
    return len(values.hashes or ()) - _different(values)


def _pair(shape: Shape) -> KeyChoice | None:
    for (one, other), hashes in shape.pairs.items():
        complete = all(_complete(shape.fields[name], shape) for name in (one, other))
        if complete and len(hashes) == shape.count == len(set(hashes)):
            return KeyChoice((one, other), "never twice together")
    return None
