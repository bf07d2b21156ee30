"""Flux Studio's kinds of record, as the application sees them whichever backend answers.

``entities_business.py`` has those of offers, bills and portfolios: 23 together. ``sql/flux_studio``
holds the same rules as tables; a test compares the two.
"""

from datetime import datetime
from typing import Any, Literal

from fluxstore import entity, field

EMAIL = r"^[^@ ]+@[^@ ]+\.[^@ ]+$"
Priority = Literal["low", "medium", "high", "critical"]
ProjectStatus = Literal[
    "planning", "active", "on-hold", "review", "completed", "cancelled", "archived"
]
TaskStatus = Literal["todo", "in-progress", "review", "blocked", "completed"]
MilestoneStatus = Literal["pending", "in-progress", "completed", "cancelled"]
MemberRole = Literal["owner", "manager", "contributor", "client", "viewer"]


@entity("users", unique=[("oauth_provider", "oauth_id")])
class User:
    """Everyone who signs in, by password or through an identity provider."""

    id: str
    email: str = field(unique=True, pii=True, pattern=EMAIL)
    name: str = field(pii=True)
    user_type: Literal["client", "designer", "admin"] = "client"
    password_hash: str | None = field(default=None, pii=True)
    oauth_provider: str | None = None
    oauth_id: str | None = field(default=None, pii=True)
    avatar_url: str | None = None
    is_active: bool = True
    settings: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("organizations")
class Organization:
    """A company that teams, invoices and service packages belong to."""

    id: str
    name: str
    slug: str = field(unique=True)
    description: str | None = None
    logo_url: str | None = None
    billing_email: str | None = field(default=None, pii=True, pattern=EMAIL)
    settings: dict[str, Any] = field(factory=dict)
    created_by: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("organization_members", key=("organization_id", "user_id"))
class OrganizationMember:
    """A user's place in an organization."""

    organization_id: str = field(references="organizations", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade", index=True)
    role: Literal["owner", "admin", "member", "viewer"] = "member"
    joined_at: datetime | None = field(default=None, auto="created")


@entity("teams", unique=[("organization_id", "slug")])
class Team:
    """A group of users; its organization may be one that is not recorded yet."""

    id: str
    name: str
    slug: str | None = None
    description: str | None = None
    organization_id: str | None = None
    created_by: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("team_members", key=("team_id", "user_id"))
class TeamMember:
    """A user's place in a team."""

    team_id: str = field(references="teams", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade", index=True)
    role: Literal["owner", "lead", "member"] = "member"
    joined_at: datetime | None = field(default=None, auto="created")


@entity("projects")
class Project:
    """A piece of work; its organization may be one that is not recorded yet."""

    id: str
    name: str
    description: str | None = None
    team_id: str | None = field(default=None, references="teams", on_delete="set_null", index=True)
    organization_id: str | None = field(default=None, index=True)
    manager_id: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    status: ProjectStatus = "planning"
    priority: Priority = "medium"
    start_date: datetime | None = None
    due_date: datetime | None = None
    progress: int = field(default=0, minimum=0, maximum=100)
    files: list[str] = field(factory=list)
    metadata: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("project_members", key=("project_id", "user_id"))
class ProjectMember:
    """A user's part in a project; whoever made the project is its owner."""

    project_id: str = field(references="projects", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade", index=True)
    role: MemberRole = "contributor"
    joined_at: datetime | None = field(default=None, auto="created")


@entity("milestones")
class Milestone:
    """A point that a project reaches."""

    id: str
    project_id: str = field(references="projects", on_delete="cascade", index=True)
    name: str
    description: str | None = None
    status: MilestoneStatus = "pending"
    due_date: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("tasks")
class Task:
    """Something to do in a project."""

    id: str
    project_id: str = field(references="projects", on_delete="cascade", index=True)
    title: str
    description: str | None = None
    status: TaskStatus = "todo"
    priority: Priority = "medium"
    assigned_to: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    created_by: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    due_date: datetime | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("activities")
class Activity:
    """Something that happened; kept when its user or project is gone."""

    id: str
    project_id: str | None = field(
        default=None, references="projects", on_delete="set_null", index=True
    )
    project_name: str | None = None
    user_id: str | None = field(default=None, references="users", on_delete="set_null", index=True)
    user_name: str | None = field(default=None, pii=True)
    type: str
    entity_type: str
    entity_id: str
    description: str | None = None
    metadata: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")


@entity("files")
class File:
    """Something uploaded; its bytes are elsewhere."""

    id: str
    name: str
    original_name: str | None = None
    mime_type: str | None = None
    size_bytes: int = field(default=0, minimum=0)
    url: str | None = None
    project_id: str | None = field(
        default=None, references="projects", on_delete="cascade", index=True
    )
    uploaded_by: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    tags: list[str] = field(factory=list)
    metadata: dict[str, Any] = field(factory=dict)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("file_permissions", key=("file_id", "user_id"))
class FilePermission:
    """What a user may do with a file."""

    file_id: str = field(references="files", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade", index=True)
    permission: Literal["view", "comment", "edit", "owner"] = "view"
    granted_by: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    granted_at: datetime | None = field(default=None, auto="created")
    expires_at: datetime | None = None


@entity("conversations")
class Conversation:
    """A channel of messages, of a team, of a project, or of neither."""

    id: str
    name: str | None = None
    type: Literal["direct", "group", "channel"] = "channel"
    team_id: str | None = field(default=None, references="teams", on_delete="cascade", index=True)
    project_id: str | None = field(
        default=None, references="projects", on_delete="cascade", index=True
    )
    created_by: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    is_archived: bool = False
    metadata: dict[str, Any] = field(factory=dict)
    last_message_at: datetime | None = None
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("conversation_participants", key=("conversation_id", "user_id"))
class ConversationParticipant:
    """A user's place in a conversation."""

    conversation_id: str = field(references="conversations", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade", index=True)
    role: Literal["owner", "admin", "member"] = "member"
    is_muted: bool = False
    last_read_at: datetime | None = None
    joined_at: datetime | None = field(default=None, auto="created")


@entity("messages")
class Message:
    """What somebody said in a conversation."""

    id: str
    conversation_id: str = field(references="conversations", on_delete="cascade", index=True)
    author_id: str | None = field(
        default=None, references="users", on_delete="set_null", index=True
    )
    content: str = field(default="", pii=True)
    type: Literal["text", "image", "file", "system"] = "text"
    attachments: list[dict[str, Any]] = field(factory=list)
    mentions: list[str] = field(factory=list)
    reply_to_id: str | None = field(
        default=None, references="messages", on_delete="set_null", index=True
    )
    is_edited: bool = False
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("message_reactions", key=("message_id", "user_id", "reaction"))
class MessageReaction:
    """A user's reaction to a message: an emoji or a word."""

    message_id: str = field(references="messages", on_delete="cascade")
    user_id: str = field(references="users", on_delete="cascade", index=True)
    reaction: str
    created_at: datetime | None = field(default=None, auto="created")


@entity("notifications")
class Notification:
    """Something a user should see."""

    id: str
    user_id: str = field(references="users", on_delete="cascade", index=True)
    type: str
    title: str
    message: str | None = None
    data: dict[str, Any] = field(factory=dict)
    is_read: bool = False
    read_at: datetime | None = None
    expires_at: datetime | None = None
    created_at: datetime | None = field(default=None, auto="created")
