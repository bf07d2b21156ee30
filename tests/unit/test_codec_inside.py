"""Undeclared names inside values: what takes them over, what does not, what nobody sees."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from fluxstore.codec import Codec
from fluxstore.entity import entity, entity_of


@attrs.frozen
class City:
    name: str
    zip: str | None = None
    tags: tuple[str, ...] = attrs.field(factory=tuple)


@attrs.frozen
class Address:
    street: str
    city: City | None = None


@entity("people")
class Person:
    id: str
    name: str = ""
    home: Address | None = None
    moves: list[Address] = attrs.field(factory=list)
    by_year: dict[str, City] = attrs.field(factory=dict)
    pair: tuple[City, str] | None = None
    row: tuple[City, ...] = ()
    seen: frozenset[City] = frozenset()
    either: City | Address | None = None
    plain: dict[str, Any] = attrs.field(factory=dict)


CODEC = Codec.of(entity_of(Person))
A, B = {"name": "A", "n": 1}, {"name": "B", "n": 2}
KEPT = {
    "a nested value": ("home", {"street": "s", "floor": 3}, Address("t"), {"floor": 3}),
    "one inside another": (
        "home", {"street": "s", "city": A}, Address("t", City("Z")), {"city": {"n": 1}},
    ),
    "a value of a name": ("by_year", {"1": A, "2": B}, {"2": City("Z"), "3": City("B")},
                          {"2": {"n": 2}, "3": {}}),
    "a place in a tuple": ("pair", [A, "x"], (City("Z"), "y"), [{"n": 1}, None]),
    "an equal item elsewhere": ("row", [A, B], (City("B"), City("Z"), City("A")),
                                [{"n": 2}, {}, {"n": 1}]),
    "each item once": ("row", [A, A], (City("A"),) * 3, [{"n": 1}, {"n": 1}, {}]),
    "an item whose defaults were left out": (
        "moves", [{"street": "s", "city": A, "x": 0}], [Address("q"), Address("s", City("A"))],
        [{}, {"x": 0, "city": {"n": 1}}],
    ),
    "an item of a set": ("seen", [A, B], frozenset({City("B"), City("C")}), [{}, {"n": 2}]),
    "the same class of a union": (
        "either", {"$as": "City", "value": A}, City("Z"), {"n": 1},
    ),
    "another class of a union": ("either", {"$as": "City", "value": A}, Address("s"), {}),
    "a value that is nobody's": ("plain", {"a": 1}, {"b": 2}, {"b": 2}),
}  # fmt: skip


def undeclared(value: Any) -> Any:
    """Return a value without the names that are declared, but for those that hold some."""
    value = value["value"] if isinstance(value, dict) and "$as" in value else value
    if isinstance(value, list):
        return [undeclared(one) for one in value]
    if not isinstance(value, dict):
        return None
    declared = {"name", "zip", "tags", "street"}
    found = {n: undeclared(v) if isinstance(v, dict) else v for n, v in value.items()}
    return {n: v for n, v in found.items() if n not in declared and not (n == "city" and not v)}


@pytest.mark.parametrize(("name", "old", "new", "expected"), KEPT.values(), ids=KEPT)
def test_an_application_s_value_takes_over_what_nobody_declared(name, old, new, expected):
    before = CODEC.decode({"id": "1", name: old})
    given = CODEC.partial({name: new})

    kept = CODEC.kept(before.values, given)

    assert () == before.refusals
    assert new == getattr(CODEC.instance({"id": "1", **kept}), name)
    assert expected == undeclared(CODEC.encode(kept)[name])
    assert kept == CODEC.kept(before.values, kept)


@pytest.mark.parametrize("old", [None, {"street": "s", "floor": 3}])
@pytest.mark.parametrize("new", [None, Address("t")])
def test_a_null_keeps_nothing_and_has_nothing_to_keep(old, new):
    before, given = CODEC.decode({"id": "1", "home": old}).values, CODEC.partial({"home": new})

    kept = CODEC.kept(before, given)

    floor = {"floor": 3} if old and new else {}
    assert {**(given["home"] or {}), **floor} == (kept["home"] or {})


def test_fields_that_hold_no_class_have_nothing_to_keep():
    assert CODEC.may_keep({"id": "1", "home": None})
    assert not CODEC.may_keep({"id": "1", "name": "x", "plain": {}})


def test_what_an_application_sees_is_the_same_whatever_it_does_not_see():
    document = {
        "id": "1", "name": "n", "home": {"street": "s", "floor": 3, "city": {"name": "A"}},
        "moves": [{"street": "s", "x": 1}], "by_year": {"1": A}, "pair": [B, "x"], "row": [],
        "seen": [A], "either": {"$as": "City", "value": B}, "plain": {"any": 1},
    }  # fmt: skip
    stored = CODEC.decode(document).values
    seen = CODEC.row(CODEC.instance(stored))

    assert CODEC.seen(seen) == CODEC.seen(stored)
    assert CODEC.canonical(seen) != CODEC.canonical(stored)
    assert CODEC.seen({**stored, "home": {"street": "t"}}) != CODEC.seen(stored)
