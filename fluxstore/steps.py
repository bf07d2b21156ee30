"""Numbered SQL files as schema steps: read, checked, and held against what has run already.

A folder holds ``0001_users.sql``, ``0002_projects.sql`` and so on. Each begins with a comment that
says what it is for, and runs in a transaction of its own together with the record that it ran. What
cannot run in a transaction says so in that comment with a line ``-- fluxstore: no transaction``.
An adapter executes the steps that ``pending`` returns, and records name and checksum of each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import attrs

from fluxstore.errors import PlanError

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z", re.ASCII)
_NO_TRANSACTION = re.compile(r"--\s*fluxstore:\s*no transaction\s*\Z")


@attrs.frozen
class Step:
    """One numbered SQL file."""

    name: str
    text: str = attrs.field(repr=False)
    checksum: str
    """SHA-256 of the text; line ends do not count."""
    in_transaction: bool = True

    @property
    def number(self) -> str:
        """The four digits it begins with."""
        return self.name[:4]


def read_steps(folder: Path) -> tuple[Step, ...]:
    """Return the steps of *folder* in their order; ``PlanError`` where it cannot be used."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
    except OSError as error:
        raise PlanError(f"{folder} cannot be read: {error.strerror}") from None
    if not paths:
        raise PlanError(
            f"{folder} holds no schema steps", next_step="name them 0001_name.sql, 0002_name.sql …"
        )
    steps = tuple(_read(path) for path in paths)
    _refuse_twins(folder, steps)
    return steps


def pending(steps: Sequence[Step], applied: Mapping[str, str]) -> tuple[Step, ...]:
    """Return the steps that have not run, given name and checksum of those that have.

    Raises ``PlanError`` where a step was edited after it ran.
    """
    for step in steps:
        if applied.get(step.name, step.checksum) != step.checksum:
            raise PlanError(
                f"{step.name} was edited after it ran",
                next_step="put it back as it was, and write the change as a new step",
            )
    return tuple(step for step in steps if step.name not in applied)


def _read(path: Path) -> Step:
    if not _NAME.match(path.name):
        raise PlanError(
            f"{path} is no name of a schema step",
            next_step="four digits, _, then a-z, 0-9 and _: 0001_users.sql",
        )
    text = _text(path)
    header = [line.strip() for line in _header(text)]
    if not header:
        raise PlanError(f"{path} does not begin with a comment that says what it is for (-- …)")
    alone = any(_NO_TRANSACTION.match(line) for line in header)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Step(path.name, text, checksum, in_transaction=not alone)


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise PlanError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PlanError(f"{path} is not UTF-8 at byte {error.start + 1:,}") from None
    if "\0" in text:
        raise PlanError(f"{path} holds a NUL character")
    return text.replace("\r\n", "\n")


def _header(text: str) -> list[str]:
    lines = text.split("\n")
    count = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:count]


def _refuse_twins(folder: Path, steps: Sequence[Step]) -> None:
    for one, other in pairwise(steps):
        if one.number == other.number:
            raise PlanError(f"{folder} has two steps {one.number}: {one.name} and {other.name}")
