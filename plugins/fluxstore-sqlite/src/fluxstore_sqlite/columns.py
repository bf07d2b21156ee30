"""How a field's plain values are kept in a column, and read back from it.

======================  =======  ==================================================================
kinds                   type     form
======================  =======  ==================================================================
str, UUID, date, time   TEXT     the text; all order by code point as they should
datetime                TEXT     UTC, always six digits of microseconds, so that it orders as text
int                     INTEGER  63 bits and a sign
bool                    INTEGER  0 or 1
float                   REAL     finite; NaN would silently become NULL and is refused before
Decimal, bigint         TEXT     digits with their scale; compared as numbers by a collation
timedelta               TEXT     ``P1DT3600S``; compared by a collation (INTEGER is too short)
bytes                   BLOB
Enum, Literal           of their values
all others              TEXT     JSON with sorted names
======================  =======  ==================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any, Literal, TypeAlias

import attrs
import msgspec

from fluxstore.codec import Codec, JsonNumber, Refusal
from fluxstore.codec.document import duration_text
from fluxstore.codec.refusal import MAX_INT, MIN_INT, mistyped
from fluxstore.entity import Field
from fluxstore.kinds import Kind
from fluxstore.records import Reason
from fluxstore_sqlite.collations import COLLATIONS

Stored: TypeAlias = str | int | float | bytes | None
Declared: TypeAlias = Literal["TEXT", "INTEGER", "REAL", "BLOB"]
_json_encoder = msgspec.json.Encoder(order="sorted")
_json_decoder = msgspec.json.Decoder()
_digits_decoder = msgspec.json.Decoder(float_hook=JsonNumber)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?\Z", re.ASCII)
_STAMP_LENGTH = len("2026-01-02T03:04:05.000000Z")


def to_json_text(value: Any) -> str:
    """Return JSON with sorted names: one value has one text."""
    return _json_encoder.encode(value).decode()


def from_json_text(text: Any) -> Any:
    """Return the value of a JSON text; ``Refusal`` where it is none."""
    return _decoded(_json_decoder, text)


def from_json_text_exactly(text: Any) -> Any:
    """Return the same with the digits of each number, for a field's decoder to take."""
    return _decoded(_digits_decoder, text)


def _decoded(decoder: msgspec.json.Decoder[Any], text: Any) -> Any:
    if not isinstance(text, str):
        raise Refusal(Reason.TYPE, "JSON text expected")
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError, ValueError):
        raise Refusal(Reason.TYPE, "JSON text expected") from None


def instant_text(value: datetime) -> str:
    """Return an instant, which is in UTC, as text that orders like it."""
    return value.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


@attrs.frozen
class Form:
    """How one kind is kept: the column's type, and both directions."""

    declared: Declared
    write: Callable[[Any], Stored] = lambda value: value
    """From a plain value that is no null."""
    read: Callable[[Any], Any] = lambda stored: stored
    """To the JSON form that the codec decodes, from what is no NULL."""
    collation: str | None = None


def _bool(stored: Any) -> Any:
    return {0: False, 1: True}.get(stored, stored) if type(stored) is int else stored


def _big(stored: Any) -> Any:
    if isinstance(stored, str) and stored.removeprefix("-").isascii():
        return int(stored) if stored.removeprefix("-").isdigit() else stored
    return stored


FORMS: Mapping[Kind, Form] = {
    Kind.STR: Form("TEXT"),
    Kind.INT: Form("INTEGER"),
    Kind.BOOL: Form("INTEGER", int, _bool),
    Kind.FLOAT: Form("REAL"),
    Kind.DECIMAL: Form(
        "TEXT", lambda value: format(value, "f"), collation=COLLATIONS[Kind.DECIMAL]
    ),
    Kind.BYTES: Form("BLOB"),
    Kind.DATE: Form("TEXT", lambda value: value.isoformat()),
    Kind.TIME: Form("TEXT", lambda value: value.isoformat()),
    Kind.DATETIME: Form("TEXT", instant_text),
    Kind.TIMEDELTA: Form("TEXT", duration_text, collation=COLLATIONS[Kind.TIMEDELTA]),
    Kind.UUID: Form("TEXT", str),
}
BIG = Form("TEXT", str, _big, COLLATIONS[Kind.DECIMAL])
JSON = Form("TEXT", to_json_text, from_json_text_exactly)


def form_of(field: Field) -> Form:
    """Return how *field* is kept."""
    return BIG if field.rules.bigint else FORMS.get(field.type.scalar, JSON)


@attrs.frozen
class Column:
    """One field's column; ``write`` and ``read`` raise ``Refusal``."""

    field: Field
    name: str
    form: Form
    write: Callable[[Any], Stored] = attrs.field(repr=False)
    read: Callable[[Any], Any] = attrs.field(repr=False)
    is_nullable: bool = False
    spoken_collation: str | None = None
    """The collation that a query must name; ``None`` where the table declares the right one."""


def column_of(
    codec: Codec, field: Field, name: str | None = None, *, naive_utc: bool = False
) -> Column:
    """Return the column of *field*; with *naive_utc* a time without an offset is read as UTC."""
    form = form_of(field)
    if naive_utc and field.type.kind is Kind.DATETIME:
        form = attrs.evolve(form, read=_with_offset)
    return Column(
        field=field,
        name=name or field.name,
        form=form,
        write=_writer(codec, field, form),
        read=_reader(codec, field, form),
        is_nullable=field.type.nullable or field.type.kind is Kind.ANY,
    )


def _writer(codec: Codec, field: Field, form: Form) -> Callable[[Any], Stored]:
    check = _json_checked(codec, field) if form is JSON else _checked(codec, field)

    def write(value: Any) -> Stored:
        checked = check(value)
        return None if checked is None else form.write(checked)

    return _shortcut(field, write)


def _shortcut(field: Field, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return *convert* with a way around it for values that are the same on both sides.

    Most are, and four calls for each would be what a batch spends its time on.
    """
    if field.rules.bigint or form_of(field) is JSON:
        return convert
    choices = frozenset(field.type.choices)
    is_same = choices.__contains__ if _are_texts(choices) else _IS_SAME.get(field.type.kind)
    if is_same is None:
        return convert
    return lambda value: value if is_same(value) else convert(value)


def _are_texts(choices: frozenset[Any]) -> bool:
    return bool(choices) and all(type(choice) is str for choice in choices)


def _is_simple_text(value: Any) -> bool:
    return type(value) is str and value.isascii() and "\0" not in value


_IS_SAME: Mapping[Kind, Callable[[Any], bool]] = {
    Kind.STR: _is_simple_text,
    Kind.INT: lambda value: type(value) is int and MIN_INT <= value <= MAX_INT,
    Kind.FLOAT: lambda value: type(value) is float and value != 0 and isfinite(value),
}


def _checked(codec: Codec, field: Field) -> Callable[[Any], Any]:
    name = field.name
    return lambda value: codec.value(name, value)


def _json_checked(codec: Codec, field: Field) -> Callable[[Any], Any]:
    """Return the function from a plain value to its JSON form, once the decoder has taken it."""
    encode, decode = codec.encoders[field.name], codec.decoders[field.name]

    def check(value: Any) -> Any:
        encoded = value if encode is None else encode(value)
        decode(encoded)
        return encoded

    return check


def _reader(codec: Codec, field: Field, form: Form) -> Callable[[Any], Any]:
    decode, prepare = codec.decoders[field.name], form.read
    if field.type.kind is Kind.BYTES:
        return _bytes(decode)

    def read(stored: Any) -> Any:
        return decode(None if stored is None else prepare(stored))

    if field.type.kind is Kind.DATETIME:
        return _quick_instant(read)
    return _shortcut(field, read)


def _bytes(decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader of BLOBs: the codec's own decoder would take text for base64."""

    def read(stored: Any) -> Any:
        if isinstance(stored, bytes):
            return stored
        return decode(None) if stored is None else refuse(stored)

    def refuse(stored: Any) -> Any:
        raise mistyped("bytes", stored)

    return read


def _quick_instant(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def quick(stored: Any) -> Any:
        if isinstance(stored, str) and len(stored) == _STAMP_LENGTH and stored[-1] == "Z":
            try:
                return datetime.fromisoformat(stored)
            except ValueError:
                return read(stored)
        return read(stored)

    return quick


def _with_offset(stored: Any) -> Any:
    """Return a stored time with ``Z`` behind it where it has no offset of its own."""
    return f"{stored}Z" if isinstance(stored, str) and _NAIVE.match(stored) else stored
