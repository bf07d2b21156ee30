"""One record of each kind, in the application's own JSON shape."""

from collections.abc import Iterable
from typing import Any

from flux_studio import words
from flux_studio.dice import DAY_SECONDS, Dice, clock
from flux_studio.plan import Plan
from flux_studio.shares import SHARES

Record = dict[str, Any]
TASK_STATUSES = ("todo", "todo", "in-progress", "review", "blocked", "completed", "completed")
PROJECT_STATUSES = (
    "planning",
    "active",
    "active",
    "active",
    "on-hold",
    "review",
    "completed",
    "cancelled",
    "archived",
)
MILESTONE_STATUSES = ("pending", "pending", "in-progress", "completed", "cancelled")
PRIORITIES = ("low", "medium", "medium", "high", "critical")
MEMBER_ROLES = ("manager", "contributor", "contributor", "client", "viewer")
_HASH = "$2b$12$"
_EVENTS = ("task.created", "task.updated", "task.completed", "member.added", "project.updated")


class Shapes:
    """Makes the records of one stream; what it draws depends on the plan and the stream only."""

    def __init__(self, plan: Plan, stream: str) -> None:
        self.plan = plan
        self.dice = Dice(plan.seed, stream)

    def _user(self) -> str:
        return self.plan.user_id(self.dice.below(self.plan.counts["users"]))

    def _project(self) -> int:
        return self.dice.below(self.plan.counts["projects"])

    def _team(self, record: Record) -> None:
        """A team's id, null, or nothing."""
        draw, teams = self.dice.random(), self.plan.counts["teams"]
        if draw < SHARES.missing_team:
            return
        null = not teams or draw < SHARES.missing_team + SHARES.null_team
        record["teamId"] = None if null else self.plan.identifier("team", self.dice.below(teams))

    def _due(self, record: Record, after: int) -> None:
        """A day some weeks after, null, or nothing."""
        draw = self.dice.random()
        if draw < SHARES.missing_due_date:
            return
        null = draw < SHARES.missing_due_date + SHARES.null_due_date
        day = (after // DAY_SECONDS + int(draw * 90)) * DAY_SECONDS
        record["dueDate"] = None if null else f"{clock(day)}.000Z"

    def _stamps(self, record: Record, made: int) -> None:
        """createdAt and updatedAt, one of them rarely missing."""
        dice = self.dice
        if dice.random() >= SHARES.missing_created:
            record["createdAt"] = dice.stamp(made)
        if dice.random() >= SHARES.missing_updated:
            record["updatedAt"] = dice.stamp(made + dice.below(90 * DAY_SECONDS))

    def user(self, number: int) -> Record:
        """A user, with a password's hash or a Google id."""
        dice, plan = self.dice, self.plan
        name = plan.user_name(number)
        record: Record = {
            "id": plan.user_id(number),
            "email": f"user{number}.{plan.seed}@example.{dice.pick(('com', 'org', 'net'))}",
            "name": name,
            "userType": dice.pick(("client", "client", "designer", "designer", "admin")),
        }
        made = plan.identifier("secret", number).replace("-", "")
        if dice.random() < SHARES.google_user:
            record["googleId"] = f"1{number:09}{int(made[:10], 16) % 10**11:011}"
        else:
            record["password"] = f"{_HASH}{made}{made[:21]}"
        record["avatar"] = f"https://img.example.com/{made}.png" if dice.random() < 0.7 else None
        if dice.random() >= SHARES.missing_created:
            record["createdAt"] = dice.stamp(dice.second())
        if dice.random() < SHARES.undeclared:
            record["lastLogin"] = dice.stamp(dice.second())
            record["preferences"] = {"theme": "dark", "digest": None, "zoom": 1.25}
        return record

    def team(self, number: int) -> Record:
        """A team, whose slug is its own within the organization."""
        dice, plan = self.dice, self.plan
        made = dice.second()
        return {
            "id": plan.identifier("team", number),
            "name": f"{dice.pick(words.THINGS).title()} team",
            "slug": f"team-{number}",
            "description": dice.pick(words.SHORT_TEXTS),
            "organizationId": plan.identifier("organization", dice.below(plan.organizations)),
            "createdBy": self._user(),
            "createdAt": dice.stamp(made),
            "updatedAt": dice.stamp(made + dice.below(DAY_SECONDS)),
        }

    def project(self, number: int) -> Record:
        """A project without its children."""
        dice, plan = self.dice, self.plan
        made = dice.second()
        record: Record = {
            "id": plan.identifier("project", number),
            "name": plan.project_name(number),
            "description": dice.pick(words.TEXTS),
        }
        self._team(record)
        organization = plan.identifier("organization", number % plan.organizations)
        record |= {
            "organizationId": organization if dice.random() < 0.9 else None,
            "status": dice.pick(PROJECT_STATUSES),
            "priority": dice.pick(PRIORITIES),
            "startDate": dice.stamp(made),
        }
        self._due(record, made)
        record["progress"] = dice.below(101)
        record["createdBy"] = self.owner(number)
        self._stamps(record, made)
        record["channelMetadata"] = {
            "channel": f"project-{number}",
            "pinned": [dice.below(100), 9007199254740993],
            "notify": {"mail": dice.random() < 0.5, "topic": dice.pick(words.THINGS_UNICODE)},
        }
        if dice.random() < SHARES.undeclared:
            record["color"] = f"#{dice.below(1 << 24):06x}"
            record["legacy"] = {"source": "v1", "tags": [], "note": None, "score": 0.1}
        return record

    def owner(self, project: int) -> str:
        """The id of the user who made project *project*, its first member."""
        return self.plan.user_id(project * 7 % self.plan.counts["users"])

    def member(self, project: int, place: int) -> Record:
        """Member number *place* of a project; the first is its owner."""
        users = self.plan.counts["users"]
        role = "owner" if place == 0 else self.dice.pick(MEMBER_ROLES)
        return {
            "userId": self.plan.user_id((project * 7 + place) % users),
            "role": role,
            "joinedAt": self.dice.stamp(self.dice.second()),
        }

    def milestone(self, number: int) -> Record:
        """A milestone, whose name is under title or name."""
        dice = self.dice
        made, status = dice.second(), dice.pick(MILESTONE_STATUSES)
        said = "title" if dice.random() < SHARES.title_milestone else "name"
        record: Record = {
            "id": self.plan.identifier("milestone", number),
            said: f"{dice.pick(words.VERBS)} {dice.pick(words.THINGS)}",
            "status": status,
        }
        self._due(record, made)
        if status == "completed":
            record["completedAt"] = dice.stamp(made + dice.below(30 * DAY_SECONDS))
        record["createdAt"] = dice.stamp(made)
        return record

    def task(self, number: int) -> Record:
        """A task: twelve columns, some 600 bytes."""
        dice = self.dice
        made, status, draw = dice.second(), dice.pick(TASK_STATUSES), dice.random()
        record: Record = {
            "id": self.plan.identifier("task", number),
            "title": f"{dice.pick(words.VERBS)} {dice.pick(words.THINGS)} {number % 97}",
            "description": dice.pick(words.TEXTS),
            "status": status,
            "priority": dice.pick(PRIORITIES),
            "assignedTo": self._user() if draw < 0.8 else None,
            "createdBy": self._user(),
        }
        if draw > 1 - SHARES.empty_text:
            record["description"] = ""
        elif draw > 1 - SHARES.empty_text - SHARES.null_text:
            record["description"] = None
        self._due(record, made)
        if status == "completed":
            record["completedAt"] = dice.stamp(made + dice.below(30 * DAY_SECONDS))
        self._stamps(record, made)
        if dice.random() < SHARES.undeclared:
            record["estimatedHours"] = dice.below(80) / 2
            record["labels"] = [dice.pick(words.THINGS), dice.pick(words.THINGS_UNICODE)]
        return record

    def channel(self, number: int) -> Record:
        """A channel, which the relational side calls a conversation."""
        dice, plan = self.dice, self.plan
        record: Record = {
            "id": plan.identifier("channel", number),
            "name": plan.project_name(number + 17),
            "type": dice.pick(("channel", "channel", "group", "direct")),
        }
        self._team(record)
        if plan.counts["projects"] and dice.random() < 0.6:
            record["projectId"] = plan.identifier("project", self._project())
        made = dice.second()
        record |= {
            "createdBy": self._user(),
            "isArchived": dice.random() < 0.1,
            "createdAt": dice.stamp(made),
            "updatedAt": dice.stamp(made + dice.below(DAY_SECONDS)),
        }
        return record

    def message(self, number: int) -> Record:
        """A message; one that answers answers the one before it in its channel."""
        dice, plan, channels = self.dice, self.plan, self.plan.counts["channels"]
        record: Record = {
            "id": plan.identifier("message", number),
            "channelId": plan.identifier("channel", number % channels),
            "authorId": self._user(),
            "content": dice.pick(words.SHORT_TEXTS),
            "type": "text",
        }
        if dice.random() < SHARES.attachment:
            record["type"] = "file"
            record["attachments"] = [{"name": "sketch &amp; notes.pdf", "size": dice.below(10**7)}]
        record["mentions"] = [self._user()] if dice.random() < SHARES.mention else []
        if number >= channels and dice.random() < SHARES.reply:
            record["replyTo"] = plan.identifier("message", number - channels)
        record["createdAt"] = dice.stamp(dice.second())
        if dice.random() < SHARES.undeclared:
            record["clientTag"] = f"web-{dice.below(1000)}"
        return record

    def file(self, number: int) -> Record:
        """A file of the project whose files array names it."""
        dice, plan = self.dice, self.plan
        made = dice.second()
        return {
            "id": plan.identifier("file", number),
            "name": f"{dice.pick(words.THINGS)} {number}.png",
            "originalName": f"{dice.pick(words.THINGS_UNICODE)}.png",
            "mimeType": "image/png",
            "size": dice.below(1 << 33),
            "url": f"https://files.example.com/{number}",
            "projectId": plan.identifier("project", number % plan.counts["projects"]),
            "uploadedBy": self._user(),
            "tags": [dice.pick(words.THINGS)] if dice.random() < 0.5 else [],
            "metadata": {"width": dice.below(4000), "height": dice.below(4000)},
            "createdAt": dice.stamp(made),
        }

    def activity(self, number: int) -> Record:
        """An activity, with the names that its user and project have."""
        dice, plan = self.dice, self.plan
        user, project, event = dice.below(plan.counts["users"]), None, dice.pick(_EVENTS)
        record: Record = {"id": plan.identifier("activity", number)}
        if plan.counts["projects"]:
            project = self._project()
            record["projectId"] = plan.identifier("project", project)
            record["projectName"] = plan.project_name(project)
        subject = plan.user_id(user) if project is None else record["projectId"]
        record |= {
            "userId": plan.user_id(user),
            "userName": plan.user_name(user),
            "type": event,
            "entityType": "user" if project is None else "project",
            "entityId": subject,
            "description": f"{event.replace('.', ' ')} &ndash; {dice.pick(words.THINGS)}",
            "metadata": {"changed": [dice.pick(("status", "title", "dueDate"))]},
            "createdAt": dice.stamp(dice.second()),
        }
        return record


def files_of(plan: Plan, project: int) -> Iterable[str]:
    """The ids of the files of project *project*."""
    numbers = range(project, plan.counts["files"], plan.counts["projects"])
    return [plan.identifier("file", number) for number in numbers]
