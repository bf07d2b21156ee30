"""The log of activities: what changed, in which project, by whom, with the names they had."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from uuid import uuid4

from entities import Activity, Project, User

import fluxstore
from fluxstore.errors import UnsupportedError


class ActivityLog:
    """Writes an activity beside every change, and reads them back."""

    def __init__(self, store: fluxstore.Store) -> None:
        self._store = store
        self._activities = store[Activity]
        self._users, self._projects = store[User], store[Project]

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make a change and its activity one transaction, where the backend has transactions."""
        with ExitStack() as stack:
            with suppress(UnsupportedError):
                stack.enter_context(self._store.transaction())
            yield

    def write(
        self,
        event: str,
        entity_id: str,
        *,
        by: str | None,
        project: Project | str | None = None,
        gone: bool = False,
        changed: Iterable[str] = (),
    ) -> Activity:
        """Log *event* (``task.created``) about *entity_id*, by the user *by*.

        *project* is the project it belongs to, or its id; one that is *gone* is named only.
        """
        if isinstance(project, str):
            project = self._projects.get(project)
        user = None if by is None else self._users.get(by)
        names = sorted(changed)
        return self._activities.create(
            Activity(
                id=str(uuid4()),
                project_id=None if project is None or gone else project.id,
                project_name=None if project is None else project.name,
                user_id=None if user is None else user.id,
                user_name=None if user is None else user.name,
                type=event,
                entity_type=event.partition(".")[0],
                entity_id=entity_id,
                metadata={"changed": names} if names else {},
            )
        )

    def of(self, project_id: str, *, limit: int = 50) -> list[Activity]:
        """What happened in a project, the newest first."""
        return self._activities.find(project_id=project_id, order_by="-created_at", limit=limit)
