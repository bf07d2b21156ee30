"""How records stand together: in an array, or in an object that holds each under its key.

What stands between two commas is an *element*: a document, or a name, a colon and a document. An
element that was read is an *item*: the document's value, or a pair of its name and the value.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import attrs

from fluxstore_json.slow import Doubled

_NAMED = re.compile(rb'[ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
Item: TypeAlias = Any


@attrs.frozen
class Shape:
    """One way to hold records."""

    opening: bytes
    closing: bytes
    holder: type
    """What a parser makes of it."""
    words: str
    sign: str
    """What stands for it in the words for a place: ``projects[].tasks{}``."""

    @property
    def is_named(self) -> bool:
        """Whether each document has a name."""
        return self.holder is dict

    def items(self, held: Any) -> list[Item]:
        """Return the items of what a parser made."""
        if not self.is_named:
            return list(held)
        return held.pairs if type(held) is Doubled else list(held.items())

    def whole(self, inner: bytes) -> bytes:
        """Return the text around *inner*, elements with their commas."""
        return b"%b%b%b" % (self.opening, inner, self.closing)


ARRAY = Shape(b"[", b"]", list, "an array", "[]")
OBJECT = Shape(b"{", b"}", dict, "an object", "{}")
SHAPES = {"array": ARRAY, "object": OBJECT}


def parted(text: bytes, start: int = 0) -> tuple[bytes, int]:
    """Return the name of the element at *start*, in quotes, and where its document begins.

    The name is empty where there is none: no JSON value is a text with a colon behind it.
    """
    found = _NAMED.match(text, start)
    return (found[1], found.end()) if found else (b"", start)
