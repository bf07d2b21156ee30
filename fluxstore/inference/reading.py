"""Reads a JSON file piece by piece: one record in memory, not one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import attrs

BLOCK_CHARACTERS = 1 << 20
MOST_CHARACTERS = 64 << 20
"""The most that one piece (a record, or one value beside the records) may have."""
MAX_DIGITS = 4300
NEAR_THE_END = 1024
LONGEST_RECORD = 1 << 20
"""An object of more characters is no record, but may hold some."""
DEEPEST_HOLDER = 2
"""How far in arrays and objects of records may be: ``{"data": {"users": {"u-1": {...}}}}``."""
Passed: TypeAlias = Callable[[int], None]
Event: TypeAlias = "Piece | Array | Object"
_SPACE = " \t\n\r"


class UnreadableFile(ValueError):  # noqa: N818 - a fact about a file, told as a line
    """The file is not JSON as it should be; the message says where and what."""


@attrs.frozen
class Piece:
    """One value of a file: an item of an array, or a value beside the arrays.

    ``place`` is the way to the array (``()`` for the file itself, ``("users",)`` for a wrapper's,
    ``("data", "users")`` for that of a wrapper inside another);
    ``name`` is the name of a value that is no array's item, and ``item`` is false then: one at the
    top of the file, or inside an ``Object``, whose place it has.
    """

    place: tuple[str, ...]
    value: Any
    item: bool = True
    name: str = ""


@attrs.frozen
class Array:
    """An array begins; it may turn out to be empty."""

    place: tuple[str, ...]


@attrs.frozen
class Object:
    """An object begins that is too long for a record: what is in it comes piece by piece."""

    place: tuple[str, ...]


def passed_nothing(_bytes: int) -> None:
    """Take note of nothing."""


def pieces(path: Path, passed: Passed = passed_nothing) -> Iterator[Event]:
    """Yield the pieces of a file; ``UnreadableFile`` where it is no JSON, or ``OSError``.

    *passed* is told now and then how many bytes of the file have been read.
    """
    with path.open(encoding="utf-8-sig", newline="") as stream:
        try:
            yield from _Reader(stream, passed).file()
        except UnicodeDecodeError:
            raise UnreadableFile("it is not UTF-8") from None
        except RecursionError:
            raise UnreadableFile("it is nested too deeply") from None


def _integer(digits: str) -> int:
    # int() refuses more digits; all that counts here is that the number is far too large.
    return int(digits) if len(digits) <= MAX_DIGITS else 10**MAX_DIGITS


_decoder = json.JSONDecoder(parse_int=_integer)


class _Reader:
    def __init__(self, stream: TextIO, passed: Passed) -> None:
        self._stream = stream
        self._passed = passed
        self._text = ""
        self._at = 0
        self._lines = 0
        self._ended = False

    def file(self) -> Iterator[Event]:
        first = self._peek()
        if first == "":
            raise UnreadableFile("it is empty")
        if first == "[":
            yield from self._array(())
        elif first == "{":
            yield from self._object(())
        else:
            raise UnreadableFile("an array or an object expected")
        if self._peek():
            raise self._unreadable("nothing more expected")

    def _array(self, place: tuple[str, ...]) -> Iterator[Event]:
        yield Array(place)
        self._take("[")
        while self._peek() != "]":
            yield Piece(place, self._value())
            if self._peek() != "]":
                self._take(",")
                if self._peek() == "]":
                    raise self._unreadable("no comma before ] expected")
        self._take("]")

    def _object(self, place: tuple[str, ...]) -> Iterator[Event]:
        self._take("{")
        while self._peek() != "}":
            if self._peek() != '"':
                raise self._unreadable("a name in double quotes expected")
            name = self._value()
            self._take(":")
            yield from self._named(place, name)
            if self._peek() != "}":
                self._take(",")
                if self._peek() == "}":
                    raise self._unreadable("no comma before } expected")
        self._take("}")

    def _named(self, place: tuple[str, ...], name: str) -> Iterator[Event]:
        """Yield the value of a name: near the top, arrays and long objects come in pieces."""
        first, inside = self._peek(), (*place, name)
        may_hold = len(inside) <= DEEPEST_HOLDER
        if first == "[" and may_hold:
            yield from self._array(inside)
        elif first == "{" and may_hold and self._is_long():
            yield Object(inside)
            yield from self._object(inside)
        else:
            yield Piece(place, self._value(), item=False, name=name)

    def _is_long(self) -> bool:
        """Tell whether the value that begins here is longer than any record."""
        while True:
            try:
                _, end = _decoder.raw_decode(self._text, self._at)
            except JSONDecodeError:
                if len(self._text) - self._at > LONGEST_RECORD or not self._more():
                    return len(self._text) - self._at > LONGEST_RECORD
                continue
            return end - self._at > LONGEST_RECORD

    def _take(self, character: str) -> None:
        if self._peek() != character:
            raise self._unreadable(f"{character} expected")
        self._at += 1

    def _peek(self) -> str:
        """Return the next character that is no space, or nothing at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except JSONDecodeError as error:
                if self._is_cut(error) and self._more():
                    continue
                raise self._unreadable(error.msg, error.pos) from None
            if end == len(self._text) and self._more():
                continue  # a number may go on in the next block
            self._at = end
            return value

    def _is_cut(self, error: JSONDecodeError) -> bool:
        near = error.pos > len(self._text) - NEAR_THE_END
        return near or error.msg.startswith("Unterminated string")

    def _more(self) -> bool:
        if self._ended:
            return False
        self._lines += self._text.count("\n", 0, self._at)
        rest = self._text[self._at :]
        if len(rest) > MOST_CHARACTERS:
            raise self._unreadable("a record of at most 64 MiB expected")
        block = self._stream.read(max(BLOCK_CHARACTERS, len(rest)))
        self._text, self._at = rest + block, 0
        self._ended = not block
        self._passed(self._stream.buffer.tell())
        return bool(block)

    def _unreadable(self, problem: str, position: int | None = None) -> UnreadableFile:
        at = self._at if position is None else position
        line = self._lines + self._text.count("\n", 0, at) + 1
        return UnreadableFile(f"line {line:,}: {problem}")
