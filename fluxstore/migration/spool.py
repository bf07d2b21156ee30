"""Lists that may be as long as the data: kept on disk, the first of them at hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.migration.scratch import Lines, Scratch
from fluxstore.records import Problem, Reason, Record, Rejected, Residue, Version

SHOWN = 1000


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as a JSON object; what it does not say is left out."""
    return {name: str(part) for name, part in attrs.asdict(problem).items() if part}


def problem_from_json(value: dict[str, Any]) -> Problem:
    """Return the problem of a JSON object."""
    return Problem(**{**value, "reason": Reason(value["reason"])})


class Problems:
    """What stays behind of one entity, with its bytes."""

    def __init__(self, scratch: Scratch) -> None:
        """Begin empty."""
        self._lines = scratch.lines()
        self.first: list[Problem] = []
        """The first thousand, for a report that must fit in memory."""

    def __len__(self) -> int:
        """Count the problems."""
        return len(self._lines)

    def add(self, rejected: Rejected) -> None:
        """Add one."""
        if len(self.first) < SHOWN:
            self.first.append(rejected.problem)
        raw = base64.b64encode(rejected.raw).decode("ascii")
        self._lines.add([problem_to_json(rejected.problem), raw])

    def __iter__(self) -> Iterator[Rejected]:
        """Yield all of them, from disk."""
        for problem, raw in self._lines:
            yield Rejected(problem_from_json(problem), base64.b64decode(raw))


class Records:
    """Records of one entity, put aside until they can be tried again."""

    def __init__(self, scratch: Scratch, entity: Entity) -> None:
        """Begin empty."""
        self._lines: Lines = scratch.lines()
        self._to_json, self._from_json = converters(entity)

    def __len__(self) -> int:
        """Count the records."""
        return len(self._lines)

    def add(self, record: Record, rejected: Rejected) -> None:
        """Add a record and why it was refused."""
        raw = base64.b64encode(rejected.raw).decode("ascii")
        problem = problem_to_json(rejected.problem)
        self._lines.add([self._to_json(record), problem, raw])

    def __iter__(self) -> Iterator[tuple[Record, Rejected]]:
        """Yield what was added, from disk."""
        for record, problem, raw in self._lines:
            rejected = Rejected(problem_from_json(problem), base64.b64decode(raw))
            yield self._from_json(record), rejected

    def close(self) -> None:
        """Let go of everything."""
        self._lines.close()


def converters(
    entity: Entity,
) -> tuple[Callable[[Record], dict[str, Any]], Callable[[dict[str, Any]], Record]]:
    """Return the functions from a record to a JSON object and back, losing nothing."""
    codec = Codec.of(entity)

    def to_json(record: Record) -> dict[str, Any]:
        made: dict[str, Any] = {
            "key": codec.key_text(record.key),
            "values": codec.encode(record.values),
        }
        if residue := record.residue.to_json():
            made["residue"] = residue
        if record.version != Version(0, 1):
            made["version"] = [record.version.epoch, record.version.seq]
        return made

    def from_json(value: dict[str, Any]) -> Record:
        return Record(
            codec.key_of_text(value["key"]),
            {name: codec.decoders[name](each) for name, each in value["values"].items()},
            Residue.from_json(value.get("residue")),
            Version(*value.get("version", (0, 1))),
        )

    return to_json, from_json


def document_bytes(codec: Codec, record: Record) -> bytes:
    """Return a decoded record's document, for a quarantine that keeps what stayed behind."""
    spelling = {n: s for n, s in record.residue.spelling.items() if not isinstance(s, dict)}
    document = {**codec.encode(record.values), **spelling, **record.residue.extras}
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def at_source(rejected: Rejected, record: Record, codec: Codec, place: str) -> Rejected:
    """Return what a target refused as a problem of the source's file, with the record's bytes."""
    problem = attrs.evolve(rejected.problem, file=place)
    return Rejected(problem, rejected.raw or document_bytes(codec, record))
