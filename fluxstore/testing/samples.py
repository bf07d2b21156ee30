"""Values at the edges of every kind, and strategies that make any value a field can hold.

``SAMPLES`` are good values of ``Everything``'s fields, ``UNSTORABLE`` plain values that no backend
can hold, ``REFUSED`` application values that the codec must refuse, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from fluxstore.records import Reason
from fluxstore.testing.entities import Colour, Point, Rank, Shape

HALF_PAST_FIVE = timezone(timedelta(hours=5, minutes=30))
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1582, 10, 10, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 4, 5, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=HALF_PAST_FIVE),
    datetime(2000, 6, 1, 12, tzinfo=timezone(timedelta(hours=-12))),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
TEXTS = [
    "",
    " ",
    "null",
    "a\nb\tc\r\n\x1b[31m\x7f",
    "quote \" ' ` \\ / $1 %s {} ; -- ,",
    "\\N",
    "é",
    "e\u0301",
    "\ufeffbom",
    "\ufffe\uffff",
    "\u202eright to left",
    "zero\u200bwidth",
    "\u2028line\u2029paragraph\x85next",
    "\U0001f600\U0010ffff",
    "x" * 10_000,
]
REALS = [
    0.0, 0.1, -1.5, 1e22, 1e-7, 123456789.123456789, 1.7976931348623157e308, 5e-324,
    2.2250738585072014e-308, float(2**53), 1 / 3,
]  # fmt: skip
DECIMALS = [
    Decimal(text)
    for text in (
        "0", "0.00", "1.10", "1.1", "-0.001", "12345678901234567890.123456789", "1000000",
        "0." + "0" * 40 + "1", "9" * 200,
    )
]  # fmt: skip
IDENTS = [UUID(int=0), UUID(int=2**128 - 1), UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")]
NESTED_JSON = {
    "a": [1, -0.5, "x", None, True, {"": []}],
    "big": 9007199254740993,
    "huge": 10**40,
    "$as": "datetime",
    "__proto__": {"py/object": "os.system"},
    "e\u0301": "\U0001f600",
}
SHAPES = [
    Shape("empty"),
    Shape(
        "full",
        [Point(Decimal("1.10")), Point(Decimal(0), -2.5, MOMENTS[5])],
        {"a": (), "b": (1, 2)},
        Colour.GREEN,
    ),
]

SAMPLES: Mapping[str, Sequence[Any]] = {
    "text": TEXTS,
    "whole": [0, -1, 2**31, 9007199254740993, 2**63 - 1, -(2**63)],
    "big": [0, -1, 2**63, -(2**63) - 1, 10**40, -(10**100)],
    "truth": [True, False],
    "real": REALS,
    "exact": DECIMALS,
    "raw": [b"", b"\x00\xff", bytes(range(256)), b"\\x00", b"text"],
    "day": [date.min, date(2024, 2, 29), date.max],
    "clock": [time.min, time(23, 59, 59, 999999), time(12, 30), time(0, 0, 0, 1)],
    "moment": MOMENTS,
    "span": [
        timedelta(0),
        timedelta(microseconds=1),
        timedelta(microseconds=-1),
        timedelta(days=400),
        timedelta(days=-400, seconds=1),
        timedelta.max,
        timedelta.min,
    ],
    "ident": IDENTS,
    "colour": list(Colour),
    "rank": list(Rank),
    "size": ["small", "large"],
    "level": [1, 2, 3],
    "mixed": ["yes", 1, True],
    "words": [[], [""], ["b", "a", "b"], TEXTS, ["NULL", "{}", "a,b", '"', "\\"]],
    "holes": [[None], ["a", None, ""]],
    "numbers": [[], [3, 1, 3], [2**63 - 1, -(2**63)]],
    "reals": [[], REALS],
    "prices": [[], DECIMALS],
    "moments": [[], MOMENTS],
    "matrix": [[], [[]], [[1], [], [2, 3]]],
    "pair": [(0, ""), (-5, "é")],
    "run": [(), tuple(DECIMALS)],
    "word_set": [set(), {"b", "a", "é", ""}],
    "number_set": [frozenset(), frozenset({10, 9, -1, 2**62})],
    "moment_set": [frozenset(), frozenset(MOMENTS)],
    "table": [{}, {"": 0, "z": 1, "a": 2, "A": 3, "é": 4}],
    "by_number": [{}, {10: "ten", 9: "nine", -1: ""}],
    "by_ident": [{}, {IDENTS[0]: Decimal("1.10"), IDENTS[2]: Decimal(0)}],
    "by_day": [{}, {date.min: [], date.max: [0.1]}],
    "point": [Point(Decimal("0.00")), Point(Decimal("1.10"), 1e22, MOMENTS[6])],
    "shapes": [[], SHAPES],
    "number_or_text": [0, "0", "", -1, "text"],
    "moment_or_text": [MOMENTS[4], "2026-01-02T03:04:05Z", "text", ""],
    "point_or_shape": [Point(Decimal(1)), SHAPES[1]],
    "list_or_table": [[], {}, [1], {"a": 1}],
    "anything": [0, 1.5, "", True, [], {}, [None], NESTED_JSON],
}

REFUSED: Sequence[tuple[str, Any, Reason]] = (
    ("text", "a\0b", Reason.NUL),
    ("text", "\ud800", Reason.SURROGATE),
    ("text", 5, Reason.TYPE),
    ("text", b"x", Reason.TYPE),
    ("whole", 2**63, Reason.RANGE),
    ("whole", "12", Reason.TYPE),
    ("whole", True, Reason.TYPE),
    ("whole", 1.0, Reason.TYPE),
    ("big", 2**5000, Reason.RANGE),
    ("truth", 1, Reason.TYPE),
    ("real", math.nan, Reason.NOT_FINITE),
    ("real", -math.inf, Reason.NOT_FINITE),
    ("real", 10**400, Reason.NOT_FINITE),
    ("real", True, Reason.TYPE),
    ("exact", Decimal("NaN"), Reason.NOT_FINITE),
    ("exact", Decimal("sNaN"), Reason.NOT_FINITE),
    ("exact", Decimal("Infinity"), Reason.NOT_FINITE),
    ("exact", Decimal("1e131072"), Reason.RANGE),
    ("exact", Decimal("1e-16384"), Reason.RANGE),
    ("exact", 1.5, Reason.TYPE),
    ("raw", "text", Reason.TYPE),
    ("day", datetime(2026, 1, 1, tzinfo=UTC), Reason.TYPE),
    ("clock", time(1, tzinfo=UTC), Reason.TYPE),
    ("moment", datetime(2026, 1, 1), Reason.NAIVE),  # noqa: DTZ001 - naive is the point
    ("moment", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), Reason.RANGE),
    ("moment", date(2026, 1, 1), Reason.TYPE),
    ("ident", str(IDENTS[2]), Reason.TYPE),
    ("colour", "blue", Reason.CHOICE),
    ("rank", 2, Reason.CHOICE),
    ("rank", True, Reason.CHOICE),
    ("size", "medium", Reason.CHOICE),
    ("level", "1", Reason.CHOICE),
    ("level", 4, Reason.CHOICE),
    ("words", "ab", Reason.TYPE),
    ("words", ["a", None], Reason.TYPE),
    ("words", ["a", "\0"], Reason.NUL),
    ("numbers", [1, "2"], Reason.TYPE),
    ("pair", (1, "a", 2), Reason.LENGTH),
    ("pair", ("a", 1), Reason.TYPE),
    ("word_set", ["a"], Reason.TYPE),
    ("table", {"a": "1"}, Reason.TYPE),
    ("table", {"a\0": 1}, Reason.NUL),
    ("by_number", {"x": "1"}, Reason.TYPE),
    ("point", {"x": 1}, Reason.TYPE),
    ("point", Point("1"), Reason.TYPE),  # type: ignore[arg-type]
    ("anything", math.nan, Reason.NOT_FINITE),
    ("anything", {1: "a", "1": "b"}, Reason.TYPE),
    ("anything", {"a": "\0"}, Reason.NUL),
    ("anything", object(), Reason.TYPE),
    ("number_or_text", 1.5, Reason.TYPE),
    ("id", "", Reason.KEY),
    ("id", "a\0b", Reason.NUL),
    ("id", "\udfff", Reason.SURROGATE),
    ("id", "x" * 2000, Reason.KEY),
    ("id", None, Reason.TYPE),
)

UNSTORABLE: Sequence[tuple[str, Any]] = (
    ("text", "a\0b"),
    ("text", "\ud800"),
    ("whole", 2**63),
    ("real", math.nan),
    ("real", math.inf),
    ("anything", {"a": "\0"}),
)

KEYS: Sequence[str] = (
    "../../etc/passwd", "/etc/x", "a/b", "a\\b", ".", "..", "CON", "nul", "a.", "a ", " a",
    "A", "a", "é", "e\u0301", "-rf", "--help", "~", "$HOME", "`id`", ";ls", "line\nline",
    "\x1b[31m", "\u202e", "null", "undefined", "NaN", "true", "0", "00", "1700000000000",
    "\U0001f600", "'", '"', "%", "_", "x" * 1024,
)  # fmt: skip
"""Texts that are ordinary keys, whatever they look like elsewhere."""
