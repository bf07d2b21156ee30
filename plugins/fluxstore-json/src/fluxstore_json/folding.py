"""A file as it is to be: ranges of the old one, and new text, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import attrs

from fluxstore.ledger import pending
from fluxstore_json.composing import Composer
from fluxstore_json.index import Bounds
from fluxstore_json.moment import Moment
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.style import Style, style_of

_AFTER = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_BEFORE = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*\Z")
_LOOK_BYTES = 4096
_AT_ONCE = 1000


@attrs.frozen
class Copy:
    """A range of the old file."""

    start: int
    end: int


Piece: TypeAlias = Copy | bytes


class Fold:
    """Folds pending changes into an array of a file, the others staying where they are."""

    def __init__(self, moment: Moment, place: Place, planned: Collection[str] = ()) -> None:
        """Fold the changes of *place* and of what is inside its documents."""
        self._moment, self._place = moment, place
        self._shelf = moment.shelf(place.file)
        self._planned = [n for n in planned if moment.places[n].root.name == place.name]
        self._composer = Composer(moment, place, planned)

    def touch(self) -> None:
        """Note which outermost documents change, or something inside them."""
        index, connection = self._shelf.index, self._moment.connection
        folded = self._moment.folded(self._place.file)
        for each in self._moment.places.of_file(self._place.file):
            if each.root.name != self._place.name or connection is None:
                continue
            rows = pending.places(connection, each.name, folded)
            while some := list(islice(rows, _AT_ONCE)):
                index.note("touch", self._place.name, self._touched(each, some))

        for name in self._planned:
            if self._moment.places[name].parent is not None:
                rows_out = index.stream("out_of_order", name)
                while found := list(islice(rows_out, _AT_ONCE)):
                    index.note("touch", self._place.name, [(key, 0) for (key,) in found])

    def _touched(
        self, place: Place, rows: list[tuple[str, int, str | None]]
    ) -> Iterable[tuple[str, int]]:
        if place.parent is None:
            return [(key, born) for key, born, _ in rows]
        found = {root: 0 for _, _, root in rows if root is not None}
        known = self._shelf.index.find(place.name, [key for key, _, _ in rows])
        return list({**found, **{one.root: 0 for one in known.values() if one.root}}.items())

    def elements(self, bounds: Bounds, style: Style) -> Iterator[Piece]:
        """Yield runs of elements that stay, and the text of those that change; new ones last."""
        index, at = self._shelf.index, bounds.first
        for key, start, length, flawed in index.stream("touched_in_order", self._place.name):
            if flawed:
                continue
            if at is not None and at < start:
                yield Copy(at, self._end_before(start))
            text = self._composer.text(key, (start, length))
            if text is not None:
                yield style.element(text)
            at = self._start_after(start + length)
        if at is not None:
            yield Copy(at, self._end_before(bounds.end))
        yield from self.new(style)

    def new(self, style: Style) -> Iterator[Piece]:
        """Yield the text of the documents that the file does not have."""
        for (key,) in self._shelf.index.stream("touched_new", self._place.name):
            text = self._composer.text(key, None)
            if text is not None:
                yield style.element(text)

    def planned(self, style: Style) -> Iterator[Piece]:
        """Yield every element in the order that the index's plan wishes for."""
        index, name = self._shelf.index, self._place.name
        behind: dict[str | None, list[Copy]] = {}
        for start, length, key in index.stream("nameless_between", name):
            behind.setdefault(key, []).append(Copy(start, start + length))
        yield from behind.get(None, ())
        for key, start, length, flawed, touched in index.stream("planned", name):
            if flawed or not touched:
                yield Copy(start, start + length)
            else:
                text = self._composer.text(key, None if start is None else (start, length))
                yield from () if text is None else (style.element(text),)
            yield from behind.get(key, ())

    def _start_after(self, end: int) -> int | None:
        """Return where the element behind offset *end* begins; ``None`` where there is none."""
        length = _LOOK_BYTES
        while True:
            text = self._shelf.read(end, min(length, self._shelf.file.size - end))
            found = _AFTER.match(text)
            if found is not None and found.end() < len(text):
                return end + found.end()
            if found is None and text.strip(b" \t\r\n"):
                return None
            length *= 2

    def _end_before(self, start: int) -> int:
        """Return where the element before offset *start* ends."""
        length = _LOOK_BYTES
        while True:
            first = max(0, start - length)
            text = self._shelf.read(first, start - first)
            found = _BEFORE.search(text)
            if found is not None and found.start() > 0:
                return first + found.start()
            length *= 2


def laid_out(elements: Iterable[Piece], style: Style) -> Iterator[Piece]:
    """Yield the inside of an array that has *elements*."""
    before = style.lead
    for element in elements:
        yield before
        yield element
        before = style.between
    if before is not style.lead:
        yield style.tail


def folded(moment: Moment, file: str) -> Iterator[Piece]:
    """Yield *file* with its pending changes: same order, same layout, new records last."""
    shelf = moment.shelf(file)
    if not isinstance(shelf.file, OpenFile):
        return
    index = shelf.index
    index.clear("clear_touched")
    at = 0
    for place in sorted(moment.places.roots(file), key=lambda one: index.bounds[one.path].start):
        fold, bounds = Fold(moment, place), index.bounds[place.path]
        fold.touch()
        style = style_of(shelf.file, bounds, len(place.path))
        yield Copy(at, bounds.start)
        yield from laid_out(fold.elements(bounds, style), style)
        at = bounds.end
    yield Copy(at, shelf.file.size)
