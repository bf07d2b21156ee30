"""Rows about what others do to the records: edits, corruptions, files on other machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg

import fluxstore
from harness.disks import network_disk
from harness.migration import Migration
from harness.project import Project
from harness.row import Row
from harness.stage import Case, Stage
from harness.storm import KEYS, begun, get_on

FOREIGN = "foreign"
"""A record that the edit changes, and no writer."""
CORRUPTIONS: Mapping[str, tuple[LiteralString, str, tuple[str, ...]]] = {
    "number": ("UPDATE logbooks SET count = count + 1 WHERE id = %s", "diverged", ("count",)),
    "letter": (
        "UPDATE logbooks SET entries[1] = entries[1] || ' ' WHERE id = %s",
        "diverged",
        ("entries",),
    ),
    "lost item": (
        "UPDATE logbooks SET entries = entries[2:] WHERE id = %s",
        "diverged",
        ("entries",),
    ),
    "more items": (
        "UPDATE logbooks SET entries = entries || entries[1:1], count = 0 WHERE id = %s",
        "diverged",
        ("count", "entries"),
    ),
    "order": (
        "UPDATE logbooks SET entries = entries[2:2] || entries[1:1] || entries[3:] WHERE id = %s",
        "diverged",
        ("entries",),
    ),
    "missing": ("DELETE FROM logbooks WHERE id = %s", "missing", ()),
    "orphan": (
        "INSERT INTO logbooks (id, entries, count) VALUES (%s || '-orphan', '{}', 0)",
        "orphan",
        (),
    ),
}
"""What is done to a record of the follower, and how a validation must call it."""


def edited(stage: Stage) -> None:
    """Let another program replace the file under writers: noticed, and never written over."""
    project = stage.project()
    project.preload([FOREIGN])
    crew = begun(stage, project)
    get_on(crew)
    file = project.data / "logbooks.json"
    with crew.stopped():
        before = file.read_bytes()
        after = _edit(before)
        _replace(file, after)
    get_on(crew)
    crew.finish()
    stage.require(file.read_bytes() == after, "the edit was written over")
    migration = Migration(project)
    told = migration.run("doctor")
    stage.require("another program" in told.out + told.errors, f"nobody says so: {told}")
    if stage.case.phase == "shadow":
        refused = migration.run("validate", *project.way)
        refused = refused if refused.code else migration.run("phase", "set", "live", "--yes")
        stage.require(refused.code in {4, 5, 6}, f"handed over: {refused}")
        stage.require(file.read_bytes() == after, "the edit was written over")
    _replace(file, before)
    stage.judge(project, [*crew.before, *crew.history()])


def imported(stage: Stage) -> None:
    """Let another program replace the file under writers: its change becomes one of theirs."""
    project = stage.project(json='foreign_edits = "import"')
    project.preload([FOREIGN])
    crew = begun(stage, project)
    get_on(crew)
    file = project.data / "logbooks.json"
    with crew.stopped():
        _replace(file, _edit(file.read_bytes()))
    get_on(crew)
    crew.finish()
    stage.require("edited" in project.found()[FOREIGN], "the edit was not taken")
    stage.judge(project, [*crew.before, *crew.history()])


def _edit(document: bytes) -> bytes:
    changed = json.loads(document)
    for record in changed["logbooks"]:
        if record["id"] == FOREIGN:
            record["entries"], record["count"] = [*record["entries"], "edited"], 2
    return json.dumps(changed, indent=1).encode()


def _replace(file: Path, content: bytes) -> None:
    beside = file.with_suffix(".edited")
    beside.write_bytes(content)
    beside.replace(file)


def on_a_network(stage: Stage) -> None:
    """Start an application whose files are on a network file system: refused, unless told to."""
    with network_disk(stage.place("there"), "sshfs") as place:
        for option, works in (("", False), ("network_files = true", True)):
            data = place / f"data-{works}"
            project = stage.project(data=data, json=option)
            crew = stage.crew(project)
            crew.start("w", KEYS, steps=40)
            crew.wait(well=False)
            calls = crew.history()
            if not works:
                there = sorted(path.name for path in data.iterdir())
                stage.require(not calls and there == ["logbooks.json"], f"it began: {there}")
                stage.require("network file system" in crew.said("w"), crew.said("w"))
                continue
            stage.require(bool(calls), f"nothing was done: {crew.said('w')}")
            stage.judge(project, calls)


def corrupted(stage: Stage) -> None:
    """Corrupt records of the follower: each is found, with its class and its fields."""
    project = stage.project()
    names = list(CORRUPTIONS)
    keys = [f"c{number:04}" for number in range(stage.short_or_full(70, 1000))]
    _fill(project, keys)
    migration = Migration(project)
    migration.reach("shadow")
    chosen = {key: names[number % len(names)] for number, key in enumerate(keys)}
    _corrupt(project, chosen)
    list_of_all = project.folder / "differences.jsonl"
    found = migration.run("validate", *project.way, "--differences", str(list_of_all))
    stage.require(found.code == 5, f"exit 5 expected: {found}")
    told = sorted(map(_told, map(json.loads, list_of_all.read_text().splitlines())))
    wanted = sorted(_wanted(key, name) for key, name in chosen.items())
    wrong = [f"{one} is not told" for one in wanted if one not in told]
    wrong += [f"{one} is told" for one in told if one not in wanted]
    stage.note(corruptions=len(wanted))
    stage.require(not wrong, *wrong)
    _repaired(migration)
    stage.require(not (left := migration.drained()), *left)


def _fill(project: Project, keys: Sequence[str]) -> None:
    with fluxstore.open(project.loaded(), backend=project.setup.source) as store:
        records = store["logbooks"]
        with store.transaction():
            for key in keys:
                entries = [f"{key}-{number}" for number in range(4)]
                records.create(records.entity.cls(id=key, entries=entries, count=4))


def _corrupt(project: Project, chosen: Mapping[str, str]) -> None:
    """Do it as somebody would who knows nothing of ledgers, and has every right."""
    with closing(psycopg.connect(project.dsn, autocommit=True)) as connection:
        connection.execute("ALTER TABLE logbooks DISABLE TRIGGER USER")
        for key, name in chosen.items():
            connection.execute(CORRUPTIONS[name][0], [key])
        connection.execute("ALTER TABLE logbooks ENABLE TRIGGER USER")
        connection.execute(ALWAYS)


ALWAYS = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tgname FROM pg_trigger
               WHERE tgrelid = 'logbooks'::regclass AND tgname LIKE 'fluxstore%' LOOP
        EXECUTE format('ALTER TABLE logbooks ENABLE ALWAYS TRIGGER %I', one.tgname);
    END LOOP;
END $$
"""


def _told(difference: dict[str, object]) -> tuple[object, ...]:
    fields: Sequence[dict[str, object]] = difference["fields"]  # type: ignore[assignment]
    names = tuple(sorted(str(one["field"]) for one in fields))
    return str(difference["key"]).strip('"'), difference["kind"], names


def _wanted(key: str, name: str) -> tuple[object, ...]:
    _, kind, fields = CORRUPTIONS[name]
    return f"{key}-orphan" if name == "orphan" else key, kind, fields


def _repaired(migration: Migration) -> None:
    """Plan and apply until nothing differs: what a writer changed meanwhile is left alone."""
    for _ in range(5):
        migration.must("repair", "--plan", *migration.project.way, codes=(0, 5))
        migration.must("repair", "--apply", *migration.project.way, codes=(0, 5, 6))
        if migration.must("validate", *migration.project.way, codes=(0, 5)).code == 0:
            return
    raise AssertionError("repaired five times, and the sides still differ")


def repaired_under_load(stage: Stage) -> None:
    """Corrupt and repair the follower's records that writers are at: no write is lost."""
    project = stage.project()
    crew = begun(stage, project)
    migration = Migration(project)
    names = [name for name in CORRUPTIONS if name != "orphan"]
    for number in range(stage.short_or_full(2, 30)):
        get_on(crew)
        _corrupt(project, {key: names[(number + at) % len(names)] for at, key in enumerate(KEYS)})
        migration.must("repair", "--plan", *project.way, codes=(0, 5))
        migration.must("repair", "--apply", *project.way, codes=(0, 5, 6))
        stage.note(repairs=1)
    crew.finish()
    _repaired(migration)
    stage.judge(project, [*crew.before, *crew.history()])


ROWS = (
    Row(
        "F63",
        "a JSON file edited by another program",
        "edit",
        "noticed and said, never written over; nothing that waits is lost",
        edited,
        tuple(Case("json", "sqlite", phase) for phase in ("dual_write", "shadow", "live")),
    ),
    Row(
        "F63i",
        "a JSON file edited by another program, and edits are imported",
        "edit",
        "the edit is taken as somebody's write",
        imported,
        (Case("json"),),
    ),
    Row(
        "F65",
        "JSON files on a network file system",
        "T4",
        "refused by name, nothing written there; unless it is allowed",
        on_a_network,
        (Case("json"),),
        needs=("fuse",),
    ),
    Row(
        "F66c",
        "the follower's records corrupted in seven ways",
        "SQL",
        "each is found, its class and its fields right; repaired, both sides are equal",
        corrupted,
        (Case("json", "postgres", "shadow"),),
    ),
    Row(
        "F67",
        "a repair racing with writers on the same keys",
        "SQL",
        "no acknowledged write is lost; both sides equal at the end",
        repaired_under_load,
        (Case("json", "postgres", "shadow"),),
    ),
)
