"""Documents ⇄ plain values: nothing is coerced, nothing is lost, spelling is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxstore.codec import Codec, JsonNumber, Refusal, json_value
from fluxstore.entity import entity, entity_of
from fluxstore.records import Reason
from fluxstore.testing import strategies
from fluxstore.testing.entities import Everything, Person, Point
from fluxstore.testing.samples import SAMPLES

CODEC = Codec.of(entity_of(Everything))
READ = msgspec.json.Decoder(float_hook=JsonNumber).decode
IDENT = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
LONG = JsonNumber("0.12345678901234567890")
EVERY_SAMPLE = [(name, value) for name, values in SAMPLES.items() for value in values]


def as_read(value: Any) -> Any:
    """Return a JSON value as a reader of files gives it: through text, digits kept."""
    return READ(msgspec.json.encode(value))


def decode(**given: Any) -> Any:
    return CODEC.decode({"id": "x", **given})


@pytest.mark.parametrize(("name", "value"), EVERY_SAMPLE)
def test_a_document_of_plain_values_decodes_to_them(name, value):
    row = CODEC.row(Everything(id="x", **{name: value}))

    found = CODEC.decode(as_read(CODEC.encode(row)))

    assert () == found.refusals
    assert {} == found.spelling
    assert repr(row) == repr(found.values)


@settings(deadline=None, max_examples=100)
@given(strategies.instances(entity_of(Everything)))
def test_any_object_comes_back_through_a_document(instance):
    row = CODEC.row(instance)

    found = CODEC.decode(as_read(CODEC.encode(row)))

    assert () == found.refusals
    assert CODEC.canonical(row) == CODEC.canonical(found.values)
    assert instance == CODEC.instance(found.values)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(SAMPLES)), strategies.JSON)
def test_any_json_is_taken_or_refused_and_never_a_crash(name, value):
    found = decode(**{name: value})

    if not found.refusals:
        again = CODEC.encode(found.values, found.spelling)
        assert by_value(value) == by_value(as_read(again)[name])


def by_value(value: Any) -> bytes:
    return CODEC.canonical({"anything": json_value(value)})


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("text", 5, Reason.TYPE),
        ("text", None, None),
        ("text", "a\0b", Reason.NUL),
        ("text", "\ud800", Reason.SURROGATE),
        ("whole", "12", Reason.TYPE),
        ("whole", 1.0, Reason.TYPE),
        ("whole", JsonNumber("1.0"), Reason.TYPE),
        ("whole", True, Reason.TYPE),
        ("whole", 2**63, Reason.RANGE),
        ("big", 2**63, None),
        ("truth", 1, Reason.TYPE),
        ("truth", "true", Reason.TYPE),
        ("real", 1, None),
        ("real", "1.5", Reason.TYPE),
        ("real", float("nan"), Reason.NOT_FINITE),
        ("real", JsonNumber("1e400"), Reason.NOT_FINITE),
        ("real", 10**400, Reason.NOT_FINITE),
        ("exact", "NaN", Reason.TYPE),
        ("exact", JsonNumber("1e131072"), Reason.RANGE),
        ("exact", "1e999999", Reason.RANGE),
        ("exact", "0x10", Reason.TYPE),
        ("exact", "1_000", Reason.TYPE),
        ("exact", "٣", Reason.TYPE),
        ("exact", True, Reason.TYPE),
        ("raw", "a", Reason.TYPE),
        ("raw", "YQ== ", Reason.TYPE),
        ("raw", "é", Reason.TYPE),
        ("day", "2026-1-2", Reason.TYPE),
        ("day", "2026-02-30", Reason.TYPE),
        ("day", "2026-01-02T00:00:00Z", Reason.TYPE),
        ("clock", "24:00:00", Reason.TYPE),
        ("clock", "12:30:00Z", Reason.TYPE),
        ("clock", "12", Reason.TYPE),
        ("moment", "2026-01-02T03:04:05", Reason.NAIVE),
        ("moment", "2026-01-02", Reason.TYPE),
        ("moment", "2026-01-02T24:00:00Z", Reason.TYPE),
        ("moment", "2026-01-02T03:04:60Z", Reason.TYPE),
        ("moment", "2026-01-02T03:04:05.1234567Z", Reason.TYPE),
        ("moment", "0000-01-01T00:00:00Z", Reason.TYPE),
        ("moment", "0001-01-01T00:00:00+14:00", Reason.RANGE),
        ("moment", "9999-12-31T23:59:59.999999Z", None),
        ("moment", "9999-12-31T23:59:59.999999-00:01", Reason.RANGE),
        ("moment", 1700000000, Reason.TYPE),
        ("span", "1 day", Reason.TYPE),
        ("span", "P1D", Reason.TYPE),
        ("span", "P99999999999DT0S", Reason.TYPE),
        ("ident", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", Reason.TYPE),
        ("ident", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", Reason.TYPE),
        ("ident", "6ba7b8109dad11d180b400c04fd430c8", Reason.TYPE),
        ("colour", "blue", Reason.CHOICE),
        ("colour", ["red"], Reason.CHOICE),
        ("colour", {}, Reason.CHOICE),
        ("rank", True, Reason.CHOICE),
        ("rank", 1.0, Reason.CHOICE),
        ("level", JsonNumber("1.0"), Reason.CHOICE),
        ("mixed", True, None),
        ("words", "a", Reason.TYPE),
        ("words", {"0": "a"}, Reason.TYPE),
        ("words", [None], Reason.TYPE),
        ("holes", [None], None),
        ("pair", [1], Reason.LENGTH),
        ("table", [], Reason.TYPE),
        ("by_number", {"1.0": ""}, Reason.TYPE),
        ("by_number", {"1_0": ""}, Reason.TYPE),
        ("by_number", {"01": ""}, Reason.TYPE),
        ("by_number", {"-0": ""}, Reason.TYPE),
        ("by_ident", {"x": "1"}, Reason.TYPE),
        ("by_day", {"2026-1-1": []}, Reason.TYPE),
        ("point", {}, Reason.MISSING),
        ("point", {"x": "1", "y": "2"}, Reason.TYPE),
        ("point", "x", Reason.TYPE),
        ("anything", {"a": "\0"}, Reason.NUL),
        ("anything", [float("inf")], Reason.NOT_FINITE),
        ("number_or_text", 1.5, Reason.TYPE),
        ("id", "", Reason.KEY),
        ("id", None, Reason.TYPE),
        ("id", 1.0, Reason.TYPE),
        ("id", {}, Reason.TYPE),
    ],
)
def test_a_json_value_is_taken_as_it_is_or_refused(name, raw, reason):
    found = CODEC.decode({"id": "x", name: raw})

    assert [reason] * (reason is not None) == [one.reason for _, one in found.refusals]


@pytest.mark.parametrize(
    ("name", "raw", "canonical"),
    [
        ("moment", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("moment", "2026-01-02T08:34:05+05:30", "2026-01-02T03:04:05.000Z"),
        ("moment", "2026-01-02t03:04:05z", "2026-01-02T03:04:05.000Z"),
        ("moment", "2026-01-02 03:04:05.100000000Z", "2026-01-02T03:04:05.100Z"),
        ("moment", "2026-01-02T03:04+0000", "2026-01-02T03:04:00.000Z"),
        ("ident", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("exact", "1e3", "1000"),
        ("exact", "+1.10", "1.10"),
        ("exact", JsonNumber("1.10"), "1.10"),
        ("exact", JsonNumber("1.5"), "1.5"),
        ("exact", JsonNumber("0.12345678901234567890"), "0.12345678901234567890"),
        ("exact", 5, "5"),
        ("exact", 10**40, "1" + "0" * 40),
        ("exact", 1.5, "1.5"),
        ("clock", "12:30", "12:30:00"),
        ("raw", "YR==", "YQ=="),
        ("word_set", ["b", "a", "b"], ["a", "b"]),
        ("number_set", [3, 1], [1, 3]),
        ("prices", [5, LONG, "1.10"], ["5", LONG.digits, "1.10"]),
        ("moments", ["2026-01-02T03:04:05Z"], ["2026-01-02T03:04:05.000Z"]),
        ("by_ident", {IDENT.upper(): 1}, {IDENT: "1"}),
        ("by_ident", {IDENT: JsonNumber("1.0")}, {IDENT: "1.0"}),
        ("point", {"x": JsonNumber("1.10"), "new": 1}, {"x": "1.10", "new": 1}),
        (
            "moment_or_text",
            {"$as": "datetime", "value": "2026-01-02T03:04Z"},
            {"$as": "datetime", "value": "2026-01-02T03:04:00.000Z"},
        ),
    ],
)  # fmt: skip
def test_another_spelling_is_kept_while_the_value_is_the_same(name, raw, canonical):
    found = decode(**{name: raw})

    assert () == found.refusals
    kept = msgspec.json.decode(msgspec.json.encode(found.spelling))
    assert kept == found.spelling, "a residue is plain JSON"
    written = msgspec.json.encode(CODEC.encode(found.values, kept)[name])
    assert msgspec.json.encode(raw_of(raw)) == written
    assert canonical == CODEC.encode(found.values)[name]
    assert canonical == CODEC.encode(found.values, {})[name]


def raw_of(raw: Any) -> Any:
    """Return *raw* for an encoder, numbers with their own digits."""
    if isinstance(raw, JsonNumber):
        return msgspec.Raw(raw.digits.encode())
    if isinstance(raw, dict):
        return {name: raw_of(item) for name, item in raw.items()}
    return [raw_of(item) for item in raw] if isinstance(raw, list) else raw


def test_a_spelling_is_void_once_the_value_changes():
    found = decode(moment="2026-01-02T08:34:05+05:30", exact="1e3")
    changed = {**found.values, "exact": Decimal(1001)}

    document = CODEC.encode(changed, found.spelling)

    assert ("2026-01-02T08:34:05+05:30", "1001") == (document["moment"], document["exact"])


def test_a_spelling_that_no_longer_fits_is_left_alone():
    document = CODEC.encode({"id": "x", "exact": Decimal(1)}, {"exact": "x", "text": "y"})

    assert {"id": "x", "exact": "1"} == document


@pytest.mark.parametrize("raw", [{"$number": "1e3"}, {"$object": "1"}, {"a": {"$number": "1e3"}}])
def test_an_object_that_looks_like_a_kept_number_is_an_object(raw):
    @entity("looks")
    class Looks:
        id: str
        at: dict[str, Decimal] | None = None
        deep: dict[str, dict[str, Decimal]] | None = None

    codec = Codec.of(entity_of(Looks))
    name = "deep" if "a" in raw else "at"
    given = {"id": "x", name: raw if "a" in raw else dict.fromkeys(raw, "1e3")}
    found = codec.decode(given)

    assert () == found.refusals
    assert given == codec.encode(found.values, found.spelling)


def test_numbers_of_no_declared_type_are_floats_by_value():
    found = decode(anything=[JsonNumber("1.10"), JsonNumber("5.0"), 10**40])

    assert [1.1, 5.0, 10**40] == found.values["anything"]
    assert [float, float, int] == [type(one) for one in found.values["anything"]]


def test_missing_null_and_empty_are_three_things():
    assert {"id": "x"} == decode().values
    assert {"id": "x", "text": None} == decode(text=None).values
    assert {"id": "x", "text": ""} == decode(text="").values
    for values in ({"id": "x"}, {"id": "x", "text": None}, {"id": "x", "text": ""}):
        assert values == CODEC.encode(values)


def test_a_required_field_that_is_missing_is_named():
    found = CODEC.decode({})

    assert [("id", Reason.MISSING)] == [(name, one.reason) for name, one in found.refusals]


def test_rules_are_checked_and_every_refusal_is_told():
    found = Codec.of(entity_of(Person)).decode({"id": "p", "age": 200, "email": 5, "first": []})

    reasons = {name: one.reason for name, one in found.refusals}
    assert {"age": Reason.RANGE, "email": Reason.TYPE, "first": Reason.TYPE} == reasons


def test_what_a_nested_class_does_not_declare_stays_in_the_plain_value():
    raw = {"x": "1.10", "colour": {"deep": [1, None]}}

    found = decode(point=raw)

    assert {"x": Decimal("1.10"), "colour": {"deep": [1, None]}} == found.values["point"]
    assert raw == CODEC.encode(found.values)["point"]
    assert Point(Decimal("1.10")) == CODEC.instance(found.values).point


@pytest.mark.parametrize("name", ["py/object", "__class__", "__proto__", "__init__"])
def test_names_that_mean_something_elsewhere_are_plain_data(name):
    found = decode(anything={name: "os.system"}, point={"x": "1", name: "os.system"})

    assert () == found.refusals
    assert {name: "os.system"} == found.values["anything"]
    assert "os.system" == found.values["point"][name]


def test_a_union_without_tags_is_read_as_the_first_option_that_takes_it():
    @entity("untagged")
    class Untagged:
        id: str
        when: Any | None = None
        at: Decimal | Point | None = None

    codec = Codec.of(entity_of(Untagged))

    assert Point(Decimal(1)) == codec.instance(codec.decode({"id": "x", "at": {"x": 1}}).values).at
    assert Decimal("1.5") == codec.instance(codec.decode({"id": "x", "at": "1.5"}).values).at


def test_a_refusal_survives_a_pickle():
    import pickle

    refusal = Refusal(Reason.TYPE, "text expected", path="[1].a")

    again = pickle.loads(pickle.dumps(refusal.under("b")))
    assert (Reason.TYPE, "text expected", "b[1].a") == (again.reason, again.expected, again.path)


def test_the_order_of_a_document_is_the_entitys():
    names = list(CODEC.encode({"text": "b", "id": "a", "whole": 1}))

    assert ["id", "text", "whole"] == names
