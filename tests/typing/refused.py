"""A program that must not type-check: each line marked ``# E:`` has an error with those words.

Nothing here is ever run.
"""

from __future__ import annotations

import fluxstore
from fluxstore import entity, field


@entity("projects")
class Project:
    id: str
    name: str = ""


@entity("tasks")
class Task:
    id: str
    title: str
    project_id: str = field(references="projects")
    size: int = field(default="large")  # E: Incompatible types in assignment
    tags: list[str] = field(factory=dict)  # E: Argument "factory" to "field"
    owner: str = field(references=5)  # E: No overload variant
    parent: str | None = field(default=None, on_delete="explode")  # E: No overload variant
    note: str = field(default="", unknown=True)  # E: No overload variant
    both: list[str] = field(default=[], factory=list)  # E: No overload variant
    seen: str | None = field(default=None, auto="sometimes")  # E: No overload variant


@entity("numbers", key=5)  # E: incompatible type "int"
class Number:
    id: int


@entity()  # E: Missing positional argument "name"
class Nameless:
    id: str


Project("p1")  # E: Too many positional arguments
Project(name="x")  # E: Missing named argument "id"
Project(id=5)  # E: incompatible type "int"; expected "str"
Project(id="p1", nmae="x")  # E: Unexpected keyword argument "nmae"
print(Project(id="p1").nmae)  # E: has no attribute "nmae"
Project(id="p1").name.append("x")  # E: "str" has no attribute "append"

store = fluxstore.open("fluxstore.toml")
projects = store[Project]
store[5]  # E: No overload variant
projects.get()  # E: All overload variants
print(projects.get("p1").title)  # E: "Project" has no attribute "title"
print(projects.get("p1", None).name)  # E: Item "None" of "Project | None" has no attribute "name"
print(projects.get("p1", stale_ok=True).name)  # E: "Answer[Project]" has no attribute "name"
projects.create("p1")  # E: incompatible type "str"; expected "Project"
projects.create(Number(id=1))  # E: incompatible type "Number"; expected "Project"
projects.put({"id": "p1"})  # E: expected "Project"
projects.update("p1", expect="p1")  # E: incompatible type "str"; expected "Project | None"
projects.find(limit="5")  # E: incompatible type "str"; expected "int | None"
projects.find(order_by=["name"])  # E: incompatible type "list[str]"
print(projects.find()[0].title)  # E: "Project" has no attribute "title"
projects.delete()  # E: Missing positional argument "key"
projects.remove("p1")  # E: has no attribute "remove"
count: str = projects.count()  # E: Incompatible types in assignment
fluxstore.open(5)  # E: incompatible type "int"
fluxstore.starts_with(5)  # E: incompatible type "int"; expected "str"
with store.transaction() as nothing:
    nothing.commit()  # E: has no attribute "commit"
