"""What every process of a workload did, as it says itself: one line at each begin and each end.

A line is one ``write`` to a file opened for appending, so that a killed process leaves whole lines,
and what it had begun is known. No ``fsync``: the machine itself is never lost, a power cut is one
of a file system of its own on which no history lies. Times are CLOCK_MONOTONIC, which all processes
of a machine share.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

Verb = Literal["create", "append", "delete", "read"]
Outcome = Literal["ok", "fail", "unknown"]
Entries = tuple[str, ...]
"""A record's list: the id of the operation that created it, then those that appended to it."""

Script = tuple[tuple[Verb, str], ...]
"""What a process is to do: verbs and keys."""

NEVER = 2**63 - 1


@attrs.frozen
class Call:
    """One operation on one key, from its begin to its end.

    ``ok`` took effect, ``fail`` had none, ``unknown`` either. ``saw`` tells that what the record
    was is known: ``entries``, ``None`` for no record, after an append, before a delete.
    """

    op: str
    worker: str
    verb: Verb
    key: str
    began: int
    ended: int = NEVER
    outcome: Outcome = "unknown"
    saw: bool = False
    entries: Entries | None = None
    exists: bool | None = None
    """A refused create or change tells whether the record was there."""
    repeated: bool = False
    """Sent more than once, because an answer was lost: what it saw may be later than its effect."""
    error: str = ""
    interrupted: bool = False
    """A signal ended it."""

    def as_begun(self) -> Call:
        """Return it as if nobody knew how it ended."""
        return Call(self.op, self.worker, self.verb, self.key, self.began)


class History:
    """Writes the history of one process."""

    def __init__(self, path: Path, worker: str) -> None:
        """Go on in *path*; a process that was killed and started again writes into the same one."""
        self.worker = worker
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)

    def begin(self, op: str, verb: Verb, key: str) -> None:
        """Say that an operation is about to begin."""
        began = time.monotonic_ns()
        self._say(is_="begin", op=op, worker=self.worker, verb=verb, key=key, at=began)

    def end(self, op: str, outcome: Outcome, **told: Any) -> None:
        """Say how it ended: attributes of ``Call``."""
        self._say(is_="end", op=op, outcome=outcome, at=time.monotonic_ns(), **told)

    def _say(self, **line: Any) -> None:
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def read_history(path: Path) -> list[Call]:
    """Return the calls of one file, in the order in which they began."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    ends = {line["op"]: line for line in lines if line["is_"] == "end"}
    return [_call(line, ends.get(line["op"])) for line in lines if line["is_"] == "begin"]


def read_histories(paths: Iterable[Path]) -> list[Call]:
    """Return the calls of several processes, in the order in which they began."""
    calls = [call for path in paths for call in read_history(path)]
    return sorted(calls, key=lambda call: call.began)


def _call(begin: dict[str, Any], end: dict[str, Any] | None) -> Call:
    call = Call(
        op=begin["op"],
        worker=begin["worker"],
        verb=begin["verb"],
        key=begin["key"],
        began=begin["at"],
    )
    if end is None:
        return call
    told = {name: value for name, value in end.items() if name not in {"is_", "op", "at"}}
    if told.get("entries") is not None:
        told["entries"] = tuple(told["entries"])
    return attrs.evolve(call, ended=end["at"], **told)


def by_key(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """Return the calls of each key."""
    found: dict[str, list[Call]] = {}
    for call in calls:
        found.setdefault(call.key, []).append(call)
    return found
