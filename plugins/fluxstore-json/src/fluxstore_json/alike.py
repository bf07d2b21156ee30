"""Documents that are alike (the same names in the same order), decoded a column at a time.

Most documents of a place are. Whatever is doubtful about one is left to ``Form.record``, which says
exactly what is wrong; what is decided here is decided as it would be there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import attrs

from fluxstore.codec import Codec
from fluxstore.codec.columns import DOUBT, Odd, is_json
from fluxstore.records import NO_RESIDUE, Record, Residue

Inherited: TypeAlias = Mapping[str, Any]
"""What a nested record has from the document around it: field to plain value."""
Names: TypeAlias = tuple[str, ...]
Values: TypeAlias = Sequence[Any]
_NUL = re.compile(rb"\\u0000")
_MOST_SHAPES = 256
"""Shapes that are remembered: more of them, and documents have hardly anything in common."""


def is_clean(data: bytes) -> bool:
    """Tell whether no text in *data*, which a parser has read, holds a NUL character."""
    return _NUL.search(data) is None


@attrs.frozen
class Naming:
    """What names mean in the documents of one place."""

    names: Mapping[str, str]
    """Field to its name."""
    fields: Mapping[str, str]
    """Name to the field that it is of."""
    aliases: Mapping[str, str]
    """Other name to the field that it may stand for."""
    held: Mapping[str, tuple[str, type]]
    """Name of an array to the entity of the records in it, and what a parser makes of it."""
    elsewhere: frozenset[str]
    """Fields that the document around says."""
    triggers: frozenset[str]
    """Fields whose value, where it is no null, implies that of another field."""
    rejects_extras: bool
    is_exact: bool
    """Whether documents have names of their own, which must agree with what is inside."""


@attrs.frozen
class Shape:
    """What the names of a document are: where its fields, arrays of others, and extras stand."""

    fields: Mapping[str, int]
    held: tuple[tuple[type, int], ...]
    extras: Mapping[str, int]
    triggers: tuple[int, ...]
    alias: Mapping[str, str]
    absent: Names


class Alike:
    """Decodes the documents of one place."""

    def __init__(self, codec: Codec, naming: Naming) -> None:
        """Know no shape yet."""
        self._naming, self._columns, self._key = naming, codec.columns, codec.entity.key
        self._encoders = codec.encoders
        self._required = {field.name for field in codec.entity.fields if field.required}
        self._shapes: dict[Names, Shape | None] = {}

    def records(
        self, documents: Sequence[Any], inherited: Sequence[Inherited] | None = None
    ) -> list[Record | None]:
        """Return a record for each of *documents* that is one, ``None`` for what is doubtful.

        Their text is clean, and short enough for any record. *inherited* is what each has from
        the document around it.
        """
        made: list[Record | None] = [None] * len(documents)
        groups: defaultdict[Names, list[int]] = defaultdict(list)
        for at, document in enumerate(documents):
            if type(document) is dict:
                groups[tuple(document)].append(at)
        for names, places in groups.items():
            shape = self._shape(names)
            if shape is not None:
                around = [inherited[at] for at in places] if inherited is not None else None
                found = self._decoded(shape, [documents[at] for at in places], around)
                for at, record in zip(places, found, strict=True):
                    made[at] = record
        return made

    def _shape(self, names: Names) -> Shape | None:
        if names not in self._shapes:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[names] = self._shape_of(names)
        return self._shapes[names]

    def _shape_of(self, names: Names) -> Shape | None:
        """Return what *names* are; ``None`` where that takes a closer look at each document."""
        naming = self._naming
        fields: dict[str, int] = {}
        alias: dict[str, str] = {}
        extras: dict[str, int] = {}
        for at, name in enumerate(names):
            field = naming.aliases.get(name)
            if name in naming.fields:
                fields[naming.fields[name]] = at
            elif field is not None and field not in fields and naming.names[field] not in names:
                fields[field], alias[field] = at, name
            elif name not in naming.held:
                extras[name] = at
        lacks = not self._required <= naming.elsewhere | fields.keys()
        is_said_twice = not naming.elsewhere.isdisjoint(fields)
        if naming.is_exact or lacks or is_said_twice or (extras and naming.rejects_extras):
            return None
        return Shape(
            fields=fields,
            held=tuple((naming.held[n][1], at) for at, n in enumerate(names) if n in naming.held),
            extras=extras,
            triggers=tuple(fields[field] for field in naming.triggers & fields.keys()),
            alias=alias,
            absent=tuple(sorted(held for n, (held, _) in naming.held.items() if n not in names)),
        )

    def _decoded(
        self, shape: Shape, documents: list[dict[str, Any]], around: Sequence[Inherited] | None
    ) -> Iterator[Record | None]:
        given: list[Values] = list(zip(*map(dict.values, documents), strict=True))
        doubtful = _doubtful(shape, given)
        columns: dict[str, Values] = {}
        spelling: dict[int, dict[str, Any]] = {}
        for field, at in shape.fields.items():
            columns[field], odd = self._columns[field](given[at])
            for row, raw in odd.items():
                if raw is DOUBT:
                    doubtful.add(row)
                else:
                    spelling.setdefault(row, {})[field] = raw
        for field in self._naming.elsewhere:
            columns[field], odd = self._beside(field, around or ())
            doubtful.update(row for row, raw in odd.items() if raw is DOUBT)
        names, rows = tuple(columns), zip(*columns.values(), strict=True)
        residues = _residues(shape, given, spelling, len(documents))
        for row, (key, values, residue) in enumerate(
            zip(self._keys(columns), rows, residues, strict=True)
        ):
            is_decided = row not in doubtful
            yield (
                Record(key, dict(zip(names, values, strict=True)), residue) if is_decided else None
            )

    def _beside(self, field: str, around: Sequence[Inherited]) -> tuple[Values, Odd]:
        """Return what the documents around say; their rules may be others."""
        encode = self._encoders[field]
        values = [one[field] for one in around]
        return self._columns[field](values if encode is None else list(map(encode, values)))

    def _keys(self, columns: Mapping[str, Values]) -> Values:
        if len(self._key) == 1:
            return columns[self._key[0]]
        return list(zip(*(columns[part] for part in self._key), strict=True))


def _doubtful(shape: Shape, given: Sequence[Values]) -> set[int]:
    """Return the rows that are not decided by their columns alone."""
    found: set[int] = set()
    for holder, at in shape.held:
        found.update(row for row, value in enumerate(given[at]) if type(value) is not holder)
    for at in shape.triggers:
        found.update(row for row, value in enumerate(given[at]) if value is not None)
    for at in shape.extras.values():
        if not is_json(given[at]):
            found.update(row for row, value in enumerate(given[at]) if not is_json([value]))
    return found


def _residues(
    shape: Shape, given: Sequence[Values], spelling: Mapping[int, dict[str, Any]], count: int
) -> Iterator[Residue]:
    plain = Residue({}, {}, shape.alias, shape.absent)
    usual = plain or NO_RESIDUE
    if not shape.extras and not spelling:
        yield from repeat(usual, count)
        return
    extras = zip(*(given[at] for at in shape.extras.values()), strict=True)
    for row in range(count):
        others = dict(zip(shape.extras, next(extras), strict=True)) if shape.extras else {}
        own = spelling.get(row, {})
        yield Residue(others, own, shape.alias, shape.absent) if others or own else usual
