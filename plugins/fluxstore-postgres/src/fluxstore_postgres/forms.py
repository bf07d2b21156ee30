"""Forms: for each kind of value its column type, its text for PostgreSQL, and the way back.

Every parameter and every COPY field is text, cast in the statement: so a statement has one
prepared form whatever the values are, nulls included. What comes back is binary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec

from fluxstore.codec import Codec, Refusal, document
from fluxstore.codec.canonical import as_set
from fluxstore.entity import Field
from fluxstore.kinds import ARRAY_KINDS, Kind, Type
from fluxstore.records import Reason

Encode = Callable[[Any], str]
Decode = Callable[[Any], Any]
NULL = r"\N"
FIRST_WITHOUT_POINT = 2.0**53
"""From here on floats may be written without a point, and every one is whole."""

SQL_TYPES: Mapping[Kind, str] = {
    Kind.STR: "text",
    Kind.INT: "bigint",
    Kind.BOOL: "boolean",
    Kind.FLOAT: "double precision",
    Kind.DECIMAL: "numeric",
    Kind.BYTES: "bytea",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.DATETIME: "timestamptz",
    Kind.TIMEDELTA: "interval",
    Kind.UUID: "uuid",
}
"""Kinds with a column type of their own, also as items of an array; the rest is jsonb."""
JSON = "jsonb"


@attrs.frozen
class Form:
    """How one field's values are written and read."""

    sql_type: str
    encode: Encode
    """A plain, non-null value as PostgreSQL's input text."""
    decode: Decode | None = None
    """A driver's value as a plain value; ``None`` where they are the same."""

    @property
    def is_text(self) -> bool:
        """Tell whether values compare by collation."""
        return self.sql_type in {"text", "text[]"}

    @property
    def is_json(self) -> bool:
        """Tell whether values are JSON documents."""
        return self.sql_type == JSON


def form_of(field: Field) -> Form:
    """Return the form of a field in a table of our own."""
    if field.rules.bigint:
        return Form("numeric", str, int)
    return form_of_type(field.type) or json_form(field)


def form_of_type(type_: Type) -> Form | None:
    """Return the typed form of *type_*, or ``None`` where only JSON can hold it."""
    if type_.scalar in SQL_TYPES:
        return Form(SQL_TYPES[type_.scalar], TEXTS[type_.scalar], FROM_DRIVER.get(type_.scalar))
    if type_.kind in ARRAY_KINDS and type_.variadic:
        return _array_form(type_)
    return None


def json_form(field: Field) -> Form:
    """Return the form of a field whose values are JSON documents."""
    codec = _JsonCodec.of(field)
    return Form(JSON, codec.encode, codec.decode)


def array_text(texts: Iterable[str]) -> str:
    """Return the text of a one-dimensional array with *texts* as its items."""
    return "{" + ",".join(['"' + _QUOTED.sub(r"\\\1", text) + '"' for text in texts]) + "}"


def default_text(codec: Codec, field: Field, encode: Encode) -> tuple[Any, str | None]:
    """Return the plain default of a field and its text, for records that miss the field.

    A default that is another one each time counts as null: it would differ at every look.
    """
    if field.required:
        return None, None
    made = codec.default(field.name)
    if made is None or made != codec.default(field.name):
        return None, None
    return made, encode(made)


def json_text(document: Any) -> str:
    """Return a JSON document as text, with a point in every float.

    jsonb keeps numbers as numeric: ``1e16`` would come back as an integer, ``10…0.0`` does not.
    """
    text = msgspec.json.encode(document)
    if _PERHAPS_LARGE.search(text):
        text = msgspec.json.encode(_with_points(document))
    return text.decode()


def _with_points(value: Any) -> Any:
    if isinstance(value, float) and abs(value) >= FIRST_WITHOUT_POINT:
        return msgspec.Raw(f"{int(value)}.0".encode())
    if isinstance(value, dict):
        return {name: _with_points(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_points(item) for item in value]
    return value


def copy_fields(form: Form, values: Sequence[Any]) -> list[str]:
    """Return a column's values as fields of a text COPY, escaped all at once."""
    nulls = [at for at, value in enumerate(values) if value is None]
    encode = form.encode
    if nulls:
        texts = ["" if value is None else encode(value) for value in values]
    else:
        texts = [encode(value) for value in values]
    if form.sql_type in ESCAPED or form.sql_type.endswith("[]"):
        texts = escaped(texts)
    for at in nulls:
        texts[at] = NULL
    return texts


def escaped(texts: Sequence[str]) -> list[str]:
    """Return *texts* with what a text COPY treats specially escaped; none of them holds NUL."""
    joined = "\0".join(texts)
    if _SPECIAL.search(joined):
        for character, escape in _ESCAPES:
            joined = joined.replace(character, escape)
    return joined.split("\0")


ESCAPED = frozenset({"text", "bytea", JSON})
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_SPECIAL = re.compile(r"[\\\n\r\t]")
_PERHAPS_LARGE = re.compile(rb"[0-9](?:[eE]|[0-9]{15})")
"""What a float has in it from 2**53 on: an exponent, or 16 digits."""
_QUOTED = re.compile(r'(["\\])')


def _boolean(value: bool) -> str:
    return "t" if value else "f"


def _interval(value: timedelta) -> str:
    return f"P{value.days}DT{value.seconds}.{value.microseconds:06d}S"


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


TEXTS: Mapping[Kind, Encode] = {
    Kind.STR: lambda value: value,
    Kind.INT: str,
    Kind.BOOL: _boolean,
    Kind.FLOAT: repr,
    Kind.DECIMAL: str,
    Kind.BYTES: lambda value: "\\x" + value.hex(),
    Kind.DATE: lambda value: value.isoformat(),
    Kind.TIME: lambda value: value.isoformat(),
    Kind.DATETIME: lambda value: value.isoformat(),
    Kind.TIMEDELTA: _interval,
    Kind.UUID: str,
}
FROM_DRIVER: Mapping[Kind, Decode] = {Kind.DATETIME: _utc, Kind.BYTES: bytes}


def _array_form(type_: Type) -> Form | None:
    item = form_of_type(type_.items[0])
    if item is None or item.sql_type.endswith("[]"):
        return None
    decode = _array_decode(item.decode)
    if type_.kind in (Kind.SET, Kind.FROZENSET):
        decode = _set_decode(decode, type_.items[0])
    return Form(f"{item.sql_type}[]", _array_text(item.encode), decode)


def _array_text(encode: Encode) -> Encode:
    def quoted(value: Any) -> str:
        return "NULL" if value is None else '"' + _QUOTED.sub(r"\\\1", encode(value)) + '"'

    return lambda values: "{" + ",".join([quoted(value) for value in values]) + "}"


def _array_decode(decode: Decode | None) -> Decode | None:
    if decode is None:
        return None
    return lambda values: [None if value is None else decode(value) for value in values]


def _set_decode(decode: Decode | None, item: Type) -> Decode:
    return lambda values: as_set(decode(values) if decode else values, item)


class _JsonCodec:
    """From plain values to JSON text and back, for one field."""

    def __init__(self, decode: Decode, encode: Decode | None) -> None:
        self._decode = decode
        self._plain_to_json = encode

    @classmethod
    def of(cls, field: Field) -> _JsonCodec:
        return cls(document.decoder(field.type), document.encoder(field.type))

    def encode(self, value: Any) -> str:
        return json_text(self._plain_to_json(value) if self._plain_to_json else value)

    def decode(self, value: Any) -> Any:
        return self._decode(value)


def unfit(expected: str) -> Refusal:
    """Return the refusal of a value that an existing column cannot hold."""
    return Refusal(Reason.UNREPRESENTABLE, expected)
