"""Arrays and objects of any size, read in blocks of whole elements; memory for one block.

A block is cut after an element that ends in ``}``. A parse that succeeds proves the cut: what comes
before it is a sequence of whole elements. Where no such cut is found at once, elements are walked
one by one, with the place at which a parser of one value says that the next begins.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import takewhile
from typing import Any, NoReturn

import attrs
import msgspec

from fluxstore_json import slow
from fluxstore_json.shapes import ARRAY, Item, Shape, parted
from fluxstore_json.slow import Suspect

CHUNK_BYTES = 256 * 1024
BLOCK_BYTES = 384 * 1024
"""No block is longer, but for one of a single element."""
LARGEST_ELEMENT_BYTES = 256 * 1024 * 1024
_TRIES = 3
_LONGEST_CONSTANT = 12
_CUT = re.compile(rb"\}[ \t\r\n]*,")
_SPACE = re.compile(rb"[ \t\r\n]*")
_SPACED_NAME = re.compile(rb'"[ \t\r\n]+:')
_ESCAPED_SIGN = re.compile(rb"\\u00(?:22|3[aA])")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"[ \t\r\n]*', re.DOTALL)
_NAME = re.compile(_TEXT.pattern + rb":", re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89abABcdefCDEF]")
_BETWEEN = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")
_RAWS = msgspec.json.Decoder(list[msgspec.Raw]).decode
_BYTE = re.compile(r"\(byte (\d+)\)\Z")
Decode = Callable[[bytes], Any]


class TextError(Exception):
    """What is no JSON text: where (byte offset in the file) and what was expected."""

    def __init__(self, offset: int, problem: str) -> None:
        """Hold the facts."""
        super().__init__(offset, problem)
        self.offset, self.problem = offset, problem


@attrs.frozen
class Reader:
    """How the elements of one place are read: their shape, and the fast parser of values."""

    shape: Shape
    decode: Decode
    decode_proven: Decode | None = None
    """A parser that leaves out what is not asked for, where nothing can be hidden."""

    def items(self, data: bytes, *, is_proven: bool = False) -> list[Item] | None:
        """Return the items in *data* if they are whole and nothing about them is hidden.

        *is_proven* says that nothing is: an earlier walk has seen to that.
        """
        decode = self.decode_proven if is_proven and self.decode_proven else self.decode
        try:
            held = decode(self.shape.whole(data))
            return self.shape.items(held) if is_proven or _nothing_hidden(data, held) else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def one(self, element: bytes, offset: int = 0) -> Item:
        """Return the item that one element is, read fast where nothing is hidden in it."""
        items = self.items(element)
        if items is not None and len(items) == 1:
            return items[0]
        if not self.shape.is_named:
            return suspect(offset, element)
        name, at = parted(element)
        value = suspect(offset + at, element[at:])
        return (suspect(offset, name).value if name else "", value)


@attrs.frozen(slots=False)
class Block:
    """Some elements: ``data`` begins at ``offset``, ``items`` are decoded.

    A value that took the slow way is a ``Suspect``; ``is_slow`` says that some did. ``index`` is
    the first one's in its array.
    """

    offset: int
    data: bytes = attrs.field(repr=False)
    items: list[Item] = attrs.field(repr=False)
    index: int
    shape: Shape = ARRAY
    is_slow: bool = False

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """Offset in the file and length of each element."""
        found = elements(self.data, self.shape)
        return [(self.offset + at, end - at) for at, end in found]


class Proven:
    """The blocks of one version of a file in which nothing is hidden: later walks believe it."""

    def __init__(self, is_unchanged: Callable[[], bool]) -> None:
        """Know of no block; what is known ends when the version is no longer *is_unchanged*."""
        self._is_unchanged = is_unchanged
        self._lengths: dict[int, int] = {}

    def has(self, offset: int, length: int) -> bool:
        """Tell whether the block is known."""
        return self._lengths.get(offset) == length and self._is_unchanged()

    def note(self, offset: int, length: int) -> None:
        """Remember a block."""
        self._lengths[offset] = length


class Window:
    """A piece of a file that moves forward."""

    def __init__(self, descriptor: int, start: int = 0, proven: Proven | None = None) -> None:
        """Look at the file from offset *start* on."""
        self._descriptor = descriptor
        self._proven = proven
        self.start = start
        self.data = b""
        self.is_last = False

    def more(self) -> bool:
        """Lengthen the piece; tell whether there was more."""
        if self.is_last:
            return False
        wanted = max(CHUNK_BYTES, len(self.data))  # doubling: a long element costs linear time
        read = os.pread(self._descriptor, wanted, self.start + len(self.data))
        self.is_last = not read
        self.data += read
        return bool(read)

    def drop(self, length: int) -> None:
        """Move on by *length* bytes."""
        self.start += length
        self.data = self.data[length:]

    def items(self, reader: Reader, data: bytes) -> list[Item] | None:
        """Return the items in *data*, with which the window begins, if nothing is hidden there."""
        if self._proven is None:
            return reader.items(data)
        items = reader.items(data, is_proven=self._proven.has(self.start, len(data)))
        if items is not None:
            self._proven.note(self.start, len(data))
        return items

    def skip_space(self) -> bytes:
        """Move on to what is no white space; return that byte, empty at the end of the file."""
        while True:
            found = _SPACE.match(self.data)
            self.drop(found.end() if found else 0)
            if self.data or not self.more():
                return self.data[:1]

    def expect(self, wanted: bytes, problem: str) -> bytes:
        """Move past one byte, one of *wanted*, and return it; ``TextError`` otherwise."""
        found = self.skip_space()
        if not found or found not in wanted:
            raise TextError(self.start, problem if found else "the file ends too early")
        self.drop(1)
        return found


def blocks(window: Window, reader: Reader, index: int = 0) -> Iterator[Block]:
    """Yield the elements behind the ``[`` or ``{`` that *window* is behind; move past their end.

    With *index* the window is somewhere between the element before that one and that one.
    """
    closing, is_cut = reader.shape.closing, True
    first = window.skip_space()
    if first == closing or (index and first == b","):
        window.drop(1)
    following = closing if first == closing else b","
    while following == b",":
        if window.skip_space() == closing:
            raise TextError(window.start, "a value expected after the comma")
        cut = _cut(window, reader, index) if is_cut else None
        block, length = cut or _walked(window, reader, index)
        # in vain with nothing wrong is in vain for ever: what is inside the elements ends alike
        is_cut = cut is not None or block.is_slow
        yield block
        index += len(block.items)
        window.drop(length)
        following = window.expect(b"," + closing, f"a comma or {closing.decode()} expected")


def _cut(window: Window, reader: Reader, index: int) -> tuple[Block, int] | None:
    """Return a block up to one of the last ``},`` of the window, if a parse proves the cut."""
    if len(window.data) < CHUNK_BYTES:
        window.more()
    end = min(len(window.data), BLOCK_BYTES)
    for _ in range(_TRIES):
        end = window.data.rfind(b"}", 0, end)
        if end < 0:
            return None
        if not _CUT.match(window.data, end):
            continue
        data = window.data[: end + 1]
        items = window.items(reader, data)
        if items is not None:
            return Block(window.start, data, items, index, reader.shape), len(data)
    return None


def _nothing_hidden(data: bytes, held: Any) -> bool:
    """Tell whether as many names were read as there are: of a doubled name, one goes.

    Counted as they would be written again. An escaped quote or colon is written otherwise.
    """
    if _ESCAPED_SIGN.search(data) is None and _SPACED_NAME.search(data) is None:
        written = msgspec.json.encode(held, enc_hook=float)
        if data.count(b'":') == written.count(b'":'):
            return True
    found = names([held])
    if data.count(b'":') == found and _SPACED_NAME.search(data) is None:
        return True
    return sum(1 for _ in _NAME.finditer(data)) == found


def names(items: Any) -> int:
    """Count the names of all objects among *items*."""
    total = 0
    for item in items:
        if type(item) is dict:
            total += len(item) + names(item.values())
        elif type(item) is list:
            total += names(item)
    return total


def _walked(window: Window, reader: Reader, index: int) -> tuple[Block, int]:
    """Return a block of the window's elements, walked one by one: at least one, all that end."""
    found = _elements(window, 0, reader.shape, at_least_one=True)
    ends = [next(found), *takewhile(lambda span: span[1] <= BLOCK_BYTES, found)]
    data = window.data[: ends[-1][1]]
    items = window.items(reader, data)
    is_slow = items is None or len(items) != len(ends)
    if items is None or is_slow:
        items = [reader.one(data[at:end], window.start + at) for at, end in ends]
    return Block(window.start, data, items, index, reader.shape, is_slow), len(data)


def suspect(offset: int, raw: bytes) -> Suspect:
    """Return an element read the slow way; ``TextError`` where it is no JSON in UTF-8."""
    try:
        return slow.read(raw)
    except json.JSONDecodeError as error:
        at = len(error.doc[: error.pos].encode())
        raise TextError(offset + at, error.msg[:1].lower() + error.msg[1:]) from None
    except UnicodeDecodeError as error:
        raise TextError(offset + error.start, "UTF-8 expected") from None


def elements(data: bytes, shape: Shape, start: int = 0) -> list[tuple[int, int]]:
    """Return where each of the whole elements in *data*, from *start* on, begins and ends."""
    if shape is ARRAY:
        try:
            return list(_spans(data, start))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # one by one, then: what is wrong with one of them does not concern its end
    return list(_elements(_whole(data), start, shape, at_least_one=False))


def _spans(data: bytes, end: int) -> Iterator[tuple[int, int]]:
    """Yield the same of an array, by the lengths that a parser gives."""
    for raw in _RAWS(ARRAY.whole(data[end:])):
        between = _BETWEEN.match(data, end)
        start = between.end() if between else end
        end = start + len(memoryview(raw))
        yield start, end


def end_of_value(data: bytes, start: int) -> int:
    """Return where the value at *start* ends in *data*, which holds all of it."""
    end = _parsed_end(_whole(data), start)
    return len(data) if end is None else end


def _whole(data: bytes) -> Window:
    window = Window(-1)
    window.data, window.is_last = data, True
    return window


def _elements(
    window: Window, at: int, shape: Shape, *, at_least_one: bool
) -> Iterator[tuple[int, int]]:
    """Yield the elements that end within the window; the first one makes it grow if need be."""
    while True:
        end = _end(window, at, shape, grow=at_least_one and at == 0)
        if end is None:
            return
        yield at, end
        space = _SPACE.match(window.data, end)
        at = space.end() if space else end
        if window.data[at : at + 1] != b",":
            return
        space = _SPACE.match(window.data, at + 1)
        at = space.end() if space else at + 1


def _end(window: Window, at: int, shape: Shape, *, grow: bool) -> int | None:
    """Return where the element at *at* ends, ``None`` where the window ends before it does."""
    while True:
        start = _behind_name(window, at) if shape.is_named else at
        end = None if start is None else _end_here(window, start)
        if end is not None or not grow:
            return end
        if len(window.data) > LARGEST_ELEMENT_BYTES:
            raise TextError(window.start, f"a record of less than {LARGEST_ELEMENT_BYTES:,} bytes")
        if not window.more():
            _refuse_end(window)


def _behind_name(window: Window, at: int) -> int | None:
    """Return where the value behind the name at *at* begins; ``None`` where the window ends."""
    name, start = parted(window.data, at)
    if name:
        return start if start < len(window.data) else None
    if window.data[at : at + 1] not in (b'"', b""):
        raise TextError(window.start + at, "a name in double quotes expected")
    text = _TEXT.match(window.data, at)
    if text is not None and text.end() < len(window.data):
        raise TextError(window.start + text.end(), "a colon expected")
    return None


def _end_here(window: Window, at: int) -> int | None:
    end = _parsed_end(window, at)
    # what reaches to the end of the piece may go on behind it
    return None if end == len(window.data) and not window.is_last else end


def _parsed_end(window: Window, at: int) -> int | None:
    rest = memoryview(window.data)[at:]
    try:
        msgspec.json.decode(rest, type=msgspec.Raw)
    except RecursionError:
        return slow.end_of(window.data, at)
    except msgspec.DecodeError as error:
        return _said(window, at, str(error))
    return len(window.data)


def _said(window: Window, at: int, message: str) -> int | None:
    """Return what a parser's message about the element at *at* means for its end."""
    found = _BYTE.search(message)
    place = at + int(found[1]) - 1 if found else at
    if "trailing" in message:
        return len(window.data[at:place].rstrip(b" \t\r\n")) + at
    if "truncated" in message and not _SURROGATE.search(window.data, at):
        return None
    if place + _LONGEST_CONSTANT > len(window.data) and not window.is_last:
        return None
    near = window.data[max(at, place - 1) : place + _LONGEST_CONSTANT]
    if found is None or "surrogate" in message or "escape" in message or _is_constant(near):
        return slow.end_of(window.data, at)
    return _refuse(window, at, place, message)


def _is_constant(near: bytes) -> bool:
    return b"NaN" in near or b"Infinity" in near


def _refuse(window: Window, at: int, place: int, message: str) -> NoReturn:
    """Say where and why, as exactly as can be: the slow reader knows better."""
    suspect(window.start + at, window.data[at:])
    problem = message.removeprefix("JSON is malformed: ").partition(" (byte")[0]
    raise TextError(window.start + place, problem)


def _refuse_end(window: Window) -> NoReturn:
    raise TextError(window.start + len(window.data), "the file ends in the middle of a record")
