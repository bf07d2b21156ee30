"""What of a file may be records: arrays, and objects that hold them under their keys."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

from fluxstore.inference.keys import are_records, have_numbers
from fluxstore.inference.observing import Shape
from fluxstore.inference.reading import Array, Event, Object

MOST_OBJECTS = 64
"""Objects in a file that may each hold records; where there are more, they are the records."""
Place: TypeAlias = tuple[str, ...]


@attrs.define
class Look:
    """What has been seen of one file so far."""

    arrays: dict[Place, Shape] = attrs.field(factory=dict)
    objects: dict[Place, Shape] = attrs.field(factory=dict)

    def at(self, event: Event) -> None:
        """Look at the next piece of the file."""
        if isinstance(event, Array):
            self.arrays.setdefault(event.place, Shape())
        elif isinstance(event, Object):
            self._object(()).odd += 1
            self._object(event.place)
        elif event.item:
            self.arrays[event.place].see(event.value)
        else:
            self._object(event.place).see_named(event.name, event.value)
            if not event.place and isinstance(event.value, dict):
                self._inside(event.name, event.value)

    def _object(self, place: Place) -> Shape:
        return self.objects.setdefault(place, Shape.of_object())

    def _inside(self, name: str, value: dict[str, Any]) -> None:
        """Look one level further in: ``{"data": {"users": [...]}, "tasks": {"t-1": {...}}}``."""
        for inner, items in value.items():
            if isinstance(items, list) and any(isinstance(item, dict) for item in items):
                shape = self.arrays.setdefault((name, inner), Shape())
                for item in items:
                    shape.see(item)
        may_hold = any(isinstance(item, dict) for item in value.values())
        if may_hold and len(self.objects) <= MOST_OBJECTS:
            for inner, item in value.items():
                self._object((name,)).see_named(inner, item)

    def records(self) -> dict[Place, Shape]:
        """Return what is to be taken for records: the file itself, or what is in it."""
        root = self.objects.pop((), Shape.of_object())
        inner = {place: shape for place, shape in self.objects.items() if are_records(shape)}
        if self._is_of_records(root, inner):
            return {(): root}
        return {**self.arrays, **inner}

    def _is_of_records(self, root: Shape, inner: dict[Place, Shape]) -> bool:
        """Tell whether the file is one object of records, and not of what holds them."""
        deep = {place[1:] for place in self.arrays if len(place) > 1}
        if () in self.arrays or any(len(place) == 1 for place in self.arrays):
            return False
        if not are_records(root) or (root.count == 1 and (deep or inner)):
            return False
        return have_numbers(root) or len(inner) < root.count
