"""Every value and id of the table of bad input, by its number, in both directions of the codec."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fluxstore.codec import MAX_RECORD_BYTES, Codec, JsonNumber
from fluxstore.entity import entity_of
from fluxstore.errors import CheckError, UsageError
from fluxstore.records import Reason
from fluxstore.testing.entities import Album, Everything
from fluxstore.testing.samples import HALF_PAST_FIVE, IDENTS

CODEC = Codec.of(entity_of(Everything))
ALBUMS = Codec.of(entity_of(Album))
DEEP: Any = "end"
for _ in range(65):
    DEEP = [DEEP]
NAIVE = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - naive is the point

REFUSED_IN_A_FILE = [
    ("V01", "text", "a\0b", Reason.NUL),
    ("V01", "anything", {"in": ["a\0b"]}, Reason.NUL),
    ("V01", "table", {"a\0b": 1}, Reason.NUL),
    ("V10", "exact", "NaN", Reason.TYPE),
    ("V10", "exact", "sNaN", Reason.TYPE),
    ("V10", "exact", "Infinity", Reason.TYPE),
    ("V10", "exact", "1e131072", Reason.RANGE),
    ("V10", "exact", JsonNumber("1e131072"), Reason.RANGE),
    ("V11", "moment", "2026-01-02T03:04:05", Reason.NAIVE),
    ("V14", "moment", "0001-01-01T00:00:00+14:00", Reason.RANGE),
    ("V16", "clock", "24:00:00", Reason.TYPE),
    ("V16", "moment", "2026-01-02T24:00:00Z", Reason.TYPE),
    ("V18", "colour", "blue", Reason.CHOICE),
    ("V18", "rank", 2, Reason.CHOICE),
    ("V18", "size", "medium", Reason.CHOICE),
    ("V19", "ident", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", Reason.TYPE),
    ("V19", "ident", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", Reason.TYPE),
    ("V30", "anything", DEEP, Reason.DEPTH),
    ("J11", "real", math.nan, Reason.NOT_FINITE),
    ("J12", "real", JsonNumber("1e400"), Reason.NOT_FINITE),
    ("J20", "id", None, Reason.TYPE),
    ("J20", "id", True, Reason.TYPE),
    ("J20", "id", 1.0, Reason.TYPE),
    ("J20", "id", {}, Reason.TYPE),
    ("J23", "whole", "12", Reason.TYPE),
    ("J23", "truth", 1, Reason.TYPE),
]
REFUSED_IN_A_PROGRAM = [
    ("V01", "text", "a\0b", Reason.NUL),
    ("V01", "anything", {"in": ["a\0b"]}, Reason.NUL),
    ("V10", "exact", Decimal("NaN"), Reason.NOT_FINITE),
    ("V10", "exact", Decimal("sNaN"), Reason.NOT_FINITE),
    ("V10", "exact", Decimal("-Infinity"), Reason.NOT_FINITE),
    ("V10", "exact", Decimal("1e131072"), Reason.RANGE),
    ("V11", "moment", NAIVE, Reason.NAIVE),
    ("V14", "moment", datetime(1, 1, 1, tzinfo=HALF_PAST_FIVE), Reason.RANGE),
    ("V18", "colour", "blue", Reason.CHOICE),
    ("V19", "ident", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", Reason.TYPE),
    ("V21", "anything", {1: "a", "1": "b"}, Reason.TYPE),
    ("V21", "table", {1: 1, "1": 2}, Reason.TYPE),
    ("V21", "by_number", {1: "a", "1": "b"}, Reason.TYPE),
    ("V30", "anything", DEEP, Reason.DEPTH),
]
TAKEN = [
    ("V03", "text", "\ufeff\ufffe\u202e\u200b\u200d", "\ufeff\ufffe\u202e\u200b\u200d"),
    ("V05", "real", -0.0, 0.0),
    ("V05", "exact", Decimal("-0.00"), Decimal("0.00")),
    ("V06", "whole", 9007199254740993, 9007199254740993),
    ("V08", "real", 0.1, 0.1),
    ("V08", "real", 1e22, 1e22),
    ("V08", "real", 1.7976931348623157e308, 1.7976931348623157e308),
    ("V08", "real", 5e-324, 5e-324),
    ("V10", "exact", Decimal("1.10"), Decimal("1.10")),
    ("V12", "moment", datetime(2026, 1, 2, 8, 34, tzinfo=HALF_PAST_FIVE),
     datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
    ("V14", "moment", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
     datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ("V22", "pair", (1, "a"), (1, "a")),
    ("V22", "word_set", {"b", "a"}, {"a", "b"}),
    ("V22", "number_set", frozenset({2, 1}), frozenset({1, 2})),
    ("V23", "text", "", ""),
    ("V23", "text", None, None),
    ("V26", "numbers", list(range(100_000)), list(range(100_000))),
    ("V31", "table", {"b": 1, "a": 2}, {"a": 2, "b": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("number", "name", "raw", "reason"), REFUSED_IN_A_FILE)
def test_what_a_file_must_not_hold_is_refused(number, name, raw, reason):
    found = CODEC.decode({"id": "x", name: raw})

    assert [(name, reason)] == [(field, one.reason) for field, one in found.refusals]


@pytest.mark.parametrize(("number", "name", "value", "reason"), REFUSED_IN_A_PROGRAM)
def test_what_a_program_must_not_write_is_refused(number, name, value, reason):
    with pytest.raises(CheckError) as caught:
        CODEC.row(Everything(id="x", **{name: value}))

    assert reason in [one.reason for one in caught.value.problems]


@pytest.mark.parametrize(("number", "name", "given", "kept"), TAKEN)
def test_what_is_unusual_is_taken_exactly(number, name, given, kept):
    row = CODEC.row(Everything(id="x", **{name: given}))
    decoded = CODEC.decode(CODEC.encode(row))

    for values in (row, decoded.values):
        found = getattr(CODEC.instance(values), name)
        assert (type(kept), kept) == (type(found), found)
        if isinstance(kept, float | Decimal):
            assert repr(kept) == repr(found)


def test_v19_an_upper_case_uuid_is_one_uuid_and_keeps_its_spelling():
    upper = str(IDENTS[2]).upper()

    found = CODEC.decode({"id": "x", "ident": upper})

    assert UUID(upper) == found.values["ident"]
    assert upper == CODEC.encode(found.values, found.spelling)["ident"]


def test_v25_a_text_beyond_a_mebibyte_is_refused_by_size():
    values = {"id": "x", "text": "x" * (MAX_RECORD_BYTES + 1)}

    assert [Reason.SIZE] == [one.reason for _, one in CODEC.too_large(values, {})]
    assert () == CODEC.too_large({"id": "x", "text": "x" * (MAX_RECORD_BYTES // 2)}, {})


@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("I01", "../../etc/passwd"), ("I02", "a/b"), ("I02", "a\\b"), ("I03", "."), ("I03", ".."),
        ("I06", "CON"), ("I06", "nul"), ("I06", "a."), ("I06", "a "), ("I11", "-rf"),
        ("I11", "--help"), ("I11", "~"), ("I11", "$HOME"), ("I11", "`id`"), ("I11", ";ls"),
        ("I12", "line\nline"), ("I12", "\x1b[31m"), ("I12", "\u202e"), ("I17", "null"),
        ("I17", "undefined"), ("I17", "NaN"), ("I17", "true"),
    ],
)  # fmt: skip
def test_an_unusual_id_is_plain_data_and_shown_escaped(number, key):
    assert key == ALBUMS.row(Album(id=key))["id"] == ALBUMS.decode({"id": key}).values["id"]
    with pytest.raises(CheckError) as caught:
        ALBUMS.row(Album(id=key, name="\0"))
    assert not re.search(r"[\x00-\x1f\u202e]", str(caught.value))


@pytest.mark.parametrize(
    ("number", "one", "other"),
    [("I07", "A", "a"), ("I08", "\u00e9", "e\u0301"), ("I06", "a", "a ")],
)
def test_ids_that_look_alike_are_two(number, one, other):
    assert ALBUMS.key_text(one) != ALBUMS.key_text(other)
    assert ALBUMS.canonical({"id": one}) != ALBUMS.canonical({"id": other})


@pytest.mark.parametrize(
    ("number", "key"), [("I03", ""), ("I04", "a\0b"), ("I14", "\ud800"), ("I14", "a\udfff")]
)
def test_an_id_that_no_store_can_hold_is_refused(number, key):
    with pytest.raises(CheckError, match="id: "):
        ALBUMS.row(Album(id=key))
    with pytest.raises(UsageError, match="a key of albums"):
        ALBUMS.key(key)
    assert ["id"] == [name for name, _ in ALBUMS.decode({"id": key}).refusals]
