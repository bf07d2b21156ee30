"""Entities that refer to each other in every way, backends to move them between, and shorthands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
from pile import Pile, piled, record

from fluxstore.adapter import Batch, Opening, Use
from fluxstore.codec import Codec
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.migration.options import Options
from fluxstore.migration.plan import End
from fluxstore.records import Record
from fluxstore.testing.reference import ReferenceAdapter, Settings


@entity("teams")
class Team:
    id: str
    name: str = ""
    slug: str | None = field(default=None, unique=True)
    lead_id: str | None = field(default=None, references="users", on_delete="set_null")


@entity("users")
class User:
    id: str
    name: str = ""
    email: str | None = field(default=None, unique=True, pii=True)
    team_id: str | None = field(default=None, references="teams", on_delete="set_null")
    boss_id: str | None = field(default=None, references="users", on_delete="set_null")


@entity("members", key=("team_id", "user_id"))
class Member:
    team_id: str = field(references="teams", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade")
    role: str = "member"


@entity("notes")
class Note:
    id: int
    text: str = ""


ENTITIES = Entities([entity_of(Team), entity_of(User), entity_of(Member), entity_of(Note)])


def reference(name: str = "target", path: Path | None = None, *, entities=ENTITIES) -> End:
    settings = Settings(str(path) if path else None)
    opening = Opening(name, settings, entities, {}, Path.cwd(), Use.TARGET)
    return End(name, ReferenceAdapter(opening), "1.0")


def pile(*items: object, entities: Entities = ENTITIES) -> End:
    return End("source", piled(entities, *items), "1.0")


def fill(end: End, *instances: object) -> None:
    for instance in instances:
        merged = end.collection(entity_of(type(instance))).merge(Batch([record(instance)]))
        assert not merged.refused, merged


def keys(end: End, cls: type) -> set:
    return set(everything(end, cls))


def everything(end: End, cls: type) -> dict[object, Record]:
    return {one.key: one for one in scan(end, cls)}


def scan(end: End, cls: type) -> Iterator[Record]:
    collection, cursor, more = end.collection(entity_of(cls)), None, True
    while more:
        page = collection.scan(cursor, 100)
        yield from page.records
        cursor, more = page.cursor, page.cursor is not None


def by_entity(report) -> dict:
    return {one.entity: one for one in report.entities}


def reasons(report) -> set[tuple[str, str, str, str]]:
    return {(one.file, one.entity, one.key, one.reason.value) for one in report.problems}


def quarantined(end: End, entities: Entities = ENTITIES) -> set[tuple[str, str, str, str]]:
    return {
        (one.problem.file, name, one.problem.key, one.problem.reason.value)
        for name in entities
        for one in end.adapter.ledger.quarantine(name)
    }


def snapshot_of(end: End, *classes: type) -> dict[str, bytes]:
    """Return every record's canonical bytes, to be compared."""
    return {
        f"{cls.__name__} {one.key}": Codec.of(entity_of(cls)).record_bytes(one)
        for cls in classes
        for one in scan(end, cls)
    }


def options(**chosen) -> Options:
    return attrs.evolve(Options(), **chosen)


HUNDRED = [Note(id=n, text=f"note {n}") for n in range(100)]


class Stop:
    """Asks to stop when it has been asked so many times."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def small_batches(**chosen):
    """Batches of sixteen records: as small as they become."""
    return options(batch_seconds=1e-9, **chosen)


def shrunk(source: End) -> End:
    """Make the pile's pages small from the first on."""
    for collection in source.adapter._collections.values():
        scan = collection.scan
        collection.scan = lambda cursor, limit, scan=scan: scan(cursor, min(limit, 16))
    return source


def counts(report, name: str) -> tuple[int, int, int, int]:
    one = by_entity(report)[name]
    return one.read, one.written, one.unchanged, one.quarantined


__all__ = ["Pile", "piled", "record"]
