"""The records of one place in the order of its file, each with where to go on behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import attrs

from fluxstore.codec import Refusal
from fluxstore.records import Key, Reason, Record, Rejected
from fluxstore_json import raws
from fluxstore_json.alike import Inherited, is_clean
from fluxstore_json.blocks import Block
from fluxstore_json.forms import HEAVY_BYTES, Bad, Form
from fluxstore_json.frame import Position, Some
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.sieve import Sieve

_AT_ONCE = 512


@attrs.frozen
class Spot:
    """Where to go on: between outermost elements, *done* records of the next one's already taken.

    ``number`` counts the place's items so far, good or bad.
    """

    offset: int
    index: int
    done: int
    number: int


class Item(NamedTuple):
    """One record, or what stands in its place: in element *at* of a block, the *done*-th inside."""

    found: Record | Rejected
    block: Block
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


class _Inner(NamedTuple):
    """One nested document, or why it cannot be one; ``steps`` lead to it from the outermost."""

    value: Any
    inherited: Inherited
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
        if len(self._chain) == 2:
            root, inner = self._chain
            self._readers[root.place.path] = root.reader_of(inner.place.array)
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
        quick = self._quick(block, block.items)
        for at, item in enumerate(block.items):
            self._number += 1
            if self._may_pass is not None and not self._may_pass(item, {}):
                continue
            made = quick[at] or self._form.record(item, {}, size)
            if isinstance(made, Record):
                found: Record | Rejected = made
            else:
                start, length = block.places[at]
                start -= block.offset
                found = self._rejected(made, block.data[start : start + length])
            yield Item(found, block, at, 0, self._number)

    def _nested(self, block: Block, skipped: int) -> Iterator[Item]:
        everything = self._everything_inside(block, skipped)
        while some := list(islice(everything, _AT_ONCE)):
            inners = [inner for _, _, inner in some]
            inherited = [inner.inherited for inner in inners]
            documents = [None if inner.refusal else inner.value for inner in inners]
            quick = self._quick(block, documents, inherited)
            for (at, done, inner), known in zip(some, quick, strict=True):
                self._number += 1
                if self._may_pass is None or self._passes(inner):
                    found = known or self._record(inner, block, at)
                    yield Item(found, block, at, done, self._number)

    def _everything_inside(self, block: Block, skipped: int) -> Iterator[tuple[int, int, _Inner]]:
        for at, item in enumerate(block.items):
            inside = enumerate(self._inside(item, 0, {}, ()), 1)
            yield from ((at, done, inner) for done, inner in inside if done > skipped)
            skipped = 0

    def _quick(
        self, block: Block, documents: Sequence[Any], inherited: Sequence[Inherited] | None = None
    ) -> Sequence[Record | None]:
        """Return the records that can be told at one look at all *documents* of *block*."""
        is_usual = not block.is_slow and len(block.data) <= HEAVY_BYTES
        if self._may_pass is None and is_usual and is_clean(block.data):
            return self._form.alike.records(documents, inherited)
        return [None] * len(documents)

    def _passes(self, inner: _Inner) -> bool:
        if inner.refusal is not None or self._may_pass is None:
            return True
        return self._may_pass(inner.value, inner.inherited)

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
        return self._form.record(inner.value, inner.inherited, size)

    def _inside(
        self, item: Any, depth: int, inherited: Mapping[str, Any], steps: tuple[int, ...]
    ) -> Iterator[_Inner]:
        """Yield the place's documents inside *item*, a document of the chain's form *depth*."""
        around, form = self._chain[depth], self._chain[depth + 1]
        try:
            found = around.children(item, form.place.array)
        except Refusal as no_array:
            yield _Inner(None, {}, steps, no_array.under(form.place.array))
            return
        key, refusal = _key(around, item, inherited) if found else (None, None)
        beside = form.inherited(key) if found and refusal is None else {}
        last = depth + 2 == len(self._chain)
        for at, each in enumerate(found or ()):
            step = (*steps, at)
            if last or refusal is not None:
                yield _Inner(each, beside, step, refusal)
            else:
                yield from self._inside(each, depth + 1, beside, step)

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
