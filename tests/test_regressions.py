"""Every regression that earlier implementations had is held by a test that carries its number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NUMBERED = re.compile(r"def test_\w*?regressions?_((?:\d\d_)+)")

HELD = range(1, 39)


@pytest.fixture(scope="module")
def numbers() -> set[int]:
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "plugins").glob("*/tests/**/*.py")]
    texts = [file.read_text("utf-8") for file in [*files, *_kit()]]
    found = [match for text in texts for match in NUMBERED.findall(text)]
    return {int(part) for match in found for part in match.strip("_").split("_")}


def _kit() -> list[Path]:
    return list((ROOT / "fluxstore" / "testing" / "conformance").glob("*.py"))


@pytest.mark.parametrize("number", HELD)
def test_a_regression_is_held_by_a_test(number, numbers):
    assert number in numbers
