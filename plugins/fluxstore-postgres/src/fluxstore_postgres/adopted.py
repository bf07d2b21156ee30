"""Columns that were there before: which types can hold a form, and what each cannot hold."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs

from fluxstore_postgres.forms import JSON, Form, unfit

Fits = Callable[[Any], None]
"""Raises ``Refusal`` for a plain value that the column would refuse, or keep as something else."""


@attrs.frozen
class Cast:
    """How a form's SQL type is read from a column of another type, and written to it."""

    read: str = "{}"
    write: str = "{}"


@attrs.frozen
class FoundType:
    """A column's type as PostgreSQL's catalogue has it."""

    name: str
    """``pg_type.typname``: ``int4``, ``varchar``, ``_text``, an enum's own name."""
    words: str
    """As ``format_type`` shows it: ``character varying(40)``."""
    is_enum: bool = False
    modifier: int = -1
    labels: tuple[str, ...] = ()


SAME = Cast()
CASTS: Mapping[tuple[str, str], Cast] = {
    ("text", "text"): SAME,
    ("text", "varchar"): Cast("{}::text"),
    ("text", "citext"): Cast("{}::text"),
    ("text", "uuid"): Cast("{}::text", "{}::uuid"),
    ("text", "int8"): Cast("{}::text", "{}::int8"),
    ("text", "int4"): Cast("{}::text", "{}::int4"),
    ("bigint", "int8"): SAME,
    ("bigint", "int4"): Cast("{}::bigint"),
    ("bigint", "int2"): Cast("{}::bigint"),
    ("bigint", "numeric"): Cast("{}::bigint"),
    ("numeric", "numeric"): SAME,
    ("numeric", "int8"): Cast("{}::numeric"),
    ("numeric", "int4"): Cast("{}::numeric"),
    ("double precision", "float8"): SAME,
    ("double precision", "float4"): Cast("{}::double precision"),
    ("boolean", "bool"): SAME,
    ("bytea", "bytea"): SAME,
    ("date", "date"): SAME,
    ("time", "time"): SAME,
    ("timestamptz", "timestamptz"): SAME,
    ("timestamptz", "timestamp"): Cast("({} AT TIME ZONE 'UTC')", "({} AT TIME ZONE 'UTC')"),
    ("interval", "interval"): SAME,
    ("uuid", "uuid"): SAME,
    ("uuid", "text"): Cast("{}::uuid", "{}::text"),
    ("uuid", "varchar"): Cast("{}::uuid", "{}::text"),
    (JSON, "jsonb"): SAME,
    (JSON, "json"): Cast("{}::jsonb"),
    ("text[]", "_text"): SAME,
    ("text[]", "_varchar"): Cast("{}::text[]"),
    ("bigint[]", "_int8"): SAME,
    ("bigint[]", "_int4"): Cast("{}::bigint[]", "{}::int4[]"),
    ("numeric[]", "_numeric"): SAME,
    ("double precision[]", "_float8"): SAME,
    ("boolean[]", "_bool"): SAME,
    ("bytea[]", "_bytea"): SAME,
    ("date[]", "_date"): SAME,
    ("time[]", "_time"): SAME,
    ("timestamptz[]", "_timestamptz"): SAME,
    ("interval[]", "_interval"): SAME,
    ("uuid[]", "_uuid"): SAME,
}


def cast_for(form: Form, found: FoundType) -> Cast | None:
    """Return how *form* gets into a column of type *found*, or ``None`` where it cannot."""
    if form.sql_type == "text" and found.is_enum:
        return Cast("{}::text", "{}::" + found.words)
    return CASTS.get((form.sql_type, found.name))


def fits_of(form: Form, found: FoundType) -> tuple[Fits, ...]:
    """Return the checks that keep PostgreSQL from rounding, cutting or refusing a value."""
    if found.is_enum:
        return (_one_of(found.labels),)
    make = CHECKS.get((form.sql_type, found.name)) or CHECKS.get(("", found.name))
    return make(found.modifier) if make else ()


def _refuse_unless(test: Callable[[Any], Any], expected: str) -> Fits:
    def check(value: Any) -> None:
        if not test(value):
            raise unfit(expected)

    return check


def _one_of(labels: tuple[str, ...]) -> Fits:
    return _refuse_unless(lambda value: value in labels, f"one of {', '.join(labels)} expected")


def _length(modifier: int) -> tuple[Fits, ...]:
    most = modifier - 4  # the modifier counts a header of 4 bytes
    if modifier < 0:
        return ()
    return (
        _refuse_unless(lambda value: len(value) <= most, f"at most {most} characters expected"),
    )


def _between(low: int, high: int) -> Callable[[int], tuple[Fits, ...]]:
    check = _refuse_unless(
        lambda value: low <= value <= high, f"a number between {low:,} and {high:,} expected"
    )
    return lambda _: (check,)


def _digits(modifier: int) -> tuple[Fits, ...]:
    """Return the check for ``numeric(precision, scale)``, which would round."""
    if modifier < 0:
        return ()
    precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
    words = f"at most {precision - scale} digits before and {scale} after the point expected"

    def test(value: Any) -> bool:
        whole = Decimal(value)
        return -int(whole.as_tuple().exponent) <= scale and whole.adjusted() < precision - scale

    return (_refuse_unless(lambda value: value == 0 or test(value), words),)


def _whole(_: int) -> tuple[Fits, ...]:
    return (_refuse_unless(lambda value: value == int(value), "a whole number expected"),)


def _single(_: int) -> tuple[Fits, ...]:
    def test(value: float) -> bool:
        try:
            return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
        except OverflowError:
            return False

    return (_refuse_unless(test, "a number that a 4-byte float holds exactly expected"),)


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def _precision(modifier: int) -> tuple[Fits, ...]:
    """Return the check for ``timestamptz(p)`` and the like, which would round."""
    if modifier < 0 or modifier >= 6:
        return ()
    step = 10 ** (6 - modifier)

    def test(value: Any) -> bool:
        micros = value.microseconds if isinstance(value, timedelta) else value.microsecond
        return bool(micros % step == 0)

    return (_refuse_unless(test, f"at most {modifier} digits of a second expected"),)


def _items(check: Callable[[int], tuple[Fits, ...]]) -> Callable[[int], tuple[Fits, ...]]:
    def make(modifier: int) -> tuple[Fits, ...]:
        def each(values: list[Any]) -> None:
            for one in check(modifier):
                for value in values:
                    if value is not None:
                        one(value)

        return (each,)

    return make


_NUMBER = re.compile(r"(0|-?[1-9][0-9]*)\Z", re.ASCII)
_INT4 = _between(-(2**31), 2**31 - 1)
CHECKS: Mapping[tuple[str, str], Callable[[int], tuple[Fits, ...]]] = {
    ("", "varchar"): _length,
    ("text[]", "_varchar"): _items(_length),
    ("text", "uuid"): lambda _: (_refuse_unless(_is_uuid, "a UUID expected"),),
    ("text", "int8"): lambda _: (_refuse_unless(_NUMBER.match, "a whole number expected"),),
    ("text", "int4"): lambda _: (_refuse_unless(_NUMBER.match, "a whole number expected"),),
    ("bigint", "int4"): _INT4,
    ("bigint", "int2"): _between(-(2**15), 2**15 - 1),
    ("bigint[]", "_int4"): _items(_INT4),
    ("", "numeric"): _digits,
    ("numeric", "int8"): _whole,
    ("numeric", "int4"): _whole,
    ("", "float4"): _single,
    ("", "timestamptz"): _precision,
    ("", "timestamp"): _precision,
    ("", "time"): _precision,
    ("", "interval"): lambda modifier: _precision(modifier & 0xFFFF if modifier >= 0 else -1),
}
