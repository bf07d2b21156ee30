"""Takes one mechanism of the protocol out of a copy of the code, and looks which test notices.

A removal replaces a text that is there exactly once; where the code has changed it says so instead
of doing nothing. The checkout itself is not touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[3]
COPIED = (
    "fluxstore", "plugins", "tests", "examples", "sql", "docs", "conftest.py", "pyproject.toml",
    "fluxstore_command.py",
)  # fmt: skip
NOT_COPIED = ("__pycache__", ".venv", ".pytest_cache", ".hypothesis", "_build", ".fluxstore")
LIMIT_SECONDS = 600.0
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
_PASSED, _SOME_FAILED, _NONE_FOUND = 0, 1, 5


@attrs.frozen
class Removal:
    """One mechanism, how it is taken away, and where the tests that must notice are."""

    name: str
    mechanism: str
    """What the code does, and does not do any more."""
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Arguments of pytest: files, node ids, ``-k`` and what follows it."""

    def is_there(self, root: Path) -> bool:
        """Tell whether the text to be replaced is there exactly once."""
        return (root / self.file).read_text("utf-8").count(self.old) == 1


@attrs.frozen
class Noticed:
    """What came of one removal."""

    removal: Removal
    failed: tuple[str, ...]
    """The tests that failed; none: nobody noticed."""
    problem: str
    seconds: float

    def line(self) -> str:
        """Return it as one line."""
        verdict = "noticed" if self.failed else "FAIL   "
        by = ", ".join(self.failed) or self.problem or "no test fails without it"
        return f"{verdict} {self.removal.name:36} {self.seconds:5.1f} s  {by}"


class Copy:
    """A copy of the checkout, in which mechanisms are taken away one at a time."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        """Copy the code and its tests."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            source, made = root / name, folder / name
            if source.is_dir():
                shutil.copytree(source, made, ignore=shutil.ignore_patterns(*NOT_COPIED))
            elif source.exists():
                shutil.copy(source, made)

    @contextmanager
    def without(self, removal: Removal) -> Iterator[None]:
        """Have the mechanism taken away while the context lasts."""
        file = self.folder / removal.file
        before = file.read_text("utf-8")
        file.write_text(before.replace(removal.old, removal.new), "utf-8")
        try:
            yield
        finally:
            file.write_text(before, "utf-8")

    def failed(self, tests: Sequence[str]) -> tuple[str, ...]:
        """Return the first test that fails of those named; ``AssertionError`` where none ran."""
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, *tests],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": self._path(), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        if ran.returncode == _PASSED:
            return ()
        found = tuple(dict.fromkeys(_FAILED.findall(ran.stdout)))
        if ran.returncode != _SOME_FAILED or not found:
            raise AssertionError(
                f"pytest exit {ran.returncode}: {(ran.stdout + ran.stderr)[-600:]}"
            )
        return found

    def _path(self) -> str:
        sources = sorted(self.folder.glob("plugins/*/src"))
        return os.pathsep.join(map(str, (self.folder, *sources)))

    def try_one(self, removal: Removal) -> Noticed:
        """Take one mechanism away, run its tests, and put it back: what failed passes again."""
        began = time.monotonic()
        if not removal.is_there(self.folder):
            return Noticed(removal, (), f"{removal.file} has changed: name what to remove", 0.0)
        failed: tuple[str, ...] = ()
        problem = ""
        try:
            with self.without(removal):
                failed = self.failed(removal.tests)
            if failed and self.failed(failed[:1]):
                failed, problem = (), f"{failed[0]} fails with it, too"
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failed, problem = (), str(error)
        return Noticed(removal, failed, problem, time.monotonic() - began)


_OPTIONS = (
    "-x", "-q", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider", "--timeout", "120",
)  # fmt: skip
