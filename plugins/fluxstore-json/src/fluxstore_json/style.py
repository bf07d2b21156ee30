"""How a file is laid out: so that what is written anew looks like what was there."""

from __future__ import annotations

import re
from typing import Any

import attrs
import msgspec

from fluxstore_json.index import Bounds
from fluxstore_json.opened import OpenFile
from fluxstore_json.shapes import parted

_LOOKED_AT_BYTES = 64 * 1024
_COLON = re.compile(rb'"[ \t\r\n]*:([ \t]?)')
_INDENT = re.compile(rb"\n([ \t]*)")
_SPACES = re.compile(rb"^ +", re.MULTILINE)


@attrs.frozen
class Style:
    """``lead`` stands before the first element of an array, ``tail`` behind the last."""

    lead: bytes = b"\n  "
    tail: bytes = b"\n"
    step: bytes = b"  "
    """What one more level is indented by; empty where a document is one line."""
    is_spaced: bool = False
    """Whether a one-line document has spaces behind commas and colons."""

    def to_json(self) -> dict[str, Any]:
        """Return the style as JSON."""
        texts = {"lead": self.lead, "tail": self.tail, "step": self.step}
        return {name: text.decode() for name, text in texts.items()} | {"spaced": self.is_spaced}

    @classmethod
    def from_json(cls, value: Any) -> Style:
        """Return the style of a JSON value."""
        lead, tail, step = (str(value[name]).encode() for name in ("lead", "tail", "step"))
        return cls(lead, tail, step, bool(value["spaced"]))

    @property
    def between(self) -> bytes:
        """What stands between two elements."""
        if b"\n" in self.lead:
            return b"," + self.lead
        return b", " if self.is_spaced else b","

    def element(self, text: bytes) -> bytes:
        """Return an element in this style."""
        name, start = parted(text)
        colon = b": " if self.step or self.is_spaced else b":"
        return (name and name + colon) + self.document(text[start:])

    def document(self, text: bytes) -> bytes:
        """Return the text of a document in this style."""
        try:
            return self._formatted(text)
        except msgspec.DecodeError:  # it holds what no reader accepts, and holds it on
            return text

    def _formatted(self, text: bytes) -> bytes:
        if not self.step:
            return msgspec.json.format(text, indent=0 if self.is_spaced else -1)
        made = msgspec.json.format(text, indent=1)
        step, newline = self.step, self.lead[: self.lead.find(b"\n") + 1] or b"\n"
        made = _SPACES.sub(lambda found: step * len(found[0]), made)
        margin = self.lead.rpartition(b"\n")[2]
        return made.replace(b"\n", newline + margin)


def style_of(file: OpenFile, bounds: Bounds, outer: int) -> Style:
    """Return the style of the array at *bounds*, *outer* levels inside the file."""
    if bounds.first is None:
        return _of_empty(file, outer)
    lead = file.read(bounds.start, bounds.first - bounds.start)
    sample = file.read(bounds.first, min(_LOOKED_AT_BYTES, file.size - bounds.first))
    colon = _COLON.search(sample)
    spaced = colon is not None and bool(colon[1])
    if b"\n" not in lead:
        return Style(lead, b"", b"", spaced)
    margin = lead.rpartition(b"\n")[2]
    inner = _INDENT.search(sample)
    is_deeper = inner is not None and len(inner[1]) > len(margin)
    step = inner[1].removeprefix(margin) if inner is not None and is_deeper else b""
    return Style(lead, _before(file, bounds.end), step, spaced)


def _of_empty(file: OpenFile, outer: int) -> Style:
    """Return the style that an array without elements would have, as its surroundings tell."""
    around = file.read(0, min(_LOOKED_AT_BYTES, file.size))
    indent = _INDENT.search(around)
    if outer and indent is None:
        return Style(b"", b"", b"", b": " in around)
    step = indent[1] if indent is not None and indent[1] else b"  "
    return Style(b"\n" + step * (outer + 1), b"\n" + step * outer, step)


def _before(file: OpenFile, end: int) -> bytes:
    """Return the white space before offset *end*."""
    start = max(0, end - 256)
    text = file.read(start, end - start)
    return text[len(text.rstrip(b" \t\r\n")) :]
