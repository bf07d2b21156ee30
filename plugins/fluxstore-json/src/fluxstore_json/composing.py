"""Outermost documents as they are to be: own text, and what is inside, changed or not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from fluxstore.ledger import Pending, pending
from fluxstore_json import raws
from fluxstore_json.index import Document
from fluxstore_json.moment import Moment
from fluxstore_json.places import Place
from fluxstore_json.shapes import Shape, parted

_LAST = 1 << 62


@attrs.frozen
class _Child:
    """A document inside another: in the file, waiting, or without a key (``key`` is empty)."""

    key: str
    rank: tuple[int, int]
    text: bytes = attrs.field(repr=False)


class Composer:
    """Makes the text of outermost documents of one place."""

    def __init__(self, moment: Moment, place: Place, planned: Collection[str] = ()) -> None:
        """Compose documents of *place*, an outermost one; the index has a plan for *planned*."""
        self._planned = planned
        self._moment, self._place = moment, place
        self._shelf = moment.shelf(place.file)
        self._folded = moment.folded(place.file)

    def text(self, key: str, base: tuple[int, int] | None) -> bytes | None:
        """Return the text of the document *key*, at *base* in the file; ``None`` if it is gone."""
        row = self._change(self._place, key)
        if row is not None:
            return None if row.payload is None else self._whole(self._place, key, key, row.payload)
        if base is None:
            return None
        return self._whole(self._place, key, key, self._shelf.read(*base))

    def _change(self, place: Place, key: str) -> Pending | None:
        return self._moment.changes(place, [key]).get(key)

    def _whole(self, place: Place, root: str, key: str, own: bytes) -> bytes:
        """Return a document with the arrays inside it."""
        inner = self._moment.places.inside(place.name)
        if not inner:
            return own
        held = {each.array: (each.shape, list(self._children(each, root, key))) for each in inner}
        return _assembled(own, held)

    def _children(self, place: Place, root: str, parent: str) -> Iterator[bytes]:
        index = self._shelf.index
        documents = [one for one in index.inside(place.name, root) if one.parent == parent]
        changes = self._moment.changes(place, [one.key for one in documents])
        found = [
            child
            for one in documents
            if (child := self._filed(one, changes.get(one.key), parent)) is not None
        ]
        known = {child.key for child in found}
        found += self._new(place, root, parent, known)
        found += [
            _Child("", (0, start), self._shelf.read(start, length))
            for start, length in index.nameless_inside(place.name, root, parent)
        ]
        wished: dict[str, int] = {}
        if place.name in self._planned:
            wished = index.wished(place.name, [child.key for child in found])
        found.sort(key=lambda child: (wished.get(child.key, _LAST), child.rank))
        for child in found:
            yield self._whole(place, root, child.key, child.text) if child.key else child.text

    def _filed(self, one: Document, change: Pending | None, parent: str) -> _Child | None:
        rank = (0, one.start)
        if change is None:
            return _Child(one.key, rank, self._shelf.read(one.start, one.length))
        if change.payload is None or change.parent != parent:
            return None
        return _Child(one.key, rank, change.payload)

    def _new(self, place: Place, root: str, parent: str, known: set[str]) -> Iterator[_Child]:
        connection = self._moment.connection
        if connection is None:
            return
        for row in pending.inside(connection, place.name, root):
            here = row.payload is not None and row.parent == parent and row.change > self._folded
            if here and row.key not in known:
                yield _Child(row.key, (1, row.born), row.payload or b"")


def _assembled(own: bytes, held: Mapping[str, tuple[Shape, Sequence[bytes]]]) -> bytes:
    """Return an element with what is inside it filled in; what is absent stays so if empty."""
    spans = raws.members(own)
    parts = []
    for name, (start, end) in spans.items():
        value = own[start:end]
        if name in held:
            shape, texts = held[name]
            is_held = texts or value[:1] == shape.opening
            value = shape.whole(b",".join(texts)) if is_held else value
        parts.append(_name(name) + b":" + value)
    for name, (shape, texts) in held.items():
        if texts and name not in spans:
            parts.append(_name(name) + b":" + shape.whole(b",".join(texts)))
    own_name, _ = parted(own)
    return (own_name and own_name + b":") + b"{" + b",".join(parts) + b"}"


def _name(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False).encode("utf-8", "surrogatepass")
