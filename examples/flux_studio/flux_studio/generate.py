"""Generates a folder of Flux Studio's JSON files: seeded, streamed, of any size.

``python -m flux_studio.generate DIR --records 200000 --seed 7`` writes it; the same seed and size
give the same bytes. ``shares.py`` says how often each awkward part occurs. All of it is well
formed and migrates with nothing left behind, unless ``--faults`` plants bad records as well.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from attrs import asdict, frozen

from flux_studio.folder import Folder
from flux_studio.plan import Plan
from flux_studio.planting import Planted, Planter

FILES = ("users", "projects", "teams", "channels", "messages", "files", "activities")


@frozen
class Generated:
    """What a folder holds: well-formed records of each kind, and what was planted besides."""

    counts: dict[str, int]
    planted: tuple[Planted, ...]


def generate(
    directory: Path, *, records: int, seed: int, faults: float = 0.0, compact: bool = False
) -> Generated:
    """Write *records* well-formed records, all entities together, into *directory*.

    *faults* plants bad and odd records besides: that share of *records*, and at least one of
    each case of ``faults.CASES``. *compact* leaves out line breaks and indentation.
    """
    plan = Plan(records, seed)
    planter = Planter(plan, faults)
    directory.mkdir(parents=True, exist_ok=True)
    Folder(plan, planter, compact=compact).write(directory)
    return Generated(dict(plan.counts), tuple(planter.planted))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flux_studio.generate", description="Generate Flux Studio's JSON files."
    )
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--records", type=_count, default=1000, help="all entities together")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--faults", type=_share, default=0.0, help="share of bad records, besides")
    parser.add_argument("--planted", type=Path, help="where to list the bad records, one a line")
    parser.add_argument("--compact", action="store_true", help="no line breaks in the files")
    asked = parser.parse_args(arguments)
    there = [name for name in FILES if (asked.directory / f"{name}.json").exists()]
    if there:
        parser.error(f"{asked.directory} already holds {there[0]}.json; name an empty folder")
    return asked


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("expected 0 or more")
    return count


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError("expected a share from 0 to 1")
    return share


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate a folder as the command line says; 0 when it is written."""
    asked = _arguments(arguments)
    made = generate(
        asked.directory,
        records=asked.records,
        seed=asked.seed,
        faults=asked.faults,
        compact=asked.compact,
    )
    if asked.planted:
        lines = [msgspec.json.encode(asdict(planted)) + b"\n" for planted in made.planted]
        asked.planted.write_bytes(b"".join(lines))
    listed = ", ".join(f"{count:,} {kind}" for kind, count in made.counts.items() if count)
    print(f"{asked.directory}: {listed or 'no records'}; {len(made.planted):,} planted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
