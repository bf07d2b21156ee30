"""A folder of JSON files, with every oddity of real ones, goes to SQLite and comes back equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from documents import differences, folder_digests
from moving import by_entity

from fluxstore.adapter import Opening, Use
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore.migration.migrate import migrate
from fluxstore.migration.plan import End
from fluxstore.migration.rollback import rollback
from fluxstore.migration.verify import validate
from fluxstore_json.adapter import JsonAdapter
from fluxstore_sqlite.adapter import SqliteAdapter


@entity("people")
class Person:
    id: str
    name: str = ""
    email: str | None = field(default=None, unique=True, pii=True)
    boss_id: str | None = field(default=None, references="people", on_delete="set_null")
    joined_at: datetime | None = None


@entity("jobs")
class Job:
    id: str
    name: str
    owner_id: str | None = field(default=None, references="people", on_delete="set_null")
    budget: Decimal | None = None
    settings: dict[str, Any] = field(factory=dict)


@entity("steps")
class Step:
    id: str
    job_id: str = field(references="jobs", on_delete="cascade")
    title: str = ""
    status: Literal["todo", "done"] = "todo"
    tags: list[str] = field(factory=list)
    due_at: datetime | None = None


ENTITIES = Entities([entity_of(Person), entity_of(Job), entity_of(Step)])
PLACES = {
    "people": {"file": "people.json", "records": "people", "rename": {"boss_id": "manager"}},
    "jobs": {"file": "jobs.json", "records": "data.jobs", "aliases": {"name": ["title"]}},
    "steps": {"within": "jobs", "records": "steps", "parent": {"job_id": "id"}},
}
PEOPLE = {
    "version": 3,
    "people": [
        {"id": "b", "name": "Bea", "manager": "a", "joinedAt": "2024-05-01T10:00:00+05:30"},
        {"id": "a", "name": "Ann &amp; Co", "email": "a@x", "nickname": None, "manager": None},
        {"id": "1500000000001", "name": "", "email": None, "scores": [1, 2.5, 1e3], "é": "\u202e"},
    ],
    "exported": "2024-06-01",
}
JOBS = {
    "data": {
        "jobs": [
            {
                "id": "z",
                "title": "by its alias",
                "budget": "1.10",
                "steps": [
                    {"id": "s2", "title": "two", "dueAt": "2024-05-01T10:00:00.000Z", "odd": {}},
                    {"id": "s1", "status": "done", "tags": ["b", "a"], "dueAt": None},
                ],
            },
            {"id": "y", "name": "no steps", "ownerId": "b", "steps": [], "settings": {"k": [1]}},
            {"id": "x", "name": "not even an array", "budget": 12.50, "ownerId": None},
        ]
    },
    "meta": {"kept": True},
}


def write(folder: Path, people: Any = PEOPLE, jobs: Any = JOBS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "people.json").write_text(json.dumps(people, indent=2, ensure_ascii=False))
    (folder / "jobs.json").write_text(json.dumps(jobs))
    return folder


@contextmanager
def folder_of(data: Path, use: Use, name: str = "json") -> Iterator[End]:
    settings = JsonAdapter.Settings(path=data.name, naming="camelCase")
    places = {one: JsonAdapter.EntitySettings(**given) for one, given in PLACES.items()}
    adapter = JsonAdapter(Opening(name, settings, ENTITIES, places, data.parent, use))
    try:
        yield End(name, adapter)
    finally:
        adapter.close()


@pytest.fixture
def sqlite(tmp_path) -> Iterator[End]:
    settings = SqliteAdapter.Settings(path="target.db")
    adapter = SqliteAdapter(Opening("sqlite", settings, ENTITIES, {}, tmp_path, Use.TARGET))
    yield End("sqlite", adapter)
    adapter.close()


@pytest.fixture
def data(tmp_path) -> Path:
    return write(tmp_path / "data")


def test_everything_crosses_and_both_sides_are_equal(data, sqlite):
    before = folder_digests(data)
    with folder_of(data, Use.SOURCE) as source:
        report = migrate(source, sqlite, ENTITIES)
        found = validate(source, sqlite, ENTITIES)

    assert (0, 0) == (report.exit_code, found.exit_code)
    assert [3, 3, 2] == [by_entity(report)[name].written for name in ("people", "jobs", "steps")]
    assert before == folder_digests(data)


def test_a_second_run_writes_nothing(data, sqlite):
    with folder_of(data, Use.SOURCE) as source:
        migrate(source, sqlite, ENTITIES)
        report = migrate(source, sqlite, ENTITIES)

    assert all(one.written == 0 for one in report.entities)


def test_half_of_the_records_lost_the_documents_come_back_equal(data, sqlite, tmp_path):
    before = folder_digests(data)
    with folder_of(data, Use.SOURCE) as source:
        migrate(source, sqlite, ENTITIES)
    write(data, {**PEOPLE, "people": PEOPLE["people"][:1]}, {"data": {"jobs": []}})
    with folder_of(data, Use.TARGET) as source:
        report = rollback(source, sqlite, ENTITIES, backups=tmp_path / "backups")

    assert 0 == report.exit_code
    assert [] == list(differences(before, folder_digests(data)))


def test_into_another_folder_the_documents_are_equal_too(data, sqlite, tmp_path):
    with folder_of(data, Use.SOURCE) as source:
        migrate(source, sqlite, ENTITIES)
        (tmp_path / "other").mkdir()
        with folder_of(tmp_path / "other", Use.TARGET, "other") as into:
            report = rollback(source, sqlite, ENTITIES, backups=tmp_path / "backups", into=into)

    assert 0 == report.exit_code
    assert [] == list(differences(folder_digests(data), folder_digests(tmp_path / "other")))


def test_what_never_crossed_stays_in_its_file_byte_for_byte(data, sqlite, tmp_path):
    bad = {"id": "bad", "name": 5, "e": "keep   me"}
    orphan = {"id": "lost", "name": "lost", "manager": "nobody"}
    people = {**PEOPLE, "people": [bad, *PEOPLE["people"], orphan]}
    write(data, people)
    before = folder_digests(data)
    with folder_of(data, Use.SOURCE) as source:
        report = migrate(source, sqlite, ENTITIES)
    assert {"bad": "type", "lost": "reference"} == {
        one.key: one.reason.value for one in report.problems
    }
    with folder_of(data, Use.TARGET) as source:
        rollback(source, sqlite, ENTITIES, backups=tmp_path / "backups")

    assert [] == list(differences(before, folder_digests(data)))


def test_a_changed_value_in_the_target_loses_only_its_own_spelling(data, sqlite, tmp_path):
    with folder_of(data, Use.SOURCE) as source:
        migrate(source, sqlite, ENTITIES)
    steps = sqlite.collection(ENTITIES["steps"])
    from fluxstore.codec import Codec
    from fluxstore.records import Intent, Put

    later = Codec.of(ENTITIES["steps"]).decode({"due_at": "2030-01-01T00:00:00Z"}).values
    steps.commit([Put("s2", later, Intent.CHANGE)])
    with folder_of(data, Use.TARGET) as source:
        rollback(source, sqlite, ENTITIES, backups=tmp_path / "backups")

    first = json.loads((data / "jobs.json").read_text())["data"]["jobs"][0]["steps"][0]
    assert {"id": "s2", "title": "two", "odd": {}} == {k: first[k] for k in ("id", "title", "odd")}
    assert first["dueAt"].startswith("2030-01-01T00:00:00")


def test_one_refused_file_leaves_the_other_proceeding(data, sqlite):
    (data / "people.json").write_text('{"people": [{"id": "a"')
    with folder_of(data, Use.SOURCE) as source:
        report = migrate(source, sqlite, ENTITIES)

    assert 4 == report.exit_code
    assert "file" == by_entity(report)["people"].refused.reason
    assert {"z", "x"} == {one.key for one in scan(sqlite, "jobs")}
    assert 2 == by_entity(report)["steps"].written


def scan(end: End, name: str):
    return end.collection(ENTITIES[name]).scan(None, 100).records
