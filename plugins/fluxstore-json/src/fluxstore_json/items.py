"""The records of one place in the order of its file, each with where to go on behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fluxstore.codec import Refusal
from fluxstore.records import Key, Reason, Record, Rejected
from fluxstore_json import raws
from fluxstore_json.blocks import Block
from fluxstore_json.forms import Bad, Form
from fluxstore_json.frame import Position, Some
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.sieve import Sieve


@attrs.frozen
class Spot:
    """Where to go on: between outermost elements, *done* records of the next one's already taken.

    ``number`` counts the place's items so far, good or bad.
    """

    offset: int
    index: int
    done: int
    number: int


@attrs.frozen
class Item:
    """One record, or what stands in its place: in element *at* of a block, the *done*-th inside."""

    found: Record | Rejected
    parent: Key | None
    block: Block = attrs.field(repr=False)
    at: int
    done: int
    number: int

    def spot(self) -> Spot:
        """Return where to go on behind it."""
        at = self.at - 1 if self.done else self.at
        offset, index = self.block.offset, self.block.index
        if at >= 0:
            start, length = self.block.places[at]
            offset, index = start + length, index + at + 1
        return Spot(offset, index, self.done, self.number)


@attrs.frozen
class _Inner:
    """One nested document, or why it cannot be one; ``steps`` lead to it from the outermost."""

    value: Any
    parent: Key | None
    steps: tuple[int, ...]
    refusal: Refusal | None = None


class Items:
    """Reads one place of an open file."""

    def __init__(
        self,
        file: OpenFile,
        place: Place,
        forms: Mapping[str, Form],
        may_pass: Sieve | None = None,
    ) -> None:
        """Read *place*; *forms* has the form of every place around it.

        What *may_pass* says no to is left out.
        """
        self._may_pass = may_pass
        self._file, self._form = file, forms[place.name]
        self._chain = [forms[each.name] for each in chain(place)]
        roots = (form for form in forms.values() if form.place.parent is None)
        self._readers = {f.place.path: f.reader for f in roots if f.place.file == place.file}
        self._number = 0

    def blocks(self, spot: Spot | None = None) -> Iterator[Block]:
        """Yield the blocks of the outermost array, and read on to the end of the file."""
        path = self._chain[0].place.path
        position = Position(path, spot.offset, spot.index) if spot else None
        for event in self._file.walk(self._readers, wanted=[path], position=position):
            if isinstance(event, Some) and event.path == path:
                yield event.block

    def __call__(self, spot: Spot | None = None) -> Iterator[Item]:
        """Yield the items from the start, or from *spot*."""
        self._number = spot.number if spot else 0
        skipped = spot.done if spot else 0
        read = self._flat if len(self._chain) == 1 else self._nested
        for block in self.blocks(spot):
            yield from read(block, skipped)
            skipped = 0

    def _flat(self, block: Block, _: int) -> Iterator[Item]:
        size = len(block.data)
        for at, item in enumerate(block.items):
            self._number += 1
            if self._may_pass is not None and not self._may_pass(item, {}):
                continue
            found: Record | Rejected | Bad = self._form.record(item, {}, size)
            if isinstance(found, Bad):
                start, length = block.places[at]
                start -= block.offset
                found = self._rejected(found, block.data[start : start + length])
            yield Item(found, None, block, at, 0, self._number)

    def _nested(self, block: Block, skipped: int) -> Iterator[Item]:
        for at, item in enumerate(block.items):
            for done, inner in enumerate(self._inside(item, 0, {}, ()), 1):
                if done <= skipped:
                    continue
                self._number += 1
                if self._may_pass is not None and not self._passes(inner):
                    continue
                found = self._record(inner, block, at)
                yield Item(found, inner.parent, block, at, done, self._number)
            skipped = 0

    def _passes(self, inner: _Inner) -> bool:
        if inner.refusal is not None or self._may_pass is None:
            return True
        return self._may_pass(inner.value, self._form.inherited(inner.parent))

    def _record(self, inner: _Inner, block: Block, at: int) -> Record | Rejected:
        size = len(block.data)
        found: Record | Bad = (
            Bad("", "", inner.refusal) if inner.refusal else self._decoded(inner, size)
        )
        if isinstance(found, Record):
            return found
        start, length = block.places[at]
        start -= block.offset
        raw = block.data[start : start + length]
        for form, step in zip(self._chain[1:], inner.steps, strict=False):
            start, end = raws.inside(raw, form.place.array, form.place.shape)[step]
            raw = raw[start:end]
        if len(inner.steps) + 1 < len(self._chain):  # there is no array to step into
            start, end = raws.members(raw)[self._chain[len(inner.steps) + 1].place.array]
            raw = raw[start:end]
        return self._rejected(found, raw)

    def _decoded(self, inner: _Inner, size: int) -> Record | Bad:
        return self._form.record(inner.value, self._form.inherited(inner.parent), size)

    def _inside(
        self, item: Any, depth: int, inherited: Mapping[str, Any], steps: tuple[int, ...]
    ) -> Iterator[_Inner]:
        """Yield the place's documents inside *item*, a document of the chain's form *depth*."""
        around, form = self._chain[depth], self._chain[depth + 1]
        try:
            found = around.children(item, form.place.array)
        except Refusal as no_array:
            yield _Inner(None, None, steps, no_array.under(form.place.array))
            return
        key, refusal = _key(around, item, inherited) if found else (None, None)
        last = depth + 2 == len(self._chain)
        for at, each in enumerate(found or ()):
            step = (*steps, at)
            if last or refusal is not None:
                yield _Inner(each, key, step, refusal)
            else:
                yield from self._inside(each, depth + 1, form.inherited(key), step)

    def _rejected(self, bad: Bad, raw: bytes) -> Rejected:
        place, codec = self._form.place, self._form.codec
        made = codec.problem(
            bad.field, bad.refusal, bad.key or f"[{self._number - 1}]", file=self._file.shown
        )
        if place.parent is not None and not bad.key:
            made = attrs.evolve(made, expected=f"{made.expected} (of {place})")
        return Rejected(made, raw)


def _key(form: Form, item: Any, inherited: Mapping[str, Any]) -> tuple[Key | None, Refusal | None]:
    try:
        return form.key(item, inherited), None
    except Refusal:
        name = form.entity.name
        return None, Refusal(Reason.REFERENCE, f"a document of {name} with a readable key expected")


def chain(place: Place) -> list[Place]:
    """Return the places around *place*, the outermost first, and *place* itself."""
    return [*chain(place.parent), place] if place.parent else [place]
