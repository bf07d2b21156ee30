"""The example application's operations, alike over every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flux_studio_example import configuration, importable

import fluxstore
from fluxstore import Plugins, hookimpl
from fluxstore.errors import (
    CheckError,
    ConstraintError,
    EntityError,
    RecordExistsError,
    RecordNotFoundError,
)
from fluxstore.testing.reference import ReferenceAdapter

with importable():
    from entities import Activity, Milestone, Project, ProjectMember, Task, User
    from flux_studio.app import FluxStudio

NOW = datetime.now(UTC)
OLD_ID = "1500000000007"
BACKENDS = ["reference", "postgres", "sqlite", "json"]


class Offers:
    """Registers the reference adapter."""

    @hookimpl
    def fluxstore_register_adapters(self, register: Callable[[str, Any], None]) -> None:
        register("reference", ReferenceAdapter)


@pytest.fixture(params=BACKENDS)
def studio(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    flux_studio_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FluxStudio]:
    """The application on each backend, with Ada, Bo and Ada's project ``p1``."""
    monkeypatch.setenv("DATABASE_URL", flux_studio_dsn)
    (tmp_path / "data").mkdir()
    plugins = Plugins.load()
    plugins.add(Offers(), name="offers")
    config = configuration(tmp_path, plugins=plugins, reference="reference")
    with FluxStudio(fluxstore.open(config, backend=request.param, plugins=plugins)) as opened:
        opened.users.create(User(id=OLD_ID, email="ada@example.com", name="Ada &amp; Co"))
        opened.users.create(User(id="u2", email="bo@example.com", name="Bo", user_type="designer"))
        opened.projects.create(Project(id="p1", name="Logo", manager_id=OLD_ID), by=OLD_ID)
        yield opened


def events(studio: FluxStudio) -> list[str]:
    """Return the types of all activities, the oldest first."""
    found = studio.store[Activity].find(order_by="created_at")
    return [activity.type for activity in found]


# Users


def test_a_user_is_found_by_id_and_by_email(studio: FluxStudio) -> None:
    assert studio.users.by_id("u2") == studio.users.by_email("bo@example.com")
    assert studio.users.by_id("nobody") is None
    assert studio.users.by_email("BO@example.com") is None


def test_all_users_come_by_name_in_pages(studio: FluxStudio) -> None:
    first = studio.users.all(limit=1)
    second = studio.users.all(limit=1, after=first.cursor)
    assert [["Ada &amp; Co"], ["Bo"]] == [[user.name for user in page] for page in (first, second)]


def test_two_users_never_share_an_email_address(studio: FluxStudio) -> None:
    before = events(studio)
    with pytest.raises(ConstraintError):
        studio.users.create(User(id="u3", email="bo@example.com", name="Third"))
    assert studio.users.by_id("u3") is None
    assert before == events(studio)


def test_an_updated_user_keeps_what_was_not_named(studio: FluxStudio) -> None:
    changed = studio.users.update("u2", name="Bodil")
    assert (changed.name, changed.email, changed.user_type) == (
        "Bodil",
        "bo@example.com",
        "designer",
    )
    assert changed == studio.users.by_id("u2")


# Projects


def test_projects_are_filtered_by_organization_and_status(studio: FluxStudio) -> None:
    for number, (organization, status) in enumerate(
        [("o1", "active"), ("o1", "review"), ("o2", "active"), (None, "active")]
    ):
        studio.projects.create(
            Project(id=f"q{number}", name="Q", organization_id=organization, status=status)
        )
    assert {"q0", "q1"} == {p.id for p in studio.projects.all(organization_id="o1")}
    assert {"q0", "q2", "q3"} == {p.id for p in studio.projects.all(status="active")}
    found = studio.projects.all(organization_id="o1", status="active")
    assert ["q0"] == [project.id for project in found]
    assert len(studio.projects.all()) == 5


def test_a_project_is_created_with_its_members(studio: FluxStudio) -> None:
    studio.projects.create(
        Project(id="p2", name="Two", manager_id=OLD_ID), members={"u2": "viewer"}, by=OLD_ID
    )
    assert {(OLD_ID, "owner"), ("u2", "viewer")} == {
        (member.user_id, member.role) for member in studio.members.of("p2")
    }


def test_a_project_with_an_unknown_member_is_not_created_at_all(studio: FluxStudio) -> None:
    before = events(studio)
    with pytest.raises(ConstraintError):
        studio.projects.create(Project(id="p2", name="Two"), members={"nobody": "viewer"})
    assert studio.projects.by_id("p2") is None
    assert before == events(studio)


def test_a_deleted_project_takes_what_it_holds_and_leaves_its_history(studio: FluxStudio) -> None:
    studio.tasks.create(Task(id="t1", title="T", project_id="p1"), by=OLD_ID)
    studio.milestones.create(Milestone(id="m1", name="M", project_id="p1"), by=OLD_ID)
    studio.projects.delete("p1", by="u2")
    assert studio.projects.by_id("p1") is None
    assert studio.tasks.by_id("t1") is None
    assert studio.milestones.by_id("m1") is None
    assert studio.members.of("p1") == []
    last = studio.store[Activity].find(order_by="-created_at")[0]
    assert (last.type, last.entity_id, last.project_id) == ("project.deleted", "p1", None)
    assert (last.project_name, last.user_name) == ("Logo", "Bo")
    assert all(activity.project_id is None for activity in studio.store[Activity].find())


# Members, tasks, milestones


def test_regression_16_members_have_operations(studio: FluxStudio) -> None:
    studio.members.add("p1", "u2", "viewer")
    assert studio.members.update("p1", "u2", "manager").role == "manager"
    assert ["manager", "owner"] == sorted(member.role for member in studio.members.of("p1"))
    studio.members.remove("p1", "u2")
    assert [OLD_ID] == [member.user_id for member in studio.members.of("p1")]


def test_regression_16_milestones_have_operations(studio: FluxStudio) -> None:
    studio.milestones.create(Milestone(id="m1", name="First", project_id="p1"))
    studio.milestones.create(Milestone(id="m2", name="Second", project_id="p1", due_date=NOW))
    assert ["m2", "m1"] == [milestone.id for milestone in studio.milestones.of("p1")]
    changed = studio.milestones.update("m1", status="completed", completed_at=NOW)
    assert (changed.status, changed.completed_at, changed.name) == ("completed", NOW, "First")
    studio.milestones.delete("m2")
    assert [changed] == studio.milestones.of("p1")


def test_tasks_of_a_project_come_the_next_due_first(studio: FluxStudio) -> None:
    studio.projects.create(Project(id="p2", name="Two"))
    studio.tasks.create(Task(id="t1", title="Later", project_id="p1", due_date=NOW))
    studio.tasks.create(Task(id="t2", title="Some day", project_id="p1"))
    studio.tasks.create(
        Task(id="t3", title="Soon", project_id="p1", due_date=NOW - timedelta(days=1))
    )
    studio.tasks.create(Task(id="t4", title="Elsewhere", project_id="p2"))
    assert ["t3", "t1", "t2"] == [task.id for task in studio.tasks.of("p1")]


def test_a_task_of_no_project_is_refused(studio: FluxStudio) -> None:
    with pytest.raises(ConstraintError):
        studio.tasks.create(Task(id="t1", title="T", project_id="nowhere"))
    assert studio.tasks.by_id("t1") is None


def test_what_is_there_is_not_created_again(studio: FluxStudio) -> None:
    with pytest.raises(RecordExistsError):
        studio.projects.create(Project(id="p1", name="Again"))
    with pytest.raises(RecordExistsError):
        studio.members.add("p1", OLD_ID, "viewer")


def test_what_is_not_there_is_neither_updated_nor_deleted(studio: FluxStudio) -> None:
    for act in (
        lambda: studio.tasks.update("nothing", title="x"),
        lambda: studio.tasks.delete("nothing"),
        lambda: studio.milestones.delete("nothing"),
        lambda: studio.members.remove("p1", "u2"),
        lambda: studio.projects.delete("nothing"),
    ):
        with pytest.raises(RecordNotFoundError):
            act()


def test_regression_11_what_a_caller_names_is_a_field_or_refused(studio: FluxStudio) -> None:
    for name in ("updatedAt", "name = 'x' --", "manager_id; DROP TABLE users"):
        with pytest.raises(EntityError):
            studio.projects.update("p1", **{name: "x"})
    assert "Logo" == studio.store[Project].get("p1").name


def test_regression_12_updated_at_in_an_update_is_set_once_to_that(studio: FluxStudio) -> None:
    wanted = datetime(2024, 5, 6, tzinfo=UTC)
    assert studio.projects.update("p1", name="New", updated_at=wanted).updated_at == wanted
    assert studio.store[Project].get("p1").updated_at == wanted


def test_regression_22_an_id_of_13_digits_is_an_id_like_any(studio: FluxStudio) -> None:
    task = Task(id=OLD_ID, title="T", project_id="p1", assigned_to=OLD_ID, created_by=OLD_ID)
    studio.tasks.create(task, by=OLD_ID)
    assert studio.store[Task].find(assigned_to=OLD_ID)[0].id == OLD_ID
    assert [OLD_ID] == [member.user_id for member in studio.members.of("p1")]


@pytest.mark.parametrize("role", ["owner", "manager", "contributor", "client", "viewer"])
def test_regression_23_every_role_of_the_application_is_allowed(
    studio: FluxStudio, role: Any
) -> None:
    assert studio.members.add("p1", "u2", role).role == role


def test_regression_23_another_role_is_refused(studio: FluxStudio) -> None:
    role: Any = "captain"
    with pytest.raises(CheckError):
        studio.members.add("p1", "u2", role)
    assert studio.store[ProjectMember].get(("p1", "u2"), None) is None


def test_regression_18_what_a_deleted_user_leaves_behind_keeps_its_updated_at(
    studio: FluxStudio,
) -> None:
    made = studio.tasks.create(Task(id="t1", title="T", project_id="p1", assigned_to="u2"))
    studio.store[User].delete("u2")
    assert fluxstore.evolve(made, assigned_to=None) == studio.tasks.by_id("t1")


# Activities

CHANGES: list[tuple[str, Callable[[FluxStudio], object]]] = [
    ("user.created", lambda s: s.users.create(User(id="u3", email="c@example.com", name="C"))),
    ("user.updated", lambda s: s.users.update("u2", name="Bodil")),
    ("project.created", lambda s: s.projects.create(Project(id="p2", name="Two"))),
    ("project.updated", lambda s: s.projects.update("p1", status="active")),
    ("project.deleted", lambda s: s.projects.delete("p1")),
    ("member.added", lambda s: s.members.add("p1", "u2", "viewer")),
    ("member.updated", lambda s: s.members.update("p1", OLD_ID, "manager")),
    ("member.removed", lambda s: s.members.remove("p1", OLD_ID)),
    ("task.created", lambda s: s.tasks.create(Task(id="t2", title="T", project_id="p1"))),
    ("task.updated", lambda s: s.tasks.update("t1", status="review")),
    ("task.deleted", lambda s: s.tasks.delete("t1")),
    (
        "milestone.created",
        lambda s: s.milestones.create(Milestone(id="m2", name="M", project_id="p1")),
    ),
    ("milestone.updated", lambda s: s.milestones.update("m1", name="New")),
    ("milestone.deleted", lambda s: s.milestones.delete("m1")),
]


@pytest.mark.parametrize(("event", "change"), CHANGES, ids=[event for event, _ in CHANGES])
def test_every_change_is_logged_once(
    studio: FluxStudio, event: str, change: Callable[[FluxStudio], object]
) -> None:
    studio.tasks.create(Task(id="t1", title="T", project_id="p1"))
    studio.milestones.create(Milestone(id="m1", name="M", project_id="p1"))
    before = events(studio)
    change(studio)
    assert [*before, event] == events(studio)


def test_an_activity_names_who_did_what_where(studio: FluxStudio) -> None:
    studio.tasks.create(Task(id="t1", title="T", project_id="p1"), by="u2")
    studio.tasks.update("t1", by=OLD_ID, status="review", priority="high")
    updated, created = studio.activities.of("p1", limit=2)
    assert (created.type, created.entity_type, created.entity_id) == ("task.created", "task", "t1")
    assert (created.user_id, created.user_name) == ("u2", "Bo")
    assert (updated.user_id, updated.user_name) == (OLD_ID, "Ada &amp; Co")
    assert (updated.project_id, updated.project_name) == ("p1", "Logo")
    assert {"changed": ["priority", "status"]} == updated.metadata


def test_activities_of_a_project_come_newest_first_and_limited(studio: FluxStudio) -> None:
    studio.projects.create(Project(id="p2", name="Two"))
    for number in range(5):
        studio.tasks.create(Task(id=f"t{number}", title="T", project_id="p1"))
    found = studio.activities.of("p1", limit=3)
    assert ["t4", "t3", "t2"] == [activity.entity_id for activity in found]
    assert len(studio.activities.of("p1")) == 6
