"""Canonical form: equal bytes are equal records, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxstore.codec import Codec, digest, proof, value_bytes
from fluxstore.entity import entity, entity_of, field
from fluxstore.records import Record, Residue
from fluxstore.testing import strategies
from fluxstore.testing.entities import Everything
from fluxstore.testing.samples import SAMPLES

CODEC = Codec.of(entity_of(Everything))


@entity("fixed")
class Fixed:
    id: str
    exact: Decimal
    big: int = field(bigint=True)
    moment: datetime | None = None
    tags: list[str] = field(factory=list)


def canonical(**values: Any) -> bytes:
    return CODEC.canonical(values)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("exact", Decimal("1.10"), Decimal("1.1")),
        ("exact", Decimal("0.00"), Decimal(0)),
        ("exact", Decimal(100), Decimal("100.0")),
        ("prices", [Decimal("1.10")], [Decimal("1.1")]),
        ("by_ident", {"a": Decimal("1.0")}, {"a": Decimal(1)}),
        ("moment", datetime(2026, 1, 1, tzinfo=UTC),
         datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        ("table", {"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ("anything", {"a": 1, "b": [1.0]}, {"b": [1], "a": 1.0}),
        ("anything", 1e22, 10**22),
        ("point", {"x": Decimal("1.0"), "extra": 1.0}, {"extra": 1, "x": Decimal(1)}),
        ("number_or_text", 1, 1.0),
    ],
)  # fmt: skip
def test_equal_values_have_equal_bytes(name, one, other):
    assert canonical(**{name: one}) == canonical(**{name: other})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", [None, "", "a", "A", "a ", "é", "e\u0301", "null"]),
        ("whole", [None, 0, 1, -1, 2**62]),
        ("big", [2**63, 2**64, -(2**64), 10**40, 10**40 + 1]),
        ("exact", [Decimal(0), Decimal("0.1"), Decimal("1e-40"), Decimal(1), Decimal(10)]),
        ("exact", [Decimal("12345678901234567890.12345678901234567891"),
                   Decimal("12345678901234567890.12345678901234567892")]),
        ("real", [0.0, 0.1, 0.1 + 2**-54, 5e-324]),
        ("truth", [None, False, True]),
        ("words", [None, [], [""], ["a", "b"], ["b", "a"], ["ab"]]),
        ("matrix", [[], [[]], [[], []], [[1], [2]], [[1, 2]]]),
        ("table", [None, {}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}]),
        ("anything", [None, False, 0, "", [], {}, "0", True, 1, "1", [1], {"1": 1}, 2**70,
                      str(2**70), [None], 0.5, "0.5"]),
        ("point", [None, {"x": Decimal(1)}, {"x": Decimal(1), "y": None}]),
    ],
)  # fmt: skip
def test_different_values_have_different_bytes(name, values):
    for one, other in combinations(values, 2):
        assert canonical(**{name: one}) != canonical(**{name: other})
        assert canonical() != canonical(**{name: one}), "missing is a thing of its own"


def test_extras_count_by_value_and_in_any_order():
    bytes_ = CODEC.canonical({"id": "x"}, {"a": 1, "b": [1.0, None]})

    assert bytes_ == CODEC.canonical({"id": "x"}, {"b": [1, None], "a": 1.0})
    for other in ({}, {"a": 1}, {"a": "1", "b": [1, None]}, {"a": 1, "b": [1]}):
        assert bytes_ != CODEC.canonical({"id": "x"}, other)


def test_a_field_and_an_extra_of_one_name_are_two_things():
    assert CODEC.canonical({"text": "a"}) != CODEC.canonical({}, {"text": "a"})


def test_spelling_alias_and_absence_do_not_count():
    residue = Residue({"e": 1}, {"moment": "x"}, {"text": "title"}, ("tracks",))
    record = Record("x", {"id": "x"}, residue)

    assert CODEC.canonical({"id": "x"}, {"e": 1}) == CODEC.record_bytes(record)


@settings(deadline=None, max_examples=150)
@given(strategies.JSON, strategies.JSON)
def test_bytes_are_equal_exactly_when_documents_are(one, other):
    assert (form(one) == form(other)) == (canonical(anything=one) == canonical(anything=other))
    assert canonical(anything=one) == canonical(anything=turned(one))


def form(value: Any) -> Any:
    """Return what §7 of the consistency rules calls equal, said another way."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, list):
        return ("array", [form(item) for item in value])
    return ("object", {name: form(item) for name, item in value.items()})


def turned(value: Any) -> Any:
    """Return the same value with the names of every object in another order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(st.lists(strategies.DECIMALS, max_size=8), st.randoms())
def test_a_set_is_one_list_whatever_the_order(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)

    one, other = (CODEC.decode({"id": "x", "number_set": [int(v) % 50 for v in items]}).values
                  for items in (values, shuffled))  # fmt: skip
    assert (
        one["number_set"] == other["number_set"] == sorted(set(one["number_set"]), key=value_bytes)
    )


def test_the_differing_fields_are_named():
    one = Record("x", {"id": "x", "text": "a", "exact": Decimal("1.0")}, Residue({"a": 1, "b": 1}))
    other = Record("x", {"id": "x", "whole": 1, "exact": Decimal(1)}, Residue({"b": 1.0, "c": 1}))

    assert ("text", "whole", "a", "c") == CODEC.differing(one, other)
    assert () == CODEC.differing(one, one)


def test_digests_are_fixed_for_ever():
    assert 0x2D06800538D394C2 == digest(b"")
    assert "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" == proof(b"").hex()

    codec = Codec.of(entity_of(Fixed))
    values = {"id": "x", "exact": Decimal("1.10"), "big": 2**70, "moment": None}
    assert 10807792786730747934 == digest(codec.canonical(values, {"e": 1.5}))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_has_bytes_of_its_own(name):
    rows = [CODEC.row(Everything(id="x", **{name: value})) for value in (*SAMPLES[name], None)]
    unequal = {repr(by_value(row[name])) for row in rows}

    assert len(unequal) == len({CODEC.canonical(row) for row in rows})


def by_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value.normalize() if value else Decimal(0)
    return [by_value(item) for item in value] if isinstance(value, list) else value
