"""Writes a folder of JSON files as the application does, one record at a time."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from flux_studio.plan import Plan
from flux_studio.planting import Planter
from flux_studio.shapes import Record, Shapes, files_of
from flux_studio.shares import SHARES

_BLOCK_BYTES = 1 << 20

# What stands beside the records in a file: before them, and after.
BESIDE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "users": ({"version": 3}, {"lastUpdated": "2025-02-03T04:05:06.007Z", "settings": {"x": None}}),
    "projects": ({}, {"nextNumber": 4711, "note": "saved by Flux Studio &amp; friends"}),
    "channels": ({"$schema": "channels-v1", "tags": []}, {}),
}


class Folder:
    """The files of one plan, made record by record; memory does not grow with the plan."""

    def __init__(self, plan: Plan, planter: Planter, *, compact: bool) -> None:
        self.plan, self._planter, self._compact = plan, planter, compact

    def write(self, directory: Path) -> None:
        """Write every file of the application into *directory*."""
        makers = {
            "users": Shapes.user,
            "teams": Shapes.team,
            "channels": Shapes.channel,
            "messages": Shapes.message,
            "files": Shapes.file,
            "activities": Shapes.activity,
        }
        for kind, make in makers.items():
            self._write_file(directory / f"{kind}.json", kind, self._alone(kind, make))
        self._write_file(directory / "projects.json", "projects", self._projects())

    def _alone(self, kind: str, make: Callable[[Shapes, int], Record]) -> Iterator[bytes]:
        shapes = Shapes(self.plan, kind)
        for number in range(self.plan.counts[kind]):
            yield from self._planter.before(kind, number)
            yield self._text(make(shapes, number))

    def _projects(self) -> Iterator[bytes]:
        shapes = Shapes(self.plan, "projects")
        first = {"tasks": 0, "milestones": 0}
        counts = (self.plan.children(kind) for kind in ("members", "tasks", "milestones"))
        for number, (members, tasks, milestones) in enumerate(zip(*counts, strict=True)):
            yield from self._planter.before("projects", number)
            record = shapes.project(number)
            held: dict[str, list[Any]] = {
                "members": [shapes.member(number, place) for place in range(members)],
                "tasks": [shapes.task(first["tasks"] + at) for at in range(tasks)],
                "milestones": [
                    shapes.milestone(first["milestones"] + at) for at in range(milestones)
                ],
                "files": list(files_of(self.plan, number)),
            }
            first["tasks"] += tasks
            first["milestones"] += milestones
            yield self._project(shapes, number, record, held)

    def _project(
        self, shapes: Shapes, number: int, record: Record, held: dict[str, list[Any]]
    ) -> bytes:
        """A project with what it holds; an empty array is sometimes left out."""
        spoiled = False
        for kind, children in held.items():
            planted = self._planter.within(kind, number, len(children))
            spoiled = spoiled or bool(planted)
            children.extend(map(msgspec.Raw, planted))
            if children or shapes.dice.random() >= SHARES.absent_children:
                record[kind] = children
        return msgspec.json.encode(record) if spoiled else self._text(record)

    def _text(self, record: Record) -> bytes:
        made = msgspec.json.encode(record)
        if self._compact:
            return made
        return msgspec.json.format(made, indent=2).replace(b"\n", b"\n    ")

    def _write_file(self, path: Path, name: str, items: Iterator[bytes]) -> None:
        before, after = BESIDE.get(name, ({}, {}))
        end, inner, gap = (b"", b"", b"") if self._compact else (b"\n", b"  ", b" ")
        between = b"," + end
        first = next(items, None)
        opening = b"".join(inner + self._pair(key, before[key]) + between for key in before)
        closing = b"".join(between + inner + self._pair(key, after[key]) for key in after)
        with path.open("wb", buffering=_BLOCK_BYTES) as file:
            file.write(b"{" + end + opening + inner + f'"{name}":'.encode() + gap + b"[")
            if first is not None:
                margin = end + inner * 2
                file.write(margin + first)
                file.writelines(chain.from_iterable((b",", margin, item) for item in items))
                file.write(end + inner)
            file.write(b"]" + closing + end + b"}" + end)

    def _pair(self, key: str, value: object) -> bytes:
        made = msgspec.json.encode({key: value})
        if self._compact:
            return made[1:-1]
        return msgspec.json.format(made, indent=2)[4:-2]
