"""Rows about what PostgreSQL is set to, and about its rules: references, room, deadlocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import LiteralString

import attrs
import psycopg
from psycopg.rows import TupleRow

import fluxstore
from fluxstore.testing.databases import temporary_reachable_folder
from harness.crew import Crew, wait_until
from harness.disks import filled, small_disk
from harness.history import Call, Script
from harness.migration import PHASES, Done, Migration
from harness.project import Project
from harness.rhythm import Rhythm
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import KEYS, PRELOADED, WRITES, get_on

RELATED = """
from fluxstore import entity, field

@entity("logbooks")
class Logbook:
    id: str
    entries: list[str]
    count: int = 0
    after: str | None = field(default=None, references="logbooks", on_delete="cascade")
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'
"""
MANY_KEYS = tuple(f"new{number}" for number in range(20_000))
CROWDED_BYTES = 60_000


def full_data_directory(stage: Stage) -> None:
    """Fill the disk that the database is on; a caller notices only where it is the authority's."""
    with temporary_reachable_folder() as folder, small_disk(folder / "space", "40m") as place:
        stage.server.tablespace("small", place)
        project = stage.project(dsn=stage.server.new_database("TABLESPACE small"))
        try:
            _work_without_room(stage, project, place)
        finally:
            stage.server.stop_at_once()


def _work_without_room(stage: Stage, project: Project, place: Path) -> None:
    before = project.preload(PRELOADED)
    Migration(project).reach(stage.case.phase)
    crew = stage.crew(project)
    crew.start("w0", KEYS, steps_per_second=60)
    crew.start("w1", MANY_KEYS, mixture={"create": 1}, steps_per_second=200)
    crew.ready()
    get_on(crew)
    is_authority = stage.case.authority == "postgres"
    with filled(place):
        if is_authority:
            wait_until(lambda: bool(_refused(crew)), "a write finds no room")
        get_on(crew, CROWDED_BYTES)
    get_on(crew)
    crew.finish()
    stage.note(refused=_refused(crew))
    named = WRITES if is_authority else ()
    stage.judge(project, [*before, *crew.history()], named=named)


def _refused(crew: Crew) -> int:
    return sum("no space left" in call.error.lower() for call in crew.history())


def opposite_cascades(stage: Stage) -> None:
    """Delete one end of a circle, which takes the other along, while somebody locks both backwards.

    The other one has more patience, so that PostgreSQL ends the delete, which is tried again.
    """
    project = stage.project(entities=RELATED)
    Migration(project).reach(stage.case.phase)
    stage.server.execute("ALTER SYSTEM SET deadlock_timeout = '50ms'")
    stage.server.execute("SELECT pg_reload_conf()")
    size = stage.short_or_full(5, 100)
    pairs = [(f"{own}{n}", f"{other}{n}") for own, other in ("ab", "dc") for n in range(size)]
    _circles(project, pairs)
    crew = stage.crew(project)
    script: Script = tuple(("delete", own) for own, _ in pairs)
    with psycopg.connect(project.dsn) as now, psycopg.connect(project.dsn) as later:
        holders = [now, later]
        for holder in holders:
            holder.execute("SET deadlock_timeout = '1h'")
            holder.commit()
        _hold(now, pairs[0][1])
        crew.start("w", [own for own, _ in pairs], script=script)
        for number, (own, _) in enumerate(pairs):
            wait_until(lambda: stage.server.execute(WAITING) == [(1,)], f"a delete of {own} waits")
            if number + 1 < len(pairs):
                _hold(holders[1], pairs[number + 1][1])
            _hold(holders[0], own)
            holders[0].rollback()
            holders.reverse()
        crew.wait()
    [(deadlocks,)] = stage.server.execute("SELECT sum(deadlocks)::int FROM pg_stat_database")
    stage.facts |= {"deadlocks": deadlocks}
    stage.require(bool(deadlocks), "nobody met a deadlock")
    _all_deleted(stage, project, crew.history())


def _circles(project: Project, pairs: list[tuple[str, str]]) -> None:
    with fluxstore.open(project.loaded()) as store:
        records = store["logbooks"]
        for first, second in pairs:
            records.create(records.entity.cls(id=first, entries=[], count=0))
            records.create(records.entity.cls(id=second, entries=[], count=0, after=first))
            records.update(first, after=second)


def _hold(connection: psycopg.Connection[TupleRow], key: str) -> None:
    connection.execute("SELECT FROM logbooks WHERE id = %s FOR UPDATE", [key])


def _all_deleted(stage: Stage, project: Project, calls: Sequence[Call]) -> None:
    wrong = [f"{call.op}: {call.error}" for call in calls if call.outcome != "ok"]
    wrong += Migration(project).drained()
    wrong += [f"{key} is still there" for key in project.found()]
    stage.require(not wrong, *wrong)


def children_first(stage: Stage) -> None:
    """Copy records that lie before those they refer to, while more of them are written."""
    project = stage.project(entities=RELATED)
    crew = stage.crew(project)
    crew.before = project.preload(PRELOADED)
    chained = stage.short_or_full(300, 20_000)
    _chain(project, "old", chained)
    migration = Migration(project)
    migration.reach("backfill")
    crew.start("w0", KEYS, steps_per_second=30)
    crew.ready()
    numbers = count()
    with Rhythm(lambda: _chain(project, f"new{next(numbers)}", 20), 0.5):
        migration.until_done("migrate", *project.way)
        migration.set("shadow")
        migration.walk("live", lambda: None)
    invalid = _references(project, "NOT convalidated")
    stage.require(_references(project, "convalidated") == 1 and not invalid, "a key is not valid")
    crew.finish()
    stage.note(chained=chained + 20 * next(numbers))
    stage.judge(project, [*crew.before, *crew.history()])


def _chain(project: Project, name: str, length: int) -> None:
    """Make records of which each refers to the one that comes after it by its key."""
    with fluxstore.open(project.loaded()) as store, store.transaction():
        records, after = store["logbooks"], None
        for number in range(length, 0, -1):
            key = f"{name}-{number:06}"
            records.create(records.entity.cls(id=key, entries=[], count=0, after=after))
            after = key


def _references(project: Project, which: LiteralString) -> int:
    asked = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
    asked += " AND conrelid = 'logbooks'::regclass AND "
    with psycopg.connect(project.dsn) as connection:
        [found] = connection.execute(asked + which).fetchone() or [0]
        return int(found)


@attrs.frozen
class Plight:
    """Something that a target must not be, how it becomes so, and what the refusal says."""

    spoil: Callable[[Stage, Project], None]
    told: str
    database: LiteralString = ""


def _setting(name: LiteralString, value: LiteralString) -> Callable[[Stage, Project], None]:
    def spoil(stage: Stage, project: Project) -> None:
        stage.server.execute("ALTER SYSTEM SET " + name + " = " + value)
        stage.server.execute("SELECT pg_reload_conf()")
        wait_until(lambda: stage.server.execute("SHOW " + name) == [(value,)], "it is in force")

    return spoil


def _standby(stage: Stage, project: Project) -> None:
    stage.server.stop_at_once()
    (stage.server.data / "standby.signal").touch()
    stage.server.start()


def _nothing(stage: Stage, project: Project) -> None:
    """Leave it as it was made."""


PLIGHTS: Mapping[str, Plight] = {
    "fsync": Plight(_setting("fsync", "off"), "fsync: is off"),
    "full-page-writes": Plight(_setting("full_page_writes", "off"), "full_page_writes: is off"),
    "synchronous-commit": Plight(
        _setting("synchronous_commit", "off"), "synchronous_commit: is off"
    ),
    "read-only": Plight(_setting("default_transaction_read_only", "on"), "may only read"),
    "standby": Plight(_standby, "takes no writes"),
    "encoding": Plight(
        _nothing,
        "SQL_ASCII",
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    ),
}


def unfit_target(stage: Stage) -> None:
    """Hand over to a server that would lose or refuse writes: refused by name, writers go on."""
    plight = PLIGHTS[stage.case.variant]
    project = stage.project(dsn=stage.server.new_database(plight.database))
    crew = stage.crew(project)
    before = project.preload(PRELOADED)
    crew.start("w0", KEYS, steps_per_second=30)
    crew.ready()
    migration = Migration(project)
    if not plight.database:
        migration.reach("shadow")
        migration.must("validate", *project.way)
        plight.spoil(stage, project)
    refused = _refusal(migration, PHASES[1:] if plight.database else ("live",))
    get_on(crew)
    crew.finish()
    stage.require(refused.code in {3, 6, 7}, f"not refused: {refused}")
    stage.require(plight.told in refused.errors, f"{plight.told!r} is not said: {refused}")
    failed = [f"{call.op}: {call.error}" for call in crew.history() if call.outcome == "unknown"]
    stage.require(not failed, *failed)
    with project.opened(project.setup.source) as source:
        control = source.ledger.control("logbooks")
    is_authority = control is None or control.role == "authority"
    stage.require(is_authority, f"the source is {control}")
    stage.judge_alone(project, [*before, *crew.history()])


def _refusal(migration: Migration, phases: Sequence[str]) -> Done:
    """Walk through phases, and return the first command that is refused."""
    way = migration.project.way
    for phase in phases:
        commands = [("phase", "set", phase, "--yes")]
        if phase == "shadow":
            commands.insert(0, ("migrate", *way))
        for command in commands:
            done = migration.run(*command)
            if done.code:
                return done
    return done


FOLLOWS, ANSWERS = (Case("json", "postgres", phase) for phase in ("dual_write", "live"))
ROWS = (
    Row(
        "F23",
        "the disk of PostgreSQL's database full",
        "T3",
        "no caller notices where it follows; as the authority a named error without effect",
        full_data_directory,
        (FOLLOWS, ANSWERS),
        needs=("mount",),
    ),
    Row(
        "F41",
        "two cascades in opposite order",
        "T8",
        "PostgreSQL ends one of them, it is tried again, both finish",
        opposite_cascades,
        (ANSWERS,),
    ),
    Row(
        "F53",
        "children arrive before their parents",
        "id order",
        "nothing fails; the foreign key is valid when the sides change places",
        children_first,
        (Case("json", "postgres", "live"),),
    ),
    Row(
        "F54",
        "a target that would lose or refuse writes",
        "settings",
        "refused by name before anything is sealed; writers go on",
        unfit_target,
        tuple(Case("json", "postgres", "shadow", name) for name in PLIGHTS),
    ),
)
