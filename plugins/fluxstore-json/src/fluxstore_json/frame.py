"""A whole file, walked once: what holds records in it, and what stands beside that."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import msgspec

from fluxstore_json import slow
from fluxstore_json.blocks import Block, Proven, Reader, TextError, Window, blocks
from fluxstore_json.shapes import SHAPES, Shape

Path: TypeAlias = tuple[str, ...]
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_MAX_KEPT_BYTES = 64 * 1024 * 1024


@attrs.frozen
class Start:
    """An array of records, or an object, begins: ``offset`` is that of the byte after ``[``."""

    path: Path
    offset: int


@attrs.frozen
class Some:
    """A block of the array at ``path``."""

    path: Path
    block: Block


@attrs.frozen
class End:
    """An array of records ends: ``offset`` is that of its ``]``."""

    path: Path
    offset: int


@attrs.frozen
class Beside:
    """A value beside the arrays, as its text."""

    path: Path
    raw: bytes


Event: TypeAlias = Start | Some | End | Beside


@attrs.frozen
class Position:
    """Where a walk goes on: behind element ``index`` of the array at ``path``."""

    path: Path
    offset: int
    index: int


class Walk:
    """One walk over one file; ``TextError`` for what is no JSON, or not of the expected shape."""

    def __init__(
        self,
        descriptor: int,
        readers: Mapping[Path, Reader],
        wanted: Collection[Path] | None,
        proven: Proven,
    ) -> None:
        """Find the arrays that *readers* has paths of; those *wanted* (all) must be there."""
        self._descriptor, self._readers, self._proven = descriptor, readers, proven
        self._wanted = tuple(readers) if wanted is None else tuple(wanted)
        self._window = Window(descriptor, proven=proven)

    def events(self, position: Position | None = None) -> Iterator[Event]:
        """Yield what is found, from the start or from *position*, to the end of the file."""
        if position is None:
            self._begin()
            yield from self._value(())
        else:
            self._window = Window(self._descriptor, position.offset, self._proven)
            yield from self._array(position.path, position.index)
            yield from self._rest(position.path)
        if self._window.skip_space():
            raise TextError(self._window.start, "the end of the file expected")

    def _begin(self) -> None:
        self._window.more()
        head = self._window.data[:4]
        if head.startswith(_WIDE):
            raise TextError(0, "UTF-8 expected, UTF-16 or UTF-32 found")
        if head.startswith(_BOM):
            self._window.drop(len(_BOM))
        if not self._window.skip_space():
            raise TextError(0, "JSON expected, nothing found: an empty file is not an empty list")

    def _value(self, path: Path) -> Iterator[Event]:
        if path in self._wanted or self._is_another(path):
            shape = self._readers[path].shape
            problem = f"{shape.words} of records expected{_at(path)}"
            self._window.expect(shape.opening, f"{problem}{self._hint(shape)}")
            yield Start(path, self._window.start)
            yield from self._array(path, 0)
        elif any(path == wanted[: len(path)] for wanted in self._wanted):
            inside = ", ".join(".".join(wanted) for wanted in self._wanted)
            self._window.expect(b"{", f"an object that holds {inside} expected{_at(path)}")
            yield from self._members(path, set())
        else:
            yield Beside(path, self._raw())

    def _is_another(self, path: Path) -> bool:
        """Tell whether others' records are there: in blocks, and a bad one is not the file's."""
        reader = self._readers.get(path)
        return reader is not None and self._window.skip_space() == reader.shape.opening

    def _hint(self, shape: Shape) -> str:
        """Return what to write where the records are held in another way."""
        found = self._window.skip_space()
        other = next((name for name, one in SHAPES.items() if one.opening == found), None)
        is_other = other is not None and SHAPES[other] is not shape
        return f', or shape = "{other}" for this entity' if is_other else ""

    def _array(self, path: Path, index: int) -> Iterator[Event]:
        for block in blocks(self._window, self._readers[path], index):
            yield Some(path, block)
        yield End(path, self._window.start - 1)

    def _members(self, path: Path, seen: set[str]) -> Iterator[Event]:
        if self._window.skip_space() == b"}":
            self._window.drop(1)
        else:
            following = b","
            while following == b",":
                name = self._name(path, seen)
                self._window.expect(b":", "a colon expected")
                yield from self._value((*path, name))
                following = self._window.expect(b",}", "a comma or } expected")
        self._require(path, seen)

    def _require(self, path: Path, seen: set[str]) -> None:
        for wanted in self._wanted:
            inside = len(wanted) > len(path) and wanted[: len(path)] == path
            if inside and wanted[len(path)] not in seen:
                found = ", ".join(sorted(seen)[:8]) or "nothing"
                raise TextError(
                    self._window.start - 1, f"{'.'.join(wanted)} expected, {found} found"
                )

    def _rest(self, path: Path) -> Iterator[Event]:
        """Walk on behind a value at *path*, out to the end."""
        for depth in range(len(path), 0, -1):
            around, seen = path[: depth - 1], {path[depth - 1]}
            while self._window.expect(b",}", "a comma or } expected") == b",":
                name = self._name(around, seen)
                self._window.expect(b":", "a colon expected")
                yield from self._value((*around, name))

    def _name(self, path: Path, seen: set[str]) -> str:
        if self._window.skip_space() != b'"':
            raise TextError(self._window.start, "a name in double quotes expected")
        start = self._window.start
        name = _plain(start, self._raw())
        if name in seen:
            raise TextError(start, f"{name!r} found twice{_at(path)}")
        seen.add(name)
        return str(name)

    def _raw(self) -> bytes:
        """Move past one value that is no record, and return its text."""
        self._window.skip_space()
        while True:
            end = self._end()
            if end is not None and (end < len(self._window.data) or self._window.is_last):
                raw = self._window.data[:end]
                _plain(self._window.start, raw)
                self._window.drop(end)
                return raw
            if len(self._window.data) > _MAX_KEPT_BYTES:
                raise TextError(
                    self._window.start, f"a value of less than {_MAX_KEPT_BYTES:,} bytes expected"
                )
            if not self._window.more() and end is None:
                raise TextError(
                    self._window.start + len(self._window.data), "the file ends too early"
                )

    def _end(self) -> int | None:
        try:
            return slow.end_of(self._window.data, 0)
        except UnicodeDecodeError as error:
            raise TextError(self._window.start + error.start, "UTF-8 expected") from None


def _plain(offset: int, raw: bytes) -> Any:
    """Return the value of *raw*; ``TextError`` for what a file may not have beside its records."""
    try:
        found = slow.read(raw)
        msgspec.json.decode(raw)
    except json.JSONDecodeError as error:
        at = len(error.doc[: error.pos].encode())
        raise TextError(offset + at, error.msg[:1].lower() + error.msg[1:]) from None
    except UnicodeDecodeError as error:
        raise TextError(offset + error.start, "UTF-8 expected") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise TextError(offset, f"a value that JSON can hold expected ({error})") from None
    refusal = found.refusal or slow.doubled_name([found.value])
    if refusal is not None:
        raise TextError(offset, refusal.expected)
    return found.value


def _at(path: Path) -> str:
    return f" at {'.'.join(path)}" if path else " at the top of the file"
