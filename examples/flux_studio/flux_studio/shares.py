"""How often each awkward part of Flux Studio's data occurs, and how records divide over kinds."""

from attrs import frozen


@frozen
class Shares:
    """The share of each awkward part, 0 to 1; of the records named at its right."""

    numeric_user_id: float = 0.05  # users: the id is 13 digits, as a string, not a UUID
    google_user: float = 0.30  # users: googleId and no password
    escaped_name: float = 0.10  # users, projects, channels: HTML-escaped text in the name
    unicode_name: float = 0.15  # users, projects, channels: text beyond ASCII in the name
    null_team: float = 0.25  # projects, channels: "teamId": null
    missing_team: float = 0.20  # projects, channels: no teamId
    null_due_date: float = 0.20  # projects, tasks, milestones: "dueDate": null
    missing_due_date: float = 0.15  # projects, tasks, milestones: no dueDate
    title_milestone: float = 0.50  # milestones: says title instead of name
    undeclared: float = 0.10  # users, projects, tasks, messages: fields that nobody declared
    whole_second: float = 0.15  # timestamps: .000Z
    offset: float = 0.05  # timestamps: +05:30
    no_fraction: float = 0.05  # timestamps: no fraction of a second
    missing_created: float = 0.01  # users, tasks: no createdAt
    missing_updated: float = 0.03  # projects, tasks: no updatedAt
    absent_children: float = 0.33  # projects without children of a kind: no array instead of []
    empty_text: float = 0.03  # tasks: "description": ""
    null_text: float = 0.05  # tasks: "description": null
    reply: float = 0.20  # messages: answers an earlier one of its channel
    mention: float = 0.15  # messages: mentions users
    attachment: float = 0.05  # messages: carries attachments


SHARES = Shares()

# One folder in three (seed % 3 == 2) has {"files": []}, and every project's files array is empty.
EMPTY_FILES_SEED = (3, 2)

# Of 1,000 records; activities take what is left.
PER_THOUSAND = {
    "users": 20,
    "teams": 2,
    "projects": 30,
    "members": 100,
    "milestones": 40,
    "tasks": 450,
    "channels": 6,
    "messages": 150,
    "files": 12,
}

# How unevenly projects hold children; every eighth project repeats the pattern.
CHILDREN = {
    "members": (2, 4, 3, 5, 1, 6, 3, 2),
    "milestones": (1, 0, 2, 1, 3, 0, 1, 2),
    "tasks": (4, 0, 1, 2, 9, 3, 0, 1),
}
