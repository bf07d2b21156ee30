"""What must type-check does, and what must not does not: mypy --strict over the programs here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = sorted(path for path in HERE.glob("*.py") if path.name.startswith(("accept", "refuse")))
FOUND = re.compile(r"(?P<file>[^:]+\.py):(?P<line>\d+): error: (?P<words>.*)")
MARK = re.compile(r"#\ E:\ (?P<words>.*)$")


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, int], str]:
    """The errors that mypy finds: (program, line) to words."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-pretty"]
    ran = subprocess.run(
        [*command, *map(str, PROGRAMS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode in (0, 1), ran.stderr + ran.stdout
    errors: dict[tuple[str, int], str] = {}
    for line in ran.stdout.splitlines():
        if match := FOUND.match(line):
            place = (Path(match["file"]).name, int(match["line"]))
            errors[place] = f"{errors.get(place, '')} {match['words']}"
    return errors


def marks(program: Path) -> dict[tuple[str, int], str]:
    lines = program.read_text("utf-8").splitlines()
    return {
        (program.name, number): match["words"]
        for number, line in enumerate(lines, 1)
        if (match := MARK.search(line))
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_has_the_errors_that_its_marks_say_and_no_other(program, found):
    expected = marks(program)
    errors = {place: words for place, words in found.items() if place[0] == program.name}

    assert {} == {place: errors.get(place) for place in expected if place not in errors}
    assert {} == {place: words for place, words in errors.items() if place not in expected}
    for place, words in expected.items():
        assert words in errors[place]


def test_there_are_programs_of_both_sorts():
    assert {} == marks(HERE / "accepted.py")
    assert len(marks(HERE / "refused.py")) > 20
