"""Validation while writers are at work, and differences planted: is each found, and nothing else?

The tests play a short form. The full one (ten runs, 200 writes a second, 1,000 differences of seven
kinds) is::

    python tests/support/under_load.py [json-postgres | sqlite-json | …]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs
from governed import EPOCH, Pair, parents_first
from live_ends import real_pair
from moving import ENTITIES, Note

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.migration.backfill import backfill
from fluxstore.migration.carrying import carry
from fluxstore.migration.confirm import validate_live
from fluxstore.migration.differences import Difference
from fluxstore.migration.live import Live, live_of
from fluxstore.migration.options import Options
from fluxstore.migration.relay import drain
from fluxstore.records import Record, Residue, Version, Versioned

NOTES = entity_of(Note)
WRITTEN = 1000
"""Keys below this are written all the time; differences are planted above."""
_FIRST = 10_000


@attrs.frozen
class Plan:
    """How long and how hard."""

    runs: int = 2
    writes_per_second: float = 200.0
    differences: int = 70
    seed: int = 0


def changed(both: Pair, key: int) -> str:
    _merge(both, Record(key, {"id": key, "text": "planted"}))
    return "diverged text"


def changed_though_touched(both: Pair, key: int) -> str:
    both.change(Note, key, text="touched")
    carry(*both.adapters, NOTES, [key], epoch=EPOCH)
    return changed(both, key)


def field_lost(both: Pair, key: int) -> str:
    _merge(both, Record(key, {"id": key}))
    return "diverged text"


def field_more(both: Pair, key: int) -> str:
    residue = Residue(extras={"note": key})
    _merge(both, Record(key, {"id": key, "text": "same"}, residue))
    return "diverged note"


def gone(both: Pair, key: int) -> str:
    both.follower.collection(NOTES).merge(Batch((), deletes=[key]))
    return "missing"


def alone(both: Pair, key: int) -> str:
    both.delete(Note, key)
    carry(*both.adapters, NOTES, [key], epoch=EPOCH)
    _merge(both, Record(key, {"id": key, "text": "orphan"}))
    return "orphan"


def ahead(both: Pair, key: int) -> str:
    version = Version(EPOCH, 1_000_000)
    record = Record(key, {"id": key, "text": "ahead"}, version=version)
    both.follower.collection(NOTES).apply_if_newer([Versioned(key, version, record)], epoch=EPOCH)
    return "ahead"


KINDS: tuple[Callable[[Pair, int], str], ...] = (
    changed,
    changed_though_touched,
    field_lost,
    field_more,
    gone,
    alone,
    ahead,
)


def _merge(both: Pair, record: Record) -> None:
    both.follower.collection(NOTES).merge(Batch([record]))


def fill(both: Pair, plan: Plan) -> None:
    """Fill both sides, alike."""
    keys = [*range(WRITTEN), *range(_FIRST, _FIRST + plan.differences + 100)]
    records = [Record(key, {"id": key, "text": "same"}) for key in keys]
    both.origin.collection(NOTES).merge(Batch(records))
    both.govern()
    backfill(_live(both), ENTITIES)


def plant(both: Pair, plan: Plan) -> dict[str, str]:
    """Plant differences of every kind; return what each is to be told as."""
    dice = random.Random(plan.seed)
    keys = range(_FIRST, _FIRST + plan.differences)
    kinds = [KINDS[n % len(KINDS)] for n in range(plan.differences)]
    dice.shuffle(kinds)
    return {str(key): kind(both, key) for key, kind in zip(keys, kinds, strict=True)}


def found(both: Pair) -> dict[str, str]:
    """Return what a validation tells, as ``plant`` says it."""
    told: dict[str, str] = {}

    def each(difference: Difference, *_: object) -> None:
        fields = [one.field for one in difference.fields]
        told[difference.key] = " ".join([difference.kind.value, *fields])

    validate_live(_live(both), ENTITIES, Options(), each=each)
    return told


@contextmanager
def writers(both: Pair, plan: Plan) -> Iterator[list[int]]:
    """Write while the context lasts; most writes have a leg, the relay does the others."""
    done, count = threading.Event(), [0]

    def write() -> None:
        dice, begun = random.Random(plan.seed), time.monotonic()
        while not done.is_set():
            key = dice.randrange(WRITTEN)
            count[0] += 1
            if dice.random() < 0.2 and both.origin.collection(NOTES).read([key]):
                both.delete(Note, key)
            else:
                both.write(Note(id=key, text=f"written {count[0]}"))
            if dice.random() < 0.8:
                carry(*both.adapters, NOTES, [key], epoch=EPOCH)
            done.wait(begun + count[0] / plan.writes_per_second - time.monotonic())

    def relay() -> None:
        while not done.is_set():
            drain(*both.adapters, parents_first(), patience_seconds=30)
            done.wait(0.2)

    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(write), threads.submit(relay)]
        try:
            yield count
        finally:
            done.set()
        for one in running:
            one.result()


def _live(both: Pair) -> Live:
    live = live_of(both.origin, both.follower, ENTITIES.values())
    assert live is not None
    return live


def wrong(both: Pair, plan: Plan) -> list[str]:
    """Play *plan*; return every false alarm, and every difference missed or told otherwise."""
    fill(both, plan)
    problems: list[str] = []
    with writers(both, plan):
        for run in range(plan.runs):
            problems += [f"run {run}: false alarm {key}: {w}" for key, w in found(both).items()]
        expected = plant(both, plan)
        told = found(both)
    for key in sorted({*expected, *told}):
        if expected.get(key) != told.get(key):
            problems.append(f"{key}: {expected.get(key)} planted, {told.get(key)} told")
    return problems


def main() -> int:
    """Play the full form; 1 where anything was wrong."""
    from fluxstore.testing.databases import shared_server

    asked = argparse.ArgumentParser(description="Validate while writers are at work.")
    asked.add_argument("way", nargs="?", default="json-postgres")
    way = asked.parse_args().way
    plan = Plan(runs=10, writes_per_second=200, differences=1000)
    with (
        shared_server() as server,
        tempfile.TemporaryDirectory() as folder,
        real_pair(way, Path(folder), server) as both,
    ):
        problems = wrong(both, plan)
    for line in problems or ["no false alarm, every difference found and told as what it is"]:
        sys.stdout.write(line + "\n")
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
