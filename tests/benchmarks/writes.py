"""One durable write at a time: plain, under control by triggers and by statements, and dual.

``python tests/benchmarks/writes.py [--writes N] [--rounds N] [--out FILE]`` prints a table and
writes JSON. The server is a durable one of its own, JSON files are flushed with each write. Rounds
are interleaved, medians are shown, and ratios compare times within a round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import attrs
import psycopg
from phase_changes import Note, Team
from psycopg import sql
from psycopg.conninfo import make_conninfo

import fluxstore
from fluxstore import Config, Plugins, Store
from fluxstore.adapter import Control
from fluxstore.hookspecs import hookimpl
from fluxstore.testing.databases import temporary_reachable_folder
from fluxstore_postgres.embedded import EmbeddedServer

BACKENDS = """
[backends.json]
adapter = "json"
path = "data"
checkpoint = "1s"
[backends.pg]
adapter = "postgres"
dsn = "{pg}"
capture = "{capture}"
"""
DUAL = '[policy]\nadapter = "phases"\nsource = "json"\ntarget = "pg"\n'
UNDER_CONTROL = Control(1, "authority", "dual_write", "benchmark")


@attrs.frozen
class Ratio:
    """What is compared with what, and the goal."""

    subject: str
    base: tuple[str, ...]
    """The slowest of these."""
    goal: float | None


RATIOS = (
    Ratio("postgres, triggers", ("postgres",), 1.1),
    Ratio("postgres, client", ("postgres",), None),
    Ratio("postgres, client", ("postgres, triggers",), None),
    Ratio("dual write", ("json", "postgres"), 1.15),
)


class Declared:
    """A plugin with the entities that are written."""

    @hookimpl
    def fluxstore_register_entities(self, register) -> None:
        register(Note)
        register(Team)


class Bench:
    """Stores on one server, each with one note that is written again and again."""

    def __init__(self, folder: Path, conninfo: str, held: ExitStack) -> None:
        self._folder, self._conninfo, self._held = folder, conninfo, held
        self.stores: Mapping[str, Store] = {
            "json": self._store("json", backend="json"),
            "postgres": self._store("postgres", backend="pg"),
            "postgres, triggers": self._store("triggers", backend="pg", governed=True),
            "postgres, client": self._store("client", backend="pg", governed=True, own="client"),
            "dual write": self._dual(),
        }

    def _store(
        self, name: str, *, backend: str | None, governed: bool = False, own: str = "trigger"
    ) -> Store:
        plugins, file = self._configured(name, own)
        store = self._held.enter_context(fluxstore.open(file, backend=backend, plugins=plugins))
        store[Note].put(Note(id="a"))
        if governed:
            adapter = store._backends.adapter("pg")
            assert adapter.ledger.set_control("*", None, UNDER_CONTROL)
        return store

    def _dual(self) -> Store:
        from phase_changes import walk

        from fluxstore_phases.phases import Side
        from fluxstore_phases.sides import Sides

        store = self._store("dual", backend=None)
        names = {Side.SOURCE: "json", Side.TARGET: "pg"}
        walk(Sides(names, store.entities, store._backends.adapter), 1)
        store[Note].put(Note(id="a"))
        return store

    def _configured(self, name: str, capture: str) -> tuple[Plugins, Path]:
        folder = self._folder / name
        (folder / "data").mkdir(parents=True)
        database = f"bench_{name}"
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        text = BACKENDS.format(pg=make_conninfo(self._conninfo, dbname=database), capture=capture)
        file = folder / "fluxstore.toml"
        file.write_text(text + (DUAL if name == "dual" else ""), "utf-8")
        plugins = Plugins.load()
        plugins.add(Declared(), name="benchmark")
        assert Config.load(file, plugins=plugins)
        return plugins, file

    def microseconds(self, name: str, writes: int) -> float:
        """Return what one write takes, the median of some."""
        notes, took = self.stores[name][Note], []
        for number in range(writes):
            began = time.perf_counter()
            notes.update("a", text=str(number))
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1e6


@contextmanager
def bench() -> Iterator[Bench]:
    """Yield everything, on a server whose commits are durable."""
    with ExitStack() as held:
        place = held.enter_context(temporary_reachable_folder())
        server = EmbeddedServer(place / "postgres")
        held.callback(server.remove)
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        yield Bench(folder, server.start(), held)


def measured(writes: int, rounds: int) -> dict[str, list[float]]:
    """Return microseconds for each subject and round."""
    found: dict[str, list[float]] = {}
    with bench() as made:
        for _ in range(rounds):
            for name in made.stores:
                found.setdefault(name, []).append(made.microseconds(name, writes))
    return found


def ratio(found: Mapping[str, list[float]], one: Ratio) -> float:
    """Return the median of what *one* compares, round by round."""
    bases = zip(*(found[name] for name in one.base), strict=True)
    pairs = zip(found[one.subject], map(max, bases), strict=True)
    return statistics.median(subject / base for subject, base in pairs)


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = measured(given.writes, given.rounds)
    for name, times in found.items():
        print(f"{name:<22} {statistics.median(times):8.0f} µs a write")
    ratios = [(one, ratio(found, one)) for one in RATIOS]
    for one, value in ratios:
        goal = f"   goal ≤ {one.goal:g}×" if one.goal else ""
        print(f"{one.subject:<22} {value:6.2f}× {' or '.join(one.base)}{goal}")
    if given.out is not None:
        said = [{**attrs.asdict(one), "ratio": value} for one, value in ratios]
        given.out.write_text(json.dumps({"microseconds": found, "ratios": said}, indent=1))


if __name__ == "__main__":
    main()
