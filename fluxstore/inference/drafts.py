"""Which arrays and objects of a file are records, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath

import attrs

from fluxstore.inference import keys, naming
from fluxstore.inference.keys import KeyChoice
from fluxstore.inference.observing import Shape, Values

SAY_NOTHING = frozenset(
    {"all", "content", "data", "docs", "elements", "entries", "items", "list", "records"}
    | {"results", "rows", "values"}
)
"""Names of arrays that say nothing about what is in them: the file's name does."""
NEEDS_PARENT = SAY_NOTHING | {"children", "details", "lines", "members", "participants"}
"""Names of nested arrays that say little without their parent's."""


@attrs.define
class Draft:
    """An entity in the making."""

    name: str
    shape: Shape
    key: KeyChoice
    file: str
    records: str = ""
    parent: Draft | None = None
    children: list[Draft] = attrs.field(factory=list)

    def inside(self) -> Iterator[Draft]:
        """Yield every draft inside this one, each after the one around it."""
        for child in self.children:
            yield child
            yield from child.inside()


def drafts_of(file: str, arrays: Mapping[tuple[str, ...], Shape]) -> tuple[list[Draft], str]:
    """Return the drafts of what a file holds, and why some of it is none."""
    stem = naming.snake(PurePath(file).stem)
    made: list[Draft] = []
    reasons: list[str] = []
    anything = any(shape.count for shape in arrays.values())
    for place, shape in arrays.items():
        records = ".".join(place)
        if not shape.count and (shape.odd or anything):
            continue  # texts or numbers, or an empty array beside a full one
        name = _name(place[-1] if place else "", stem, alone=len(arrays) == 1)
        key = (
            keys.choose(shape, name) if shape.count else KeyChoice(("id",), "nothing is there yet")
        )
        where = f"{records}: " if records else ""
        if any("." in part or not part for part in place):
            reasons.append(f"{where}an array whose name has a dot, or is empty, cannot be named")
        elif key is None:
            reasons.append(f"{where}no field, and no two together, identify a record")
        elif not name:
            reasons.append(f"{where}its name has no ASCII letter or digit")
        else:
            made.append(_with_children(Draft(name, shape, key, file, records)))
    return made, "; ".join(reasons)


def _name(records: str, stem: str, *, alone: bool) -> str:
    own = naming.snake(records)
    if not own or own in SAY_NOTHING:
        return stem if alone or not own else f"{stem}_{own}"
    return own


def _with_children(draft: Draft) -> Draft:
    for name, values in draft.shape.fields.items():
        made = _child(draft, name, values)
        if made is not None:
            draft.children.append(made)
    return draft


def _child(parent: Draft, name: str, values: Values) -> Draft | None:
    shape = _held(values)
    if shape is None or not shape.count:
        return None
    if shape.odd > (shape.count + shape.odd) * keys.MOST_BAD:
        return None
    own = naming.snake(name)
    if own in NEEDS_PARENT:
        own = f"{naming.singular(parent.name)}_{own}"
    key = keys.choose(shape, own, nested=True)
    if key is None or "." in name or (shape.odd and not key.is_own):
        return None
    if shape.names is not None:
        key = keys.among_parents(key, shape)
    return _with_children(Draft(own, shape, key, parent.file, name, parent))


def _held(values: Values) -> Shape | None:
    """Return the objects in a field that holds nothing else: in arrays, or under their keys."""
    if values.nulls:
        return None
    if values.kinds == {"list"}:
        return values.records
    if values.kinds != {"dict"} or values.by_name is None:
        return None
    return values.by_name if keys.are_children(values.by_name) else None
