"""From a folder of JSON files to a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import attrs

from fluxstore.inference.assembling import assemble
from fluxstore.inference.drafts import Draft, drafts_of
from fluxstore.inference.observing import Shape
from fluxstore.inference.plan import Plan
from fluxstore.inference.reading import Array, UnreadableFile, pieces

TELL_EVERY = 1000
Told: TypeAlias = Callable[[str, int], None]


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


def tell_nobody(_file: str, _records: int) -> None:
    """Say nothing about how far the reading is."""


def infer_folder(folder: Path, *, tell: Told = tell_nobody) -> Plan:
    """Return what the JSON files of *folder* hold; every file is read once, record by record.

    Files that are no JSON are ``refused`` in the plan, and the rest goes on.
    """
    drafts: list[Draft] = []
    skipped: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    warnings: list[str] = []
    for path in json_files(folder):
        try:
            seen = see_file(path, tell)
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


def see_file(path: Path, tell: Told) -> Seen:
    """Return what a file holds; ``UnreadableFile`` or ``OSError`` where it cannot be read."""
    with path.open("rb") as stream:
        seen = Seen(path.name, with_bom=stream.read(3) == b"\xef\xbb\xbf")
    records = 0
    for piece in pieces(path):
        if isinstance(piece, Array):
            seen.arrays.setdefault(piece.place, Shape())
        elif piece.item:
            seen.arrays[piece.place].see(piece.value)
            records += 1
            if records % TELL_EVERY == 0:
                tell(path.name, records)
        elif isinstance(piece.value, dict):
            seen.objects.see(piece.value)
        else:
            seen.beside += 1
    tell(path.name, records)
    return seen


def _why_nothing(seen: Seen) -> str:
    if seen.objects.count > 1 and not seen.beside and not seen.arrays:
        return (
            "it is one object, keyed by id; write it as an array of objects that hold their id "
            "to have it covered"
        )
    return "it holds no array of records"
