"""What a file has beside its records: their order, the wrapper around them, the layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from fluxstore.adapter import Part
from fluxstore.ledger import pending
from fluxstore_json.frame import Path
from fluxstore_json.framing import beside_of, wrapper_of
from fluxstore_json.moment import Moment
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.reading import new_keys
from fluxstore_json.style import Style, style_of

ORDER, WRAPPER, LAYOUT = "order", "wrapper", "layout"
_CHUNK_KEYS = 1000


def parts_of(moment: Moment, place: Place) -> Iterator[Part]:
    """Yield what the file of *place* has beside its records."""
    keys = _keys(moment, place)
    number = 0
    while some := list(islice(keys, _CHUNK_KEYS)):
        yield Part(place.name, ORDER, number, some)
        number += 1
    shelf = moment.shelf(place.file)
    if place.parent is not None or not isinstance(shelf.file, OpenFile):
        return
    wrapper = wrapper_of(shelf.index.beside)
    if wrapper:
        yield Part(place.name, WRAPPER, 0, wrapper)
    style = style_of(shelf.file, shelf.index.bounds[place.path], len(place.path))
    frame = [list(path) for path in shelf.index.frame]
    yield Part(place.name, LAYOUT, 0, {**style.to_json(), "frame": frame})


def _keys(moment: Moment, place: Place) -> Iterator[str]:
    """Yield the keys of all records in the order of the file, new ones last."""
    filed = (key for (key,) in moment.shelf(place.file).index.stream("keys", place.name))
    while some := list(islice(filed, _CHUNK_KEYS)):
        changes = moment.changes(place, some)
        for key in some:
            change = changes.get(key)
            if change is None or change.payload is not None:
                yield key
    yield from (key for key, _ in new_keys(moment, place, 0))


class Wishes:
    """Saved parts of one file's entities, as a fold needs them."""

    def __init__(self) -> None:
        """Wish for nothing."""
        self.planned: set[str] = set()
        """The entities whose order is in the index's plan."""
        self.beside: dict[Path, bytes] = {}
        self.style: Style | None = None
        self.frame: list[Path] = []

    def load(
        self, moment: Moment, file: str, parts: Iterable[tuple[Place, Iterable[Part]]]
    ) -> None:
        """Read *parts*: orders go into the index's plan."""
        index, roots = moment.shelf(file).index, moment.places.roots(file)
        index.clear("clear_plan")
        for place, saved in parts:
            for part in saved:
                if part.name == ORDER:
                    start = part.number * _CHUNK_KEYS
                    rows = ((key, start + at) for at, key in enumerate(part.value))
                    index.note("plan", place.name, rows)
                    self.planned.add(place.name)
                elif part.name == WRAPPER:
                    self.beside |= beside_of(part.value, roots)
                elif part.name == LAYOUT:
                    self.style = Style.from_json(part.value)
                    self.frame = [tuple(path) for path in part.value["frame"]]

    def are_met(self, moment: Moment, file: str) -> bool:
        """Tell whether the file is already as it is wished for, and nothing waits for it."""
        shelf = moment.shelf(file)
        if not isinstance(shelf.file, OpenFile):
            return self.style is None and not self._waits(moment, file)
        index = shelf.index
        if any(_value(index.beside.get(path)) != _value(raw) for path, raw in self.beside.items()):
            return False
        disorder = chain.from_iterable(index.stream("out_of_order", n) for n in self.planned)
        return not self._waits(moment, file) and next(disorder, None) is None

    def _waits(self, moment: Moment, file: str) -> bool:
        connection = moment.connection
        return connection is not None and any(
            pending.count(connection, place.name)[0] for place in moment.places.of_file(file)
        )


def _value(raw: bytes | None) -> Any:
    return () if raw is None else msgspec.json.decode(raw)
