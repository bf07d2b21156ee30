"""Plants spoiled records among the good ones, and keeps the list of what was planted."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from attrs import frozen

from flux_studio.faults import CASES, Case
from flux_studio.plan import Plan
from flux_studio.shapes import Record, Shapes

NESTED = frozenset({"members", "milestones", "tasks"})
_KEY = re.compile(rb'\{"(?:id|userId)":("(?:[^"\\]|\\.)*")')
_MAKERS: dict[str, Callable[[Shapes, int], Record]] = {
    "users": Shapes.user,
    "teams": Shapes.team,
    "projects": Shapes.project,
    "milestones": Shapes.milestone,
    "tasks": Shapes.task,
    "channels": Shapes.channel,
    "messages": Shapes.message,
    "files": Shapes.file,
    "activities": Shapes.activity,
}


@frozen
class Planted:
    """One planted list item: where it stands, and what a reader should make of it."""

    case: str
    kind: str
    file: str
    parent: str | None
    index: int
    key: str | None
    field: str | None
    outcome: str
    reason: str


def chosen(plan: Plan, faults: float) -> Iterator[Case]:
    """As many cases as the share *faults* of the plan's records asks for, each at least once."""
    wanted = max(len(CASES), round(plan.records * faults)) if faults else 0
    times: Counter[Case] = Counter()
    left = [case for case in CASES if plan.counts[case.kind]]
    while wanted > 0 and left:
        for case in left[:wanted]:
            times[case] += 1
            yield case
        wanted -= len(left)
        left = [case for case in left if case.most is None or times[case] < case.most]


class Planter:
    """Makes what stands among the good records; nothing at all where *faults* is 0."""

    def __init__(self, plan: Plan, faults: float) -> None:
        self.plan, self.planted = plan, list[Planted]()
        self._shapes = Shapes(plan, "planted")
        self._made: Counter[str] = Counter()
        self._items: Counter[str] = Counter()
        self._beds: dict[tuple[str, int], list[Case]] = defaultdict(list)
        cases = list(chosen(plan, faults))
        seen: Counter[str] = Counter()
        totals = Counter(case.kind for case in cases)
        for case in cases:
            seen[case.kind] += 1
            room = plan.counts["projects" if case.kind in NESTED else case.kind]
            bed = seen[case.kind] * room // (totals[case.kind] + 1)
            self._beds[case.kind, bed].append(case)

    def before(self, kind: str, index: int) -> list[bytes]:
        """What stands before the good record *index* of a kind that has a file of its own."""
        items: list[bytes] = []
        for case in self._beds.pop((kind, index), ()):
            at = index + self._items[kind]
            made = self._plant(case, self._record(kind), None, at)
            self._items[kind] += len(made)
            items += made
        return items

    def within(self, kind: str, project: int, children: int) -> list[bytes]:
        """What stands after the *children* good records of a kind that a project holds."""
        items: list[bytes] = []
        parent = self.plan.identifier("project", project)
        for place, case in enumerate(self._beds.pop((kind, project), ()), children):
            record = self._member(project, place) if kind == "members" else self._record(kind)
            if record:
                items += self._plant(case, record, parent, children + len(items))
        return items

    def _record(self, kind: str) -> Record:
        """A good record beyond the planned ones, to which nothing refers."""
        number = self._made[kind]
        self._made[kind] += 1
        record = _MAKERS[kind](self._shapes, self.plan.counts[kind] + number)
        record["id"] = self.plan.identifier(f"planted {kind}", number)
        record.pop("replyTo", None)
        return record

    def _member(self, project: int, place: int) -> Record | None:
        """A user who is no member of the project yet; None where everybody is."""
        free = place < self.plan.counts["users"]
        return self._shapes.member(project, place) if free else None

    def _plant(self, case: Case, record: Record, parent: str | None, index: int) -> list[bytes]:
        items = case.spoil(record)
        file = "projects.json" if parent else f"{case.kind}.json"
        for at, item in enumerate(items, index):
            key = _key(item, case)
            self.planted.append(
                Planted(
                    case.name,
                    case.kind,
                    file,
                    parent,
                    at,
                    key,
                    case.field,
                    case.outcome,
                    case.reason,
                )
            )
        return items


def _key(item: bytes, case: Case) -> str | None:
    """The item's key (a member's: the user's id); None where the fault is in the key."""
    of_key = "userId" if case.kind == "members" else "id"
    in_key = case.field == of_key and case.outcome == "quarantined"
    found = _KEY.match(item)
    if found is None or (in_key and case.name != "J17"):
        return None
    return str(json.loads(found[1]))
