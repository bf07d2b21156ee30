"""Names inside nested values that their classes do not declare: they stay with their values."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from fluxstore.adapter import Adapter
from fluxstore.errors import ConflictError
from fluxstore.records import Put, Residue
from fluxstore.testing.conformance.fidelity import CODEC, INSIDE
from fluxstore.testing.conformance.support import change, collection, put
from fluxstore.testing.entities import Everything, Point, Shape

DOCUMENT = {"id": "x", **INSIDE}
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def begin(adapter: Adapter) -> Everything:
    """Write the record as a migration would, and return what an application sees of it."""
    decoded = CODEC.decode(DOCUMENT)
    assert not decoded.refusals
    residue = Residue(spelling=decoded.spelling)
    tested = collection(adapter, Everything)
    made = tested.commit([Put("x", decoded.values, residue=residue)])["x"]
    seen: Everything = CODEC.instance(made.values)
    return seen


def found(adapter: Adapter) -> dict[str, Any]:
    """Return the record's document."""
    record = collection(adapter, Everything).read(["x"])["x"]
    return CODEC.encode(record.values, record.residue.spelling)


def with_fields(seen: Everything, **values: Any) -> Everything:
    """Return the object with other values."""
    made = copy(seen)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def inside(document: dict[str, Any]) -> list[Any]:
    """Return every undeclared name of a document, and its value, from the outside in."""
    point, shapes = document["point"] or {}, document["shapes"] or []
    either = (document["point_or_shape"] or {}).get("value", {})
    undeclared = []
    for one in (point, *(each for shape in (*shapes, either) for each in _with_points(shape))):
        declared = {"x", "y", "seen", "name", "points", "labels", "colour"}
        undeclared.append({name: value for name, value in one.items() if name not in declared})
    return undeclared


def _with_points(shape: dict[str, Any]) -> list[dict[str, Any]]:
    return [shape, *shape.get("points", ())]


HUE, (A, ONE, TWO, B), (U, FIVE) = (
    {"hue": [1, None]},
    ({"sort": "s"}, {"n": 1}, {"n": 2}, {"z": {"deep": True}}),
    ({"u": 1}, {"n": 5}),
)


class TestInside:
    """What nobody declared inside a nested value stays while the value is of that kind."""

    def test_a_put_keeps_what_is_inside(self, adapter: Adapter) -> None:
        seen = begin(adapter)
        collection(adapter, Everything).commit([put(seen)])
        assert [HUE, A, ONE, TWO, B, U, FIVE] == inside(found(adapter))

    def test_a_change_of_another_field_changes_nothing_inside(self, adapter: Adapter) -> None:
        begin(adapter)
        before = found(adapter)
        collection(adapter, Everything).commit([change(Everything, "x", text="new")])
        assert {**before, "text": "new"} == found(adapter)

    def test_a_changed_value_keeps_what_is_inside(self, adapter: Adapter) -> None:
        begin(adapter)
        shape = Shape("new", [Point(Decimal(5), seen=LATER), Point(Decimal(5))])
        changes = {"point": Point(Decimal(7)), "point_or_shape": shape}
        returned = collection(adapter, Everything).commit([change(Everything, "x", **changes)])
        for one in (found(adapter), CODEC.encode(returned["x"].values)):
            assert [HUE, A, ONE, TWO, B, U, {}, FIVE] == inside(one)
            assert ("7", "new") == (one["point"]["x"], one["point_or_shape"]["value"]["name"])

    def test_an_item_keeps_what_an_equal_one_had_wherever_it_is(self, adapter: Adapter) -> None:
        seen = begin(adapter)
        one, other = seen.shapes or []
        moved = [Shape("new"), other, attrs.evolve(one, points=one.points[::-1])]
        collection(adapter, Everything).commit([change(Everything, "x", shapes=moved)])
        assert [HUE, {}, B, {}, {}, {}, U, FIVE] == inside(found(adapter))
        collection(adapter, Everything).commit([put(with_fields(seen, shapes=moved[:2]))])
        assert [HUE, {}, B, U, FIVE] == inside(found(adapter))

    def test_a_value_of_another_kind_or_none_keeps_nothing(self, adapter: Adapter) -> None:
        seen = begin(adapter)
        other = with_fields(seen, point=None, shapes=[], point_or_shape=Point(Decimal(1)))
        collection(adapter, Everything).commit([put(other)])
        assert [{}, {}] == inside(found(adapter))
        collection(adapter, Everything).commit([put(seen)])
        assert [{}] * 7 == inside(found(adapter))

    def test_what_is_given_with_a_residue_is_what_is_written(self, adapter: Adapter) -> None:
        seen = begin(adapter)
        collection(adapter, Everything).commit([put(seen, residue=Residue())])
        assert [{}] * 7 == inside(found(adapter))

    def test_a_record_is_as_expected_whatever_nobody_sees_inside(self, adapter: Adapter) -> None:
        seen = begin(adapter)
        tested = collection(adapter, Everything)
        expected = {"x": CODEC.row(seen)}
        tested.commit([change(Everything, "x", point=Point(Decimal(7)))], expect=expected)
        assert [HUE, A, ONE, TWO, B, U, FIVE] == inside(found(adapter))
        with pytest.raises(ConflictError):
            tested.commit([change(Everything, "x", text="new")], expect=expected)
