"""The application's operations, over whichever backend ``fluxstore.toml`` says.

Nothing here knows where records live. Every change is logged; *by* is the id of who does it.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from entities import MemberRole, Milestone, Project, ProjectMember, ProjectStatus, Task, User

import fluxstore
from flux_studio.activity_log import ActivityLog

CONFIGURATION = Path(__file__).resolve().parent.parent / "fluxstore.toml"
Child = TypeVar("Child", Task, Milestone)


class FluxStudio:
    """Flux Studio: users, projects, members, tasks, milestones and the log of activities."""

    def __init__(self, store: fluxstore.Store) -> None:
        self.store = store
        self.activities = ActivityLog(store)
        self.users = Users(store, self.activities)
        self.projects = Projects(store, self.activities)
        self.members = Members(store, self.activities)
        self.tasks = Children(store[Task], self.activities)
        self.milestones = Children(store[Milestone], self.activities)

    @classmethod
    def open(cls, configuration: Path = CONFIGURATION, *, backend: str | None = None) -> Self:
        """Open the application on the backend that the configuration, or *backend*, names."""
        return cls(fluxstore.open(configuration, backend=backend))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.store.close()


class Users:
    """Who uses the application."""

    def __init__(self, store: fluxstore.Store, log: ActivityLog) -> None:
        self._users, self._log = store[User], log

    def all(self, *, limit: int | None = None, after: str | None = None) -> fluxstore.Results[User]:
        """All users by name; with *limit* a page, which its ``cursor`` continues."""
        return self._users.find(order_by="name", limit=limit, after=after)

    def by_id(self, user_id: str) -> User | None:
        """A user by id."""
        return self._users.get(user_id, None)

    def by_email(self, email: str) -> User | None:
        """The user with an e-mail address."""
        return next(iter(self._users.find(email=email)), None)

    def create(self, user: User, *, by: str | None = None) -> User:
        """Write a new user; without *by*, who signs up does it."""
        with self._log.change():
            made = self._users.create(user)
            self._log.write("user.created", made.id, by=by or made.id)
        return made

    def update(self, user_id: str, *, by: str | None = None, **changes: Any) -> User:
        """Change some fields of a user."""
        with self._log.change():
            made = self._users.update(user_id, changes)
            self._log.write("user.updated", user_id, by=by or user_id, changed=changes)
        return made


class Projects:
    """What the studio works on."""

    def __init__(self, store: fluxstore.Store, log: ActivityLog) -> None:
        self._projects, self._members = store[Project], store[ProjectMember]
        self._log = log

    def all(
        self,
        *,
        organization_id: str | None = None,
        status: ProjectStatus | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> fluxstore.Results[Project]:
        """Projects of an organization, of a status, of both, or all; the newest first."""
        asked = {"organization_id": organization_id, "status": status}
        filters = {name: value for name, value in asked.items() if value is not None}
        return self._projects.find(filters, order_by="-created_at", limit=limit, after=after)

    def by_id(self, project_id: str) -> Project | None:
        """A project by id."""
        return self._projects.get(project_id, None)

    def create(
        self,
        project: Project,
        *,
        members: Mapping[str, MemberRole] | None = None,
        by: str | None = None,
    ) -> Project:
        """Write a new project with its members; who manages it is its owner unless said."""
        roles = dict(members or {})
        if project.manager_id is not None:
            roles.setdefault(project.manager_id, "owner")
        with self._log.change():
            made = self._projects.create(project)
            for user_id, role in roles.items():
                self._members.create(ProjectMember(project_id=made.id, user_id=user_id, role=role))
            self._log.write("project.created", made.id, project=made, by=by)
        return made

    def update(self, project_id: str, *, by: str | None = None, **changes: Any) -> Project:
        """Change some fields of a project."""
        with self._log.change():
            made = self._projects.update(project_id, changes)
            self._log.write("project.updated", made.id, project=made, by=by, changed=changes)
        return made

    def delete(self, project_id: str, *, by: str | None = None) -> None:
        """Delete a project with what it holds; its activities stay, and know its name."""
        with self._log.change():
            project = self._projects.get(project_id)
            self._projects.delete(project_id)
            self._log.write("project.deleted", project_id, project=project, gone=True, by=by)


class Members:
    """Who takes part in a project, and as what."""

    def __init__(self, store: fluxstore.Store, log: ActivityLog) -> None:
        self._members, self._log = store[ProjectMember], log

    def of(self, project_id: str) -> fluxstore.Results[ProjectMember]:
        """The members of a project."""
        return self._members.find(project_id=project_id)

    def add(
        self, project_id: str, user_id: str, role: MemberRole, *, by: str | None = None
    ) -> ProjectMember:
        """Make a user a member of a project."""
        with self._log.change():
            made = self._members.create(
                ProjectMember(project_id=project_id, user_id=user_id, role=role)
            )
            self._log.write("member.added", user_id, project=project_id, by=by)
        return made

    def update(
        self, project_id: str, user_id: str, role: MemberRole, *, by: str | None = None
    ) -> ProjectMember:
        """Give a member another role."""
        with self._log.change():
            made = self._members.update((project_id, user_id), role=role)
            self._log.write("member.updated", user_id, project=project_id, by=by, changed=["role"])
        return made

    def remove(self, project_id: str, user_id: str, *, by: str | None = None) -> None:
        """Take a user out of a project."""
        with self._log.change():
            self._members.delete((project_id, user_id))
            self._log.write("member.removed", user_id, project=project_id, by=by)


class Children(Generic[Child]):
    """The tasks, or the milestones, that projects hold."""

    def __init__(self, records: fluxstore.Records[Child], log: ActivityLog) -> None:
        self._records: fluxstore.Records[Child] = records
        self._log = log
        self._kind = records.entity.cls.__name__.lower()

    def of(self, project_id: str) -> fluxstore.Results[Child]:
        """Those of a project, the next due first."""
        return self._records.find(project_id=project_id, order_by="due_date")

    def by_id(self, record_id: str) -> Child | None:
        """One of them by id."""
        return self._records.get(record_id, None)

    def create(self, record: Child, *, by: str | None = None) -> Child:
        """Write a new one."""
        with self._log.change():
            made = self._records.create(record)
            self._log.write(f"{self._kind}.created", made.id, project=made.project_id, by=by)
        return made

    def update(self, record_id: str, *, by: str | None = None, **changes: Any) -> Child:
        """Change some fields of one."""
        with self._log.change():
            made = self._records.update(record_id, changes)
            self._log.write(
                f"{self._kind}.updated", made.id, project=made.project_id, by=by, changed=changes
            )
        return made

    def delete(self, record_id: str, *, by: str | None = None) -> None:
        """Delete one."""
        with self._log.change():
            gone = self._records.get(record_id)
            self._records.delete(record_id)
            self._log.write(f"{self._kind}.deleted", record_id, project=gone.project_id, by=by)
