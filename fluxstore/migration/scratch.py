"""What does not fit in memory: entries and lines in nameless files, gone with the process.

Memory stays flat at any number of records. A ``Table`` scatters fixed-width entries over 256
buckets by their first byte (grace hash), so that two tables are joined one bucket at a time. The
files have no name (``tempfile.TemporaryFile``): even a killed process leaves nothing behind.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

from fluxstore.errors import PlanError

DIGEST_BYTES = 16
BUCKETS = 256
_BLOCK_BYTES = 4096
_LOADED_BYTES = 8 * 1024 * 1024
_FILTER_BITS = 1 << 20
_SPOOLED_BYTES = 256 * 1024


class Scratch:
    """Where nameless files are made, and a context that closes them all."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use *folder*, which must be there, or the system's own."""
        self.folder = folder or Path(tempfile.gettempdir())
        self._open = ExitStack()

    def __enter__(self) -> Scratch:
        """Return the scratch itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every file; what was written is gone."""
        self._open.close()

    def require(self, wanted_bytes: int) -> None:
        """Raise ``PlanError`` where the folder's disk has no room for *wanted_bytes*."""
        free = shutil.disk_usage(self.folder).free
        if free < wanted_bytes:
            raise PlanError(
                f"{self.folder} has {free >> 20:,} MiB free, {wanted_bytes >> 20:,} MiB are needed",
                next_step="make room, or set TMPDIR to a folder on a larger disk",
            )

    def file(self) -> IO[bytes]:
        """Return a new nameless file."""
        return self._open.enter_context(tempfile.TemporaryFile(dir=self.folder, buffering=0))

    def spool(self) -> IO[bytes]:
        """Return a new file that memory keeps while it is small."""
        made = tempfile.SpooledTemporaryFile(_SPOOLED_BYTES, dir=str(self.folder))  # noqa: SIM115
        return cast("IO[bytes]", self._open.enter_context(made))

    def table(self, width_bytes: int) -> Table:
        """Return an empty table of entries of *width_bytes*."""
        return Table(self, width_bytes)

    def lines(self) -> Lines:
        """Return an empty file of lines."""
        return Lines(self)


class Table:
    """Entries of one width, each beginning with a digest; read back a sorted bucket at a time."""

    def __init__(self, scratch: Scratch, width_bytes: int) -> None:
        """Begin empty; a file is made when memory has held enough."""
        self.width_bytes = width_bytes
        self.scratch = scratch
        self._buckets = [bytearray() for _ in range(BUCKETS)]
        self._blocks = _no_blocks()
        self._file: IO[bytes] | None = None
        self._file_bytes = 0
        self._count = 0

    def __len__(self) -> int:
        """Count the entries."""
        return self._count

    def add(self, entry: bytes) -> None:
        """Add one entry."""
        self._count += 1
        number = entry[0]
        bucket = self._buckets[number]
        bucket += entry
        if len(bucket) >= _BLOCK_BYTES:
            self._flush(number)

    def update(self, entries: Iterable[bytes]) -> None:
        """Add entries."""
        for entry in entries:
            self.add(entry)

    def rest(self) -> None:
        """Let go of what memory holds: nothing more is to come for a while."""
        if sum(map(len, self._buckets)) > _BLOCK_BYTES:
            for number, bucket in enumerate(self._buckets):
                if bucket:
                    self._flush(number)

    def _flush(self, number: int) -> None:
        if self._file is None:
            self._file = self.scratch.file()
        bucket = self._buckets[number]
        _write(self._file, bucket)
        self._blocks[number].extend((self._file_bytes, len(bucket)))
        self._file_bytes += len(bucket)
        self._buckets[number] = bytearray()

    def bucket_bytes(self, number: int) -> int:
        """Return the size of one bucket."""
        return sum(self._blocks[number][1::2]) + len(self._buckets[number])

    def load(self, number: int, part: int = 0, parts: int = 1) -> list[bytes]:
        """Return the sorted entries of one bucket, or of one of its *parts* by the second byte."""
        width = self.width_bytes
        found: list[bytes] = []
        for data in self._data(number):
            entries = [data[at : at + width] for at in range(0, len(data), width)]
            if parts > 1:
                entries = [entry for entry in entries if entry[1] * parts >> 8 == part]
            found += entries
        found.sort()
        return found

    def _data(self, number: int) -> Iterator[bytes]:
        if self._file is not None:
            blocks = self._blocks[number]
            for offset, size in zip(blocks[::2], blocks[1::2], strict=True):
                yield os.pread(self._file.fileno(), size, offset)
        yield bytes(self._buckets[number])

    def sorted(self) -> Iterator[list[bytes]]:
        """Yield all entries in order, in lists that fit in memory."""
        for (entries,) in aligned(self):
            yield entries

    def close(self) -> None:
        """Let go of everything."""
        self._buckets = [bytearray() for _ in range(BUCKETS)]
        self._blocks = _no_blocks()
        self._count = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def aligned(*tables: Table, driver: Table | None = None) -> Iterator[tuple[list[bytes], ...]]:
    """Yield the entries of *tables* side by side, in order: equal digests come together.

    With *driver*, one of them, buckets in which it has nothing are left out.
    """
    drivers = [table for table in ([driver] if driver is not None else tables) if len(table)]
    for number in range(BUCKETS) if drivers else ():
        if not any(table.bucket_bytes(number) for table in drivers):
            continue
        sizes = [table.bucket_bytes(number) for table in tables]
        parts = 1
        while max(sizes) > _LOADED_BYTES * parts and parts < BUCKETS:
            parts *= 2
        for part in range(parts):
            yield tuple(table.load(number, part, parts) for table in tables)


class Index:
    """The entries of a table, sorted and found by digest; a large one is mapped from its file."""

    def __init__(self, table: Table) -> None:
        """Copy *table*."""
        self._width = table.width_bytes
        self._count = len(table)
        self._filter = bytearray(_FILTER_BITS >> 3 if self._count else 0)
        self._map: bytes | mmap.mmap = self._sorted(table) if self._count else b""

    def _sorted(self, table: Table) -> bytes | mmap.mmap:
        with table.scratch.spool() as file:
            for entries in table.sorted():
                file.write(b"".join(entries))
                self._note(entries)
            file.seek(0)
            if self._count * self._width <= _SPOOLED_BYTES:
                return file.read()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _note(self, entries: list[bytes]) -> None:
        for entry in entries:
            bit = int.from_bytes(entry[:3], "big") >> 4
            self._filter[bit >> 3] |= 1 << (bit & 7)

    def __len__(self) -> int:
        """Count the entries."""
        return self._count

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether an entry begins with *digest*."""
        return bool(self._count) and bool(self.find(digest))

    def find(self, digest: bytes) -> list[bytes]:
        """Return the entries that begin with *digest*, each once."""
        bit = int.from_bytes(digest[:3], "big") >> 4
        if not self._count or not self._filter[bit >> 3] >> (bit & 7) & 1:
            return []
        at = bisect_left(range(self._count), digest, key=self._digest)
        found: dict[bytes, None] = {}
        while at < self._count and self._digest(at) == digest:
            found[bytes(self._map[at * self._width : (at + 1) * self._width])] = None
            at += 1
        return list(found)

    def _digest(self, at: int) -> bytes:
        start = at * self._width
        return self._map[start : start + DIGEST_BYTES]


class Lines:
    """JSON values, one a line, in the order they came."""

    def __init__(self, scratch: Scratch) -> None:
        """Begin empty."""
        self._file = scratch.spool()
        self._count = 0

    def __len__(self) -> int:
        """Count the lines."""
        return self._count

    def add(self, value: Any) -> None:
        """Add a JSON value."""
        self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        self._count += 1

    def __iter__(self) -> Iterator[Any]:
        """Yield the values; adding while reading is not for this class."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Let go of everything."""
        self._file.close()


def _no_blocks() -> list[array[int]]:
    """Return for each bucket its blocks: offset and size by turns, which takes 16 bytes a block."""
    return [array("Q") for _ in range(BUCKETS)]


def _write(file: IO[bytes], data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
