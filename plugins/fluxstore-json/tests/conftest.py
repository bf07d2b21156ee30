"""A folder of JSON files, and the ways to open it."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from fluxstore.adapter import Opening, Use
from fluxstore.entity import Entities, entity, entity_of, field
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import EntitySettings, Settings


@entity("users")
class User:
    id: str
    name: str = ""
    age: int | None = None
    is_admin: bool = False
    email: str | None = field(default=None, unique=True)
    meta: dict[str, Any] | None = None


@entity("projects")
class Project:
    id: str
    name: str = ""


@entity("tasks")
class Task:
    id: str
    project_id: str = field(references="projects", on_delete="cascade")
    title: str = ""
    tags: list[str] = field(factory=list)


@entity("notes")
class Note:
    id: str
    task_id: str = field(references="tasks", on_delete="cascade")
    text: str = ""


ENTITIES = Entities(map(entity_of, (User, Project, Task, Note)))
SHAPES = {
    "users": EntitySettings(file="users.json", records="users"),
    "projects": EntitySettings(file="projects.json", records="projects"),
    "tasks": EntitySettings(within="projects", parent={"project_id": "id"}),
    "notes": EntitySettings(within="tasks", parent={"task_id": "id"}),
}

OBJECTS = {name: attrs.evolve(one, shape="object") for name, one in SHAPES.items()}


class Data:
    """A folder below a test's own, its files, and adapters opened on it."""

    shapes = SHAPES

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "data"
        self.path.mkdir()
        self._opened = []

    @property
    def entities(self):
        return ENTITIES

    def write(self, name, content, **layout):
        """Write a file: bytes, text or JSON."""
        if not isinstance(content, bytes):
            text = content if isinstance(content, str) else json.dumps(content, **layout)
            content = text.encode()
        (self.path / name).write_bytes(content)

    def read(self, name):
        return json.loads((self.path / name).read_bytes())

    def open(self, use=Use.SERVE, *, shapes=None, entities=ENTITIES, **settings):
        """Return an adapter; those left open are closed at the end."""
        shapes = self.shapes if shapes is None else shapes
        made = Settings(path="data", naming="camelCase", checkpoint="1h")
        opening = Opening(
            backend="files",
            settings=attrs.evolve(made, **settings),
            entities=entities,
            entity_settings={name: one for name, one in shapes.items() if name in entities},
            folder=self.folder,
            use=use,
        )
        adapter = JsonAdapter(opening)
        self._opened.append(adapter)
        return adapter

    def serving(self, *names, **settings):
        """Return an open adapter and the collections of some entities."""
        adapter = self.open(**settings)
        return adapter, *(adapter.collection(ENTITIES[name]) for name in names)

    def scan(self, name, use=Use.SOURCE, limit=100, **settings):
        """Return all records and all rejected ones of an entity."""
        adapter = self.open(use, **settings)
        collection = adapter.collection(ENTITIES[name])
        records, rejected, cursor = [], [], None
        while True:
            page = collection.scan(cursor, limit)
            records += page.records
            rejected += page.rejected
            if (cursor := page.cursor) is None:
                adapter.close()
                return records, rejected

    def left(self):
        """Return the names of what is in the folder, the ledger's folder apart."""
        return sorted(path.name for path in self.path.iterdir() if path.name != ".fluxstore")

    def close(self):
        for adapter in self._opened:
            if not adapter.is_closed:
                adapter.close()


class Objects(Data):
    """The same, with records in objects under their ids, which they do not say inside."""

    shapes = OBJECTS

    def write(self, name, content, **layout):
        is_json = not isinstance(content, bytes | str)
        super().write(name, keyed(content) if is_json else content, **layout)

    def read(self, name):
        return listed(super().read(name))


def keyed(value):
    """Return a document with every array of records as an object."""
    if not isinstance(value, dict):
        return value
    return {
        name: {one["id"]: keyed({k: v for k, v in one.items() if k != "id"}) for one in each}
        if name in SHAPES
        else each
        for name, each in value.items()
    }


def listed(value):
    """Return what ``keyed`` was given."""
    return {
        name: [{"id": key, **listed(one)} for key, one in each.items()] if name in SHAPES else each
        for name, each in value.items()
    }


MADE = {"arrays": Data, "objects": Objects}


def pytest_generate_tests(metafunc):
    """Run each test of a module that says ``IN_BOTH_SHAPES`` with arrays and with objects."""
    both = getattr(metafunc.module, "IN_BOTH_SHAPES", False)
    if both and "data" in metafunc.fixturenames:
        metafunc.parametrize("data", MADE, indirect=True)


@pytest.fixture
def data(request, tmp_path):
    made = MADE[getattr(request, "param", "arrays")](tmp_path)
    yield made
    made.close()


@pytest.fixture
def open_data():
    """The same in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        made = Data(Path(folder))
        yield made
        made.close()


@pytest.fixture
def ordinary_user():
    """A context in which modes matter: root becomes somebody else."""

    @contextmanager
    def made():
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(was)

    return made
