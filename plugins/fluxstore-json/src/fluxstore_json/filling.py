"""Fills an index: one walk through a file, nested documents included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from fluxstore.codec import Refusal
from fluxstore_json import raws
from fluxstore_json.blocks import Block
from fluxstore_json.forms import Form
from fluxstore_json.frame import Beside, End, Path, Some, Start
from fluxstore_json.index import Bounds, Element, Index
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place


@attrs.frozen
class _Around:
    """A document that holds others: its item, its text, where that is, its key, the root's."""

    item: Any
    text: bytes
    start: int
    key: str
    root: str


class Filler:
    """Walks through one file."""

    def __init__(self, places: Sequence[Place], forms: Mapping[str, Form]) -> None:
        """Look for the records of *places*, which are all that are in the file."""
        self._forms = forms
        self._ordinals = {place.name: 0 for place in places}
        self._roots = {place.path: place for place in places if place.parent is None}
        self._inner: dict[str, list[Place]] = {place.name: [] for place in places}
        for place in places:
            if place.parent is not None:
                self._inner[place.parent.name].append(place)
        self._rows: dict[str, list[Element]] = {place.name: [] for place in places}

    def fill(self, index: Index, file: OpenFile) -> None:
        """Put everything in *file* into *index*; ``UnreadableRecordError`` for what is no JSON."""
        starts: dict[Path, int] = {}
        first: dict[Path, int] = {}
        readers = {path: self._forms[place.name].reader for path, place in self._roots.items()}
        for event in file.walk(readers):
            match event:
                case Start(path, offset):
                    starts[path] = offset
                    index.frame.append(path)
                case Some(path, block):
                    first.setdefault(path, block.offset)
                    self._take(self._roots[path], block)
                    self._hand_over(index)
                case End(path, offset):
                    index.bounds[path] = Bounds(starts[path], offset, first.get(path))
                case Beside(path, raw):
                    index.beside[path] = raw
                    index.frame.append(path)

    def _hand_over(self, index: Index) -> None:
        for name, elements in self._rows.items():
            if elements:
                index.add(name, elements)
                elements.clear()

    def _take(self, place: Place, block: Block) -> None:
        for item, (start, length) in zip(block.items, block.places, strict=True):
            key = self._element(place, item, {}, None, (start, length))
            if key is not None and self._inner[place.name]:
                text = block.data[start - block.offset : start - block.offset + length]
                self._inside(place, _Around(item, text, start, key, key))

    def _inside(self, place: Place, around: _Around) -> None:
        form = self._forms[place.name]
        key = form.codec.key_of_text(around.key)
        members = raws.members(around.text)
        for inner in self._inner[place.name]:
            inherited = self._forms[inner.name].inherited(key)
            items = _children(form, around.item, inner.array)
            spans = raws.held(around.text, members.get(inner.array), inner.shape)
            for item, (start, end) in zip(items, spans, strict=True):
                span = (around.start + start, end - start)
                own = self._element(inner, item, inherited, around, span)
                if own is not None and self._inner[inner.name]:
                    text = around.text[start:end]
                    self._inside(inner, _Around(item, text, span[0], own, around.root))

    def _element(
        self,
        place: Place,
        item: Any,
        inherited: Mapping[str, Any],
        around: _Around | None,
        span: tuple[int, int],
    ) -> str | None:
        """Note one element; return its key as text."""
        name = place.entity.name
        form = self._forms[name]
        self._ordinals[name] += 1
        key = form.plain_key(item) or _key(form, item, inherited)
        flawed = key is None or (type(item) is not dict and form.is_flawed(item))
        parent, root = (around.key, around.root) if around else (None, None)
        self._rows[name].append((key, self._ordinals[name], parent, root, *span, flawed))
        return key


def _key(form: Form, item: Any, inherited: Mapping[str, Any]) -> str | None:
    try:
        return form.codec.key_text(form.key(item, inherited))
    except Refusal:
        return None


def _children(form: Form, item: Any, array: str) -> Sequence[Any]:
    try:
        return form.children(item, array) or ()
    except Refusal:
        return ()
