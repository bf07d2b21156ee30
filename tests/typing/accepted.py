"""A program that type-checks under ``mypy --strict``: what a checker must know about the API."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, assert_type

import attrs

import fluxstore
from fluxstore import Answer, Entity, Records, Results, Store, entity, entity_of, field


@entity("projects")
class Project:
    id: str
    name: str = ""


@entity("tasks", unique=[("project_id", "title")])
class Task:
    id: str
    title: str
    project_id: str = field(references="projects", on_delete="cascade")
    status: Literal["todo", "done"] = "todo"
    due_date: datetime | None = None
    price: Decimal = field(default=Decimal(0), minimum=0)
    tags: list[str] = field(factory=list)
    email: str | None = field(default=None, unique=True, index=True, pii=True)
    updated_at: datetime | None = field(default=None, auto="updated")

    def is_late(self) -> bool:
        return self.due_date is not None and self.due_date < datetime.now(UTC)


@entity("members", key=("project_id", "user_id"))
class Member:
    project_id: str = field(references="projects")
    user_id: str
    role: str = "member"


@entity("own")
@attrs.frozen
class Own:
    id: int
    size: int = attrs.field(default=1)


task = Task(id="t1", title="Ship", project_id="p1")
Task(id="t1", title="Ship", project_id="p1", tags=["a"], due_date=None, status="done")
Member(project_id="p1", user_id="u1")
Own(1, size=2)
task.title = "Ship it"
assert_type(task.tags, list[str])
assert_type(task.due_date, datetime | None)
assert_type(task.is_late(), bool)
assert_type(entity_of(Task), Entity)

with fluxstore.open("fluxstore.toml") as store:
    assert_type(store, Store)
    tasks = store[Task]
    assert_type(tasks, Records[Task])
    assert_type(store["tasks"], Records[Any])
    assert_type(tasks.create(task), Task)
    assert_type(tasks.put(task, op_id="1"), Task)
    assert_type(tasks.get("t1"), Task)
    assert_type(tasks.get("t1", None), Task | None)
    assert_type(tasks.get("t1", "none"), Task | str)
    assert_type(tasks.get_many(["t1", "t2"]), dict[Any, Task])
    found = tasks.find(project_id="p1", status=fluxstore.one_of("todo"), order_by="-due_date")
    assert_type(found, Results[Task])
    assert_type(found[0], Task)
    assert_type(found.cursor, str | None)
    tasks.find({"title": fluxstore.starts_with("a")}, limit=5, after=found.cursor)
    assert_type(tasks.update("t1", status="done", expect=task), Task)
    assert_type(tasks.count(status="todo"), int)
    assert_type(tasks.extras("t1"), dict[str, Any])
    assert_type(tasks.get("t1", stale_ok=True), Answer[Task])
    assert_type(tasks.get("t1", stale_ok=True).value.is_late(), bool)
    assert_type(tasks.get("t1", None, stale_ok=True), Answer[Task | None])
    assert_type(tasks.get("t1", None, stale_ok=False), Task | None)
    assert_type(tasks.get("t1", stale_ok=None), Task)
    with fluxstore.stale_answers() as given:
        assert_type(given, list[str])
    assert_type(tasks.get_many(["t1"], stale_ok=True), Answer[dict[Any, Task]])
    assert_type(tasks.find(title="Ship", stale_ok=True).stale, bool)
    assert_type(tasks.count(status="todo", stale_ok=True), Answer[int])
    tasks.delete("t1")
    store[Member].get(("p1", "u1")).role.upper()
    with store.transaction():
        store[Own].update(1, size=3)
