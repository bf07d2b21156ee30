"""From a folder of JSON files to a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import attrs

from fluxstore.inference.assembling import assemble
from fluxstore.inference.drafts import Draft, drafts_of
from fluxstore.inference.look import Look
from fluxstore.inference.observing import Shape
from fluxstore.inference.plan import Plan
from fluxstore.inference.reading import Piece, UnreadableFile, pieces


@attrs.frozen
class Reading:
    """How far the reading of a folder is."""

    file: str
    records: int
    """Of all files so far."""
    fraction: float


Tell: TypeAlias = Callable[[Reading], None]


@attrs.define
class Seen:
    """What has been seen of one file."""

    file: str
    held: dict[tuple[str, ...], Shape] = attrs.field(factory=dict)
    """What may be records, in arrays and in objects, by its place."""
    with_bom: bool = False


def tell_nobody(_: Reading) -> None:
    """Say nothing about how far the reading is."""


def infer_folder(folder: Path, *, tell: Tell = tell_nobody) -> Plan:
    """Return what the JSON files of *folder* hold; every file is read once, record by record.

    Files that are no JSON are ``refused`` in the plan, and the rest goes on.
    """
    drafts: list[Draft] = []
    skipped: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    warnings: list[str] = []
    counter = _Counter(tell, sum(path.stat().st_size for path in json_files(folder)))
    for path in json_files(folder):
        try:
            seen = see_file(path, counter)
        except (UnreadableFile, OSError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            refused.append((path.name, words or str(error)))
            continue
        found, reason = drafts_of(seen.file, seen.held)
        drafts += found
        if reason or not found:
            skipped.append((path.name, reason or "it holds no records"))
        if seen.with_bom:
            warnings.append(f"{path.name} starts with a BOM; it is read, and written without")
    return attrs.evolve(
        assemble(drafts), skipped=tuple(skipped), refused=tuple(refused), warnings=tuple(warnings)
    )


def json_files(folder: Path) -> Iterator[Path]:
    """Yield the JSON files of *folder*, by name; editors' copies and hidden files are not data."""
    for path in sorted(folder.iterdir(), key=lambda one: one.name):
        if path.suffix == ".json" and not path.name.startswith(".") and path.is_file():
            yield path


@attrs.define
class _Counter:
    """Adds up files and records, and tells how much of all bytes has been read."""

    tell: Tell
    total: int
    records: int = 0
    before: int = 0
    file: str = ""

    def begin(self, path: Path) -> None:
        self.file = path.name

    def passed(self, position: int) -> None:
        fraction = (self.before + position) / max(self.total, 1)
        self.tell(Reading(self.file, self.records, min(fraction, 1.0)))

    def end(self, path: Path) -> None:
        self.before += path.stat().st_size


def see_file(path: Path, counter: _Counter) -> Seen:
    """Return what a file holds; ``UnreadableFile`` or ``OSError`` where it cannot be read."""
    with path.open("rb") as stream:
        seen = Seen(path.name, with_bom=stream.read(3) == b"\xef\xbb\xbf")
    counter.begin(path)
    looked = Look()
    for piece in pieces(path, counter.passed):
        counter.records += isinstance(piece, Piece)
        looked.at(piece)
    counter.end(path)
    seen.held = looked.records()
    return seen
