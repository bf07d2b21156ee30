"""Application values ⇄ plain values, for every kind; what is refused, and where."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings

from fluxstore.codec import MAX_RECORD_BYTES, Codec
from fluxstore.entity import entity, entity_of, field
from fluxstore.errors import CheckError, EntityError, UsageError
from fluxstore.records import Reason
from fluxstore.testing import strategies
from fluxstore.testing.entities import Album, Colour, Everything, Person, Point, Rank, Shape
from fluxstore.testing.samples import HALF_PAST_FIVE, REFUSED, SAMPLES

CODEC = Codec.of(entity_of(Everything))
PEOPLE = Codec.of(entity_of(Person))
EVERY_SAMPLE = [(name, value) for name, values in SAMPLES.items() for value in values]


@entity("unions")
class Unions:
    id: str
    float_or_int: float | int | None = None
    decimal_or_float: Decimal | float | None = None
    decimal_or_int: Decimal | int | None = None
    bool_or_int: bool | int | None = None
    colour_or_text: Colour | str | None = None
    rank_or_int: int | Rank | None = None
    moments_or_texts: list[datetime] | list[str] | None = None
    tuple_or_list: tuple[int, ...] | list[int] | None = None
    point_or_table: Point | dict[str, Any] | None = None
    moment_or_decimal: datetime | Decimal | None = None
    bytes_or_uuid: bytes | UUID | timedelta | time | None = None
    anything_or_moment: datetime | Any = None


UNIONS = Codec.of(entity_of(Unions))


def there_and_back(codec: Codec, instance: Any) -> Any:
    return codec.instance(codec.row(instance))


@pytest.mark.parametrize(("name", "value"), EVERY_SAMPLE)
def test_values_at_the_edges_come_back_as_they_went(name, value):
    found = getattr(there_and_back(CODEC, Everything(id="x", **{name: value})), name)

    assert value == found
    assert type(value) is type(found)
    if isinstance(value, Decimal | float):
        assert repr(value) == repr(found)


@pytest.mark.parametrize(("name", "value", "reason"), REFUSED)
def test_what_no_field_can_hold_is_refused_with_its_reason(name, value, reason):
    with pytest.raises(CheckError) as caught:
        CODEC.row(Everything(**{"id": "x", name: value}))

    problems = caught.value.problems
    assert [reason] == [one.reason for one in problems]
    assert name == problems[0].field.partition("[")[0].partition(".")[0]
    assert str(caught.value).isprintable()


@settings(deadline=None, max_examples=100)
@given(strategies.instances(entity_of(Everything)))
def test_any_object_comes_back(instance):
    assert instance == there_and_back(CODEC, instance)


@settings(deadline=None, max_examples=100)
@given(strategies.instances(entity_of(Unions)))
def test_any_union_comes_back(instance):
    again = there_and_back(UNIONS, instance)

    assert instance == again
    for name in UNIONS.entity.by_name:
        assert types_in(getattr(instance, name)) == types_in(getattr(again, name))


def types_in(value: Any) -> Any:
    """Return a value's types, and its items', with the scale of Decimals."""
    if isinstance(value, list | tuple):
        return type(value), [types_in(item) for item in value]
    if isinstance(value, dict):
        return type(value), {name: types_in(item) for name, item in value.items()}
    return type(value), str(value) if isinstance(value, Decimal) else ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("float_or_int", 1),
        ("float_or_int", 1.0),
        ("decimal_or_float", 1.5),
        ("decimal_or_float", Decimal("1.50")),
        ("decimal_or_int", Decimal(1)),
        ("decimal_or_int", 1),
        ("bool_or_int", True),
        ("bool_or_int", 1),
        ("colour_or_text", "red"),
        ("colour_or_text", Colour.RED),
        ("rank_or_int", 1),
        ("rank_or_int", Rank.LOW),
        ("moments_or_texts", ["2026-01-02T03:04:05Z"]),
        ("moments_or_texts", [datetime(2026, 1, 2, tzinfo=UTC)]),
        ("tuple_or_list", (1,)),
        ("tuple_or_list", [1]),
        ("point_or_table", {"$as": "Point", "value": {"x": "1"}}),
        ("point_or_table", {"$as": "dict[str, any]", "value": 1}),
        ("point_or_table", {"x": "1.10"}),
        ("point_or_table", Point(Decimal("1.10"))),
        ("moment_or_decimal", Decimal("1.50")),
        ("bytes_or_uuid", b"12:30"),
        ("bytes_or_uuid", time(12, 30)),
        ("anything_or_moment", "2026-01-02T03:04:05Z"),
        ("anything_or_moment", {"$as": "datetime", "value": "2026-01-02T03:04:05Z"}),
    ],
)
def test_options_of_a_union_are_told_apart(name, value):
    found = getattr(there_and_back(UNIONS, Unions(id="x", **{name: value})), name)

    assert (type(value), value) == (type(found), found)


def test_two_options_of_one_name_are_refused():
    here, there = (attrs.make_class("Twin", {"x": attrs.field(type=int)}) for _ in range(2))
    made = type("Made", (), {"__annotations__": {"id": str, "at": here | there}})

    with pytest.raises(EntityError, match="Twin, Twin"):
        Codec.of(entity_of(entity("made")(made)))


def test_a_moment_is_kept_as_its_instant():
    moment = datetime(2026, 1, 2, 8, 34, 5, tzinfo=HALF_PAST_FIVE)

    row = CODEC.row(Everything(id="x", moment=moment))

    assert "2026-01-02T03:04:05+00:00" == row["moment"].isoformat()
    assert row["moment"].tzinfo is UTC


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1.10", "1.10"),
        ("1E+2", "100"),
        ("1e30", "1" + "0" * 30),
        ("0E+5", "0"),
        ("-0.00", "0.00"),
        ("1e131071", "1" + "0" * 131071),
        ("1e-16383", "0." + "0" * 16382 + "1"),
    ],
)
def test_a_decimal_keeps_its_scale_and_is_written_out(given, kept):
    assert kept == str(f"{CODEC.value('exact', Decimal(given)):f}")
    assert Decimal(kept).as_tuple() == CODEC.value("exact", Decimal(given)).as_tuple()


def test_plain_values_are_plain():
    shape = Shape("s", [Point(Decimal(1))], {"a": (1,)}, Colour.GREEN)
    row = CODEC.row(
        Everything(
            id="x", colour=Colour.RED, rank=Rank.HIGH, word_set={"b", "a"}, pair=(1, "x"),
            shapes=[shape], by_number={1: "one"}, real=3, truth=False,
        )
    )  # fmt: skip

    assert ("red", 10, ["a", "b"], [1, "x"]) == tuple(
        row[name] for name in ("colour", "rank", "word_set", "pair")
    )
    assert type(row["rank"]) is int
    assert type(row["real"]) is float
    point = {"x": Decimal(1), "y": 0.0, "seen": None}
    expected = {"name": "s", "points": [point], "labels": {"a": [1]}, "colour": "green"}
    assert [expected] == row["shapes"]
    assert {"1": "one"} == row["by_number"]


def test_a_negative_zero_is_zero():
    row = CODEC.row(Everything(id="x", real=-0.0, anything={"a": [-0.0]}))

    assert 1.0 == math.copysign(1, row["real"]) == math.copysign(1, row["anything"]["a"][0])


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("words", ["a", 5], "words[1]"),
        ("matrix", [[1], [1, "2"]], "matrix[1][1]"),
        ("table", {"a": 1, "b": None}, "table.b"),
        ("anything", {"a": [0, {"b": math.nan}]}, "anything.a[1].b"),
        ("shapes", [Shape("s", [Point("1")])], "shapes[0].points[0].x"),  # type: ignore[arg-type]
    ],
)
def test_a_problem_has_the_path_into_its_field(name, value, path):
    with pytest.raises(CheckError) as caught:
        CODEC.row(Everything(id="x", **{name: value}))

    assert path == caught.value.problems[0].field


def test_all_problems_are_told_at_once():
    with pytest.raises(CheckError) as caught:
        PEOPLE.row(Person(id="p", first=5, email="none", age=-1))

    found = [(one.field, one.reason, one.key) for one in caught.value.problems]
    assert [
        ("first", Reason.TYPE, "p"),
        ("email", Reason.PATTERN, "p"),
        ("age", Reason.RANGE, "p"),
    ] == found
    assert "people p: first: text expected, 5 found and 2 more" == str(caught.value)


def test_rules_are_checked_of_the_fields_that_a_change_names():
    assert {"age": 150} == PEOPLE.partial({"age": 150})
    with pytest.raises(CheckError, match="at least 0 and at most 150"):
        PEOPLE.partial({"age": 151})
    with pytest.raises(CheckError, match="at most 60 expected, 61 found"):
        PEOPLE.partial({"email": "@" * 61})
    with pytest.raises(EntityError, match="did you mean email"):
        PEOPLE.partial({"emial": "x"})


def test_a_record_is_at_most_a_mebibyte():
    CODEC.row(Everything(id="x", text="x" * (MAX_RECORD_BYTES - 1000)))
    with pytest.raises(CheckError) as caught:
        CODEC.row(Everything(id="x", text="x" * (MAX_RECORD_BYTES + 1)))

    assert Reason.SIZE is caught.value.problems[0].reason


@pytest.mark.parametrize(("depth", "fits"), [(64, True), (65, False), (100_000, False)])
def test_values_nest_64_deep(depth, fits):
    value: Any = 1
    for _ in range(depth):
        value = [value]

    if fits:
        assert value == CODEC.row(Everything(id="x", anything=value))["anything"]
        return
    with pytest.raises(CheckError) as caught:
        CODEC.row(Everything(id="x", anything=value))
    assert Reason.DEPTH is caught.value.problems[0].reason


def test_an_object_of_another_class_is_refused():
    with pytest.raises(UsageError, match="takes objects of Everything, not of Album"):
        CODEC.row(Album(id="a"))


def test_a_missing_value_is_the_default_of_the_class():
    assert Everything(id="x", text="a") == CODEC.instance({"id": "x", "text": "a"})
    assert Album(id="a", name="") == Codec.of(entity_of(Album)).instance({"id": "a"})
    assert "" == Codec.of(entity_of(Album)).default("name")
    assert None is CODEC.default("text")


def test_a_field_may_have_another_name_in_the_constructor():
    @entity("aliased")
    class Aliased:
        id: str
        _hidden: int = field(default=0)

    codec = Codec.of(entity_of(Aliased))

    assert {"id": "x", "_hidden": 5} == codec.row(Aliased(id="x", hidden=5))
    assert Aliased(id="x", hidden=5) == codec.instance({"id": "x", "_hidden": 5})


def test_one_item_of_an_array_is_converted_alone():
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=12)))

    assert datetime(2026, 1, 1, tzinfo=UTC) == CODEC.item("moments", moment)
    assert "a" == CODEC.item("word_set", "a")
