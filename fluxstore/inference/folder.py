"""From a folder of JSON files to a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from fluxstore.inference.assembling import assemble
from fluxstore.inference.drafts import Draft, drafts_of
from fluxstore.inference.observing import Shape
from fluxstore.inference.plan import Plan
from fluxstore.inference.reading import Array, UnreadableFile, pieces


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
    arrays: dict[tuple[str, ...], Shape] = attrs.field(factory=dict)
    objects: Shape = attrs.field(factory=Shape)
    """The objects beside the arrays, taken as records: a file may be one object keyed by id."""
    beside: int = 0
    """Values beside the arrays that are no objects."""
    with_bom: bool = False
    is_keyed: bool = False
    """Whether the objects beside the arrays are records under their ids."""


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
        found, reason = drafts_of(seen.file, seen.arrays)
        drafts += found
        if reason or not found:
            skipped.append((path.name, reason or _why_nothing(seen)))
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
    for piece in pieces(path, counter.passed):
        if isinstance(piece, Array):
            seen.arrays.setdefault(piece.place, Shape())
        elif piece.item:
            seen.arrays[piece.place].see(piece.value)
            counter.records += 1
        elif isinstance(piece.value, dict):
            seen.objects.see(piece.value)
            _see_inside(seen, piece.name, piece.value)
        else:
            seen.beside += 1
    counter.end(path)
    if seen.is_keyed:
        seen.arrays = {place: shape for place, shape in seen.arrays.items() if len(place) == 1}
    return seen


def _see_inside(seen: Seen, name: str, value: dict[str, Any]) -> None:
    """See the arrays one level further in: ``{"data": {"users": [...]}}``."""
    for inner, items in value.items():
        if isinstance(items, list) and any(isinstance(item, dict) for item in items):
            if any(place[1:] == (inner,) for place in seen.arrays):
                seen.is_keyed = True  # the same array in several objects: they are records
                continue
            shape = seen.arrays.setdefault((name, inner), Shape())
            for item in items:
                shape.see(item)


def _why_nothing(seen: Seen) -> str:
    if seen.objects.count > 1 and not seen.beside and not seen.arrays:
        return (
            "it is one object, keyed by id; write it as an array of objects that hold their id "
            "to have it covered"
        )
    return "it holds no array of records"
