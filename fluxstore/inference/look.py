"""What of a file may be records: arrays, and objects that hold them under their keys."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

import attrs

from fluxstore.inference.keys import are_records, have_numbers
from fluxstore.inference.observing import Shape
from fluxstore.inference.reading import DEEPEST_HOLDER, Array, Event, Object

MOST_OBJECTS = 64
"""Objects in a file, or in one of its objects, that may each hold records; where there are more,
they are the records."""
Place: TypeAlias = tuple[str, ...]


@attrs.define
class Look:
    """What has been seen of one file so far."""

    arrays: dict[Place, Shape] = attrs.field(factory=dict)
    objects: dict[Place, Shape] = attrs.field(factory=dict)
    inside: Counter[Place] = attrs.field(factory=Counter)
    """How many objects there are directly inside of each."""

    def at(self, event: Event) -> None:
        """Look at the next piece of the file."""
        if isinstance(event, Array):
            if len(event.place) > 1:
                self._object(event.place[:-1]).odd += 1
            self.arrays.setdefault(event.place, Shape())
        elif isinstance(event, Object):
            self._object(event.place[:-1]).odd += 1
            self._object(event.place)
        elif event.item:
            self.arrays[event.place].see(event.value)
        else:
            self._object(event.place).see_named(event.name, event.value)
            self._inside((*event.place, event.name), event.value)

    def _object(self, place: Place) -> Shape:
        if place not in self.objects:
            self.objects[place] = Shape.of_object()
            self.inside[place[:-1]] += bool(place)
        return self.objects[place]

    def _inside(self, place: Place, value: Any) -> None:
        """Look further in: ``{"data": {"users": [...], "tasks": {"t-1": {...}}}}``."""
        if not isinstance(value, dict) or len(place) > DEEPEST_HOLDER:
            return
        for name, items in value.items():
            if len(place) < DEEPEST_HOLDER and isinstance(items, list):
                self._array((*place, name), items)
        if not any(isinstance(item, dict) for item in value.values()):
            return
        if self.inside[place[:-1]] <= MOST_OBJECTS:
            for name, item in value.items():
                self._object(place).see_named(name, item)
                self._inside((*place, name), item)

    def _array(self, place: Place, items: list[Any]) -> None:
        if any(isinstance(item, dict) for item in items):
            shape = self.arrays.setdefault(place, Shape())
            for item in items:
                shape.see(item)

    def records(self) -> dict[Place, Shape]:
        """Return what is to be taken for records: the file itself, or what is in it."""
        root = self.objects.pop((), Shape.of_object())
        found: dict[Place, Shape] = {}
        for place in sorted(self.objects, key=len, reverse=True):
            inner = [one for one in found if one[:-1] == place]
            if self._are_records(place, len(inner)):
                found = {one: each for one, each in found.items() if one[: len(place)] != place}
                found[place] = self.objects[place]
        if self._is_of_records(root, found):
            return {(): root}
        return {**self.arrays, **{place: found[place] for place in self.objects if place in found}}

    def _are_records(self, place: Place, inner: int) -> bool:
        """Tell whether what is at a place are records, and not *inner* objects that hold them."""
        shape = self.objects[place]
        return are_records(shape) and (have_numbers(shape) or inner < shape.count)

    def _is_of_records(self, root: Shape, found: dict[Place, Shape]) -> bool:
        """Tell whether the file is one object of records, and not of what holds them."""
        deep = any(len(place) > 1 for place in self.arrays)
        if any(len(place) <= 1 for place in self.arrays) or not are_records(root):
            return False
        inner = sum(len(place) == 1 for place in found)
        if root.count == 1 and (deep or inner or self._only_holds(found)):
            return False
        return have_numbers(root) or inner < root.count

    def _only_holds(self, found: dict[Place, Shape]) -> bool:
        """Tell whether an object of the file holds nothing but objects of records."""
        held = Counter(place[:-1] for place in found if len(place) > 1)
        return any(
            self.objects[one].count == held[one] for one in held if not self.objects[one].odd
        )
