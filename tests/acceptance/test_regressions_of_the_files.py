"""Regressions that JSON files had before: lost updates, torn files, lost children."""

from __future__ import annotations

import json
import os
import threading

import pytest

import fluxstore
from fluxstore.errors import ConflictError, UnreadableRecordError

ENTITIES = """
from fluxstore import entity, field


@entity("projects")
class Project:
    id: str
    name: str
    organization_id: str | None = None


@entity("members", key=("project_id", "user_id"))
class Member:
    project_id: str = field(references="projects", on_delete="cascade")
    user_id: str
    role: str = "member"


@entity("tasks")
class Task:
    id: str
    project_id: str = field(references="projects", on_delete="cascade")
    title: str = ""
    count: int = 0
"""
CONFIG = """
entities = ["entities"]

[backends.json]
adapter = "json"
path = "data"
naming = "camelCase"
checkpoint = "every write"
[backends.json.entities.projects]
file = "projects.json"
records = "projects"
[backends.json.entities.members]
within = "projects"
records = "members"
parent = { project_id = "id" }
[backends.json.entities.tasks]
within = "projects"
records = "tasks"
parent = { project_id = "id" }

[backends.sqlite]
adapter = "sqlite"
path = "app.db"
"""
PROJECTS = {
    "projects": [
        {"id": f"p{number}", "name": f"P{number}", "organizationId": f"o{number % 2}", "tasks": []}
        for number in range(4)
    ]
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "entities.py").write_text(ENTITIES)
    (tmp_path / "fluxstore.toml").write_text(CONFIG)
    (tmp_path / "data" / "projects.json").write_text(json.dumps(PROJECTS))
    return tmp_path


@pytest.fixture
def opened(folder):
    def opened(backend="json"):
        return fluxstore.open(folder / "fluxstore.toml", backend=backend)

    return opened


def new(store, entity, **fields):
    return store.entities[entity].cls(**fields)


def in_file(folder):
    return json.loads((folder / "data" / "projects.json").read_bytes())["projects"]


def test_regression_06_updates_at_once_are_all_there(opened):
    def count_up():
        with opened() as store:
            for _ in range(25):
                counted_up(store["tasks"])

    with opened() as store:
        store["tasks"].create(new(store, "tasks", id="t", project_id="p0"))
        threads = [threading.Thread(target=count_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 100 == store["tasks"].get("t").count


def counted_up(tasks):
    while True:
        read = tasks.get("t")
        try:
            return tasks.update("t", count=read.count + 1, expect=read)
        except ConflictError:
            continue


def test_regression_07_a_file_is_replaced_whole_never_written_in_place(opened, folder):
    file = folder / "data" / "projects.json"
    with file.open("rb") as earlier, opened() as store:
        before = os.fstat(earlier.fileno()).st_ino
        store["projects"].update("p0", name="Other")
        assert before != file.stat().st_ino
        assert PROJECTS == json.load(earlier)
        assert "Other" == in_file(folder)[0]["name"]


def test_regression_07_a_file_that_vanished_is_not_saved_as_empty(opened, folder):
    file = folder / "data" / "projects.json"
    with opened() as store:
        store["projects"].update("p0", name="Other")
        kept = file.read_bytes()
        file.unlink()
        with pytest.raises(UnreadableRecordError, match=r"projects\.json"):
            store["projects"].get("p0")
        with pytest.raises(UnreadableRecordError, match=r"projects\.json"):
            store["projects"].create(new(store, "projects", id="p9", name="Nine"))
        assert not file.exists()
        file.write_bytes(kept)
        assert "Other" == store["projects"].get("p0").name


@pytest.mark.parametrize("backend", ["json", "sqlite"])
def test_regression_08_a_filter_is_never_dropped(opened, backend):
    with opened() as store, opened(backend) as other:
        for project in store["projects"].find() if backend != "json" else ():
            other["projects"].put(project)
        found = other["projects"].find(organization_id="o1")
        assert ["p1", "p3"] == [project.id for project in found]
        assert 2 == other["projects"].count(organization_id="o1")
        assert [] == other["projects"].find(organization_id="o1", name="P0")


def test_regression_13_updates_of_nested_records_reach_their_document(opened, folder):
    with opened() as store:
        store["tasks"].create(new(store, "tasks", id="t", project_id="p1", title="One"))
        store["tasks"].update("t", title="Two")
        store["members"].create(new(store, "members", project_id="p1", user_id="u"))
        store["members"].update(("p1", "u"), role="owner")
        document = in_file(folder)[1]
        assert [{"id": "t", "title": "Two", "count": 0}] == document["tasks"]
        assert [{"userId": "u", "role": "owner"}] == document["members"]
        store["tasks"].delete("t")
        assert [] == in_file(folder)[1]["tasks"]


def test_regression_14_children_made_with_their_parent_are_all_there(opened, folder):
    with opened() as store:
        with store.transaction():
            store["projects"].create(new(store, "projects", id="p9", name="Nine"))
            store["tasks"].create(new(store, "tasks", id="t9", project_id="p9"))
            store["members"].create(new(store, "members", project_id="p9", user_id="u"))
        document = in_file(folder)[-1]
        assert ("p9", "t9", "u") == (
            document["id"],
            document["tasks"][0]["id"],
            document["members"][0]["userId"],
        )
        store["projects"].delete("p9")
        assert (0, 0) == (store["tasks"].count(), store["members"].count())
