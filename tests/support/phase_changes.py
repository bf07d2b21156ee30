"""Two backends of a migration and records to move between them, for tests of phase changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from fluxstore.adapter import Adapter, Batch, Control, Opening, Use
from fluxstore.codec import Codec
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.migration import facts, relay
from fluxstore.migration.backfill import backfill
from fluxstore.migration.live import live_of
from fluxstore.migration.plan import End
from fluxstore.records import UNTOUCHED, Delete, Intent, Put, Record
from fluxstore_phases.phases import PHASES, Side
from fluxstore_phases.sides import Sides
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk

NAMES = {Side.SOURCE: "one", Side.TARGET: "two"}


@entity("notes")
class Note:
    id: str
    text: str = ""
    log: list[str] = field(factory=list)


@entity("teams")
class Team:
    id: str
    name: str = ""
    updated_at: datetime | None = field(default=None, auto="updated")


ENTITIES = Entities([entity_of(Note), entity_of(Team)])
NOTES = entity_of(Note)


def reference(name: str, folder: Path) -> Adapter:
    from fluxstore.testing.reference import ReferenceAdapter as Adapter
    from fluxstore.testing.reference import Settings

    return Adapter(_opening(name, Settings(f"{name}.state"), folder))


def json(name: str, folder: Path) -> Adapter:
    from fluxstore_json.adapter import JsonAdapter as Adapter

    (folder / name).mkdir(exist_ok=True)
    return Adapter(_opening(name, Adapter.Settings(path=name), folder))


def sqlite(name: str, folder: Path) -> Adapter:
    from fluxstore_sqlite.adapter import SqliteAdapter as Adapter

    return Adapter(_opening(name, Adapter.Settings(path=f"{name}.db"), folder))


def postgres(dsn: str, **more: str) -> Callable[[str, Path], Adapter]:
    """Return what opens a database, each side in a schema of its own."""

    def make(name: str, folder: Path) -> Adapter:
        from fluxstore.config.structuring import structure
        from fluxstore_postgres.adapter import PostgresAdapter as Adapter

        table = {"dsn": dsn, "schema": f"side_{name}", **more}
        settings = structure(table, Adapter.Settings, file=folder / "test", key="")
        return Adapter(_opening(name, settings, folder))

    return make


DSN = "PHASE_CHANGES_DSN"
"""The environment variable that says where a program finds its server."""


def served(name: str, folder: Path) -> Adapter:
    """Open the database that the environment names."""
    return postgres(os.environ[DSN])(name, folder)


KINDS: Mapping[str, Callable[[str, Path], Adapter]] = {
    "reference": reference,
    "json": json,
    "sqlite": sqlite,
    "postgres": served,
}


def _opening(name: str, settings: Any, folder: Path) -> Opening:
    return Opening(name, settings, ENTITIES, {}, folder, Use.SERVE)


@attrs.define
class Ends:
    """Both backends of a folder, each opened when first asked for; reopened after ``close``."""

    folder: Path
    makers: Mapping[str, Callable[[str, Path], Adapter]]
    wrap: Callable[[Side, Adapter], Any] = lambda _, adapter: adapter
    away: set[str] = attrs.field(factory=set)
    opened: dict[str, Adapter] = attrs.field(factory=dict)

    def open(self, name: str) -> Adapter:
        if name in self.away:
            from fluxstore.errors import BackendUnavailableError

            raise BackendUnavailableError("is away", backend=name)
        if name not in self.opened:
            side = next(side for side, known in NAMES.items() if known == name)
            self.opened[name] = self.wrap(side, self.makers[name](name, self.folder))
        return self.opened[name]

    def sides(self, *, turned: bool = False) -> Sides:
        """Return both sides; *turned*: what was the target is the source of another migration."""
        names = {side: NAMES[side.other] for side in Side} if turned else NAMES
        return Sides(names, ENTITIES, self.open)

    def close(self) -> None:
        while self.opened:
            self.opened.popitem()[1].close()


@contextmanager
def ends(
    folder: Path, *, one: Any = reference, two: Any = reference, **more: Any
) -> Iterator[Ends]:
    made = Ends(folder, {"one": one, "two": two}, **more)
    try:
        yield made
    finally:
        made.close()


def phase(named: int) -> Any:
    return PHASES[named]


def walk(sides: Sides, to: int, scope: str = ALL, **more: Any) -> Any:
    """Walk to phase number *to*, giving each gate what it asks for."""
    taken: list[Any] = []
    while True:
        now = sides.standing(scope).phase.number
        if now == to:
            taken += Walk(sides, scope, **more).to(phase(to))  # finishes what was begun
            return taken
        if 2 <= now <= 3 or now == 4:
            satisfy(sides, scope)
        step = now + (1 if to > now else -1)
        taken += Walk(sides, scope, **more).to(phase(step))


def satisfy(sides: Sides, scope: str = ALL) -> None:
    """Bring everything over and write down that it was, and that it was compared."""
    standing = sides.standing(scope)
    holder = standing.holder
    here, there = sides.adapter(holder), sides.adapter(holder.other)
    for one in sides.governed(scope):
        records = here.collection(one).scan(None, 10_000).records
        batch = [record for record in records if record.version == UNTOUCHED]
        epoch = standing.held(holder.other).epoch
        there.collection(one).merge(Batch(batch, epoch=epoch))
    prove(sides, scope)


def fill(sides: Sides) -> None:
    """Fill the side that follows from the one that is the authority, as `migrate` does."""
    two = [End(NAMES[side], sides.adapter(side)) for side in Side]
    found = live_of(*two, ENTITIES.values())
    assert found is not None
    backfill(found, ENTITIES)


def prove(sides: Sides, scope: str = ALL, *, epoch: int | None = None) -> None:
    """Write down that everything of *scope* was brought over, and compared in *epoch*."""
    standing = sides.standing(scope)
    ledger = sides.adapter(standing.holder).ledger
    when, epoch = datetime.now(UTC).isoformat(), epoch or standing.epoch
    said = {
        facts.BACKFILL: {"epoch": epoch, "when": when},
        facts.VALIDATION: {"epoch": epoch, "when": when, "differences": 0, "refused": False},
    }
    for name, fact in said.items():
        known = facts.of_migration(ledger, name, standing.migration).get("entities", {})
        mine = {
            one.name: fact | {"touched": ledger.last_touch(one.name)}
            for one in sides.governed(scope)
        }
        ledger.set_fact(name, {"migration": standing.migration, "entities": known | mine})


def write(sides: Sides, side: Side, key: str, text: str, *, op_id: str | None = None) -> None:
    change = Put(key, {"id": key, "text": text, "log": []}, Intent.REPLACE)
    sides.adapter(side).collection(NOTES).commit([change], op_id=op_id)


def remove(sides: Sides, side: Side, key: str) -> None:
    sides.adapter(side).collection(NOTES).commit([Delete(key)])


def texts(sides: Sides, side: Side) -> dict[str, str]:
    """Return what one side holds, whatever its role."""
    page = sides.adapter(side).collection(NOTES).scan(None, 10_000)
    return {record.key: record.values["text"] for record in page.records}


def records(sides: Sides, side: Side) -> dict[str, bytes]:
    encode = Codec.of(NOTES).record_bytes
    page = sides.adapter(side).collection(NOTES).scan(None, 10_000)
    return {record.key: encode(record) for record in page.records}


def converged(sides: Sides, scope: str = ALL) -> None:
    """Carry what is marked, and see that both sides hold the same."""
    holder = sides.standing(scope).holder
    here, there = sides.adapter(holder), sides.adapter(holder.other)
    relay.drain(here, there, sides.governed(scope))
    assert 0 == marks(sides, holder)
    if sides.standing(scope).phase.number > 2:
        assert records(sides, holder) == records(sides, holder.other)


def marks(sides: Sides, side: Side) -> int:
    return relay.backlog(sides.adapter(side), list(ENTITIES.values())).marks


def roles(sides: Sides, scope: str = ALL) -> list[str]:
    standing = sides.standing(scope)
    return [one.role if one else "nothing" for one in (standing.source, standing.target)]


def control(epoch: int, role: Any, phase: str = "shadow", migration: str = "m") -> Control:
    return Control(epoch, role, phase, migration)


__all__ = ["Record"]
