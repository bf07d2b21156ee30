"""The field that an object of records says by name: ``{"t-1": {…}}`` holds the record ``t-1``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fluxstore.codec import Codec, Refusal
from fluxstore.errors import shortened
from fluxstore.kinds import Kind
from fluxstore.records import Reason, Record

_INTEGER = re.compile(r"(0|-?[1-9][0-9]{0,4000})\Z")
LEFT_OUT = ""
"""The alias of a key that a document leaves out where others say it inside as well."""


class Named:
    """One field of the key, and the names that say it."""

    def __init__(self, codec: Codec, field: str, written: str, *, is_inside: bool) -> None:
        """Know the *field*; documents that say it inside, too, have it under *written*."""
        self.field, self._written, self._codec, self._is_inside = field, written, codec, is_inside
        self._is_integer = codec.entity.field(field).type.scalar is Kind.INT

    def raw(self, name: str) -> Any:
        """Return the JSON value that *name* stands for; ``Refusal`` where it is none."""
        if not self._is_integer:
            return name
        if not _INTEGER.match(name):
            raise Refusal(Reason.KEY, "a name that is an integer expected")
        return int(name)

    def value(self, name: str) -> Any:
        """Return the plain value that *name* stands for; ``Refusal`` where it cannot be a key."""
        made = self._codec.decoders[self.field](self.raw(name))
        for _, broken in self._codec.broken_rules({self.field: made}):
            raise broken
        return made

    def take(self, name: str, given: dict[str, Any], alias: dict[str, str]) -> Refusal | None:
        """Put the field into *given*; where the document says it as well, it must say the same."""
        try:
            raw = self.raw(name)
        except Refusal as refusal:
            return refusal
        if self.field not in given:
            given[self.field] = raw
            if self._is_inside:
                alias[self.field] = LEFT_OUT
            return None
        inside = given[self.field]
        if type(inside) is not type(raw) or inside != raw:
            expected = f"{shortened(raw)}, the name that it stands under, expected"
            return Refusal(Reason.KEY, f"{expected}, {shortened(inside)} found")
        if not self._is_inside:
            alias.setdefault(self.field, self._written)
        return None

    def is_left_out(self, alias: Mapping[str, str]) -> bool:
        """Tell whether a document with these aliases has the field by its name alone."""
        if self.field not in alias:
            return not self._is_inside
        return alias[self.field] == LEFT_OUT

    def text(self, record: Record) -> bytes:
        """Return the name of a record's document, in quotes."""
        values = {self.field: record.values[self.field]}
        spelling = record.residue.spelling
        kept = {self.field: spelling[self.field]} if self.field in spelling else {}
        made: bytes = msgspec.json.encode(str(self._codec.encode(values, kept)[self.field]))
        return made
