"""A file of records, open at one state of it: identity, walks, what is wrong with its text."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from functools import partial

import attrs
import xxhash

from fluxstore.errors import UnreadableRecordError
from fluxstore_json.blocks import Proven, Reader, TextError
from fluxstore_json.frame import Event, Path, Position, Walk

ABSENT = "absent"
"""The identity of a file that is not there."""
_PIECE_BYTES = 1024 * 1024
_SHOWN_COLUMN_BYTES = 64 * 1024


def identity_of(status: os.stat_result) -> str:
    """Return what tells a file from another version of it."""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def _is_still(descriptor: int, identity: str) -> bool:
    return identity_of(os.fstat(descriptor)) == identity


class OpenFile:
    """One version of a file; what replaces the file does not change what is read here."""

    def __init__(self, descriptor: int, shown: str) -> None:
        """Take over *descriptor*; *shown* names the file in messages."""
        self.descriptor, self.shown = descriptor, shown
        status = os.fstat(descriptor)
        self.identity = identity_of(status)
        self.inode, self.size = status.st_ino, status.st_size
        # a method of its own would hold this object, and the file with it, until a collection
        self.is_unchanged = partial(_is_still, descriptor, self.identity)
        """Tells whether nobody has written into this version since it was opened."""
        self.proven = Proven(self.is_unchanged)

    def __del__(self) -> None:
        os.close(self.descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Return some bytes; ``UnreadableRecordError`` where the file was cut meanwhile."""
        data = os.pread(self.descriptor, length, offset)
        if len(data) != length:
            raise self._changed()
        return data

    def digest(self) -> str:
        """Return a digest of everything in it."""
        made = xxhash.xxh3_128()
        for piece in self.pieces(0, self.size):
            made.update(piece)
        return made.hexdigest()

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from *start* to *end*, some at a time."""
        while start < end:
            piece = self.read(start, min(_PIECE_BYTES, end - start))
            yield piece
            start += len(piece)

    def walk(
        self,
        readers: Mapping[Path, Reader],
        *,
        wanted: Collection[Path] | None = None,
        position: Position | None = None,
    ) -> Iterator[Event]:
        """Yield what is in the file; ``UnreadableRecordError`` where it is not of that shape.

        Of what *readers* are for, only *wanted* (all, if not given) must be there.
        """
        try:
            yield from Walk(self.descriptor, readers, wanted, self.proven).events(position)
        except TextError as error:
            raise self.refused(error) from None
        except OSError as error:
            raise UnreadableRecordError(
                f"cannot be read ({error.strerror})", file=self.shown, next_step="look at the disk"
            ) from error

    def refused(self, error: TextError) -> UnreadableRecordError:
        """Return the refusal of the whole file, with line and column."""
        if not self.is_unchanged():
            return self._changed()
        where = self._where(min(error.offset, self.size))
        return UnreadableRecordError(
            f"is no JSON that can be trusted: {error.problem} ({where})",
            file=self.shown,
            next_step="mend the file, or put it back from a backup; it was not touched",
        )

    def _where(self, offset: int) -> str:
        line, line_start = 1, 0
        at = 0
        for piece in self.pieces(0, offset):
            line += piece.count(b"\n")
            last = piece.rfind(b"\n")
            line_start = at + last + 1 if last >= 0 else line_start
            at += len(piece)
        shown = min(offset - line_start, _SHOWN_COLUMN_BYTES)
        column = len(self.read(offset - shown, shown).decode("utf-8", "replace"))
        return f"line {line}, column {offset - line_start - shown + column + 1}"

    def _changed(self) -> UnreadableRecordError:
        return UnreadableRecordError(
            "was written to by another program while it was read",
            file=self.shown,
            next_step="let that program finish, then try again",
        )


@attrs.frozen
class Absent:
    """A file that is not there, and may be."""

    shown: str
    identity: str = ABSENT
    inode: int = 0
    size: int = 0
