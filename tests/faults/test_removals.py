"""Mechanisms are taken away where they are; a few of them here, all by ``remove.py``."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from harness.removal import ROOT, Copy, Noticed, Removal
from removals import REMOVALS, noticed
from removals_page import PAGE, page

FEW = ("relay: tombstones travel", "json: marks")


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
def test_what_is_to_be_taken_away_is_there_once(removal: Removal) -> None:
    assert removal.is_there(ROOT), f"{removal.file} has changed: say anew what to remove"


def test_every_removal_has_a_name_of_its_own():
    names = [removal.name for removal in REMOVALS]

    assert sorted(set(names)) == sorted(names)


def test_each_removal_was_noticed_by_a_test_that_there_is():
    by = noticed()
    places = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "plugins").glob("*/tests/**/*.py")]
    places += (ROOT / "fluxstore" / "testing").rglob("*.py")
    code = "\n".join(place.read_text("utf-8") for place in places)

    tests = {name: test.rpartition("::")[2].partition("[")[0] for name, test in by.items()}

    assert [one.name for one in REMOVALS] == list(by), "remove.py --note NAME writes it down"
    assert [] == [name for name, test in tests.items() if f"def {test}(" not in code]


def test_the_page_tells_what_is_taken_away():
    assert page() == PAGE.read_text("utf-8"), "make it anew: python tests/faults/removals_page.py"


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tests_notice_what_is_missing(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    chosen = [one for one in REMOVALS if one.name in FEW]

    noticed = [copy.try_one(one) for one in chosen]

    assert len(FEW) == len(noticed)
    assert [] == [one.line() for one in noticed if not one.failed]


def test_a_removal_whose_text_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("here = 1\n")
    copy = Copy(tmp_path / "copy", tmp_path)
    removal = Removal("x", "x", "conftest.py", "gone", "", ())

    assert "has changed" in copy.try_one(removal).line()


def test_the_text_is_back_afterwards(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("here = 1\n")
    copy = Copy(tmp_path / "copy", tmp_path)
    removal = Removal("x", "x", "conftest.py", "here", "there", ())

    with copy.without(removal):
        assert "there = 1\n" == (tmp_path / "copy" / "conftest.py").read_text()
    assert "here = 1\n" == (tmp_path / "copy" / "conftest.py").read_text()


def test_a_removal_that_nobody_notices_is_a_failure() -> None:
    noticed = Noticed(attrs.evolve(REMOVALS[0], name="x"), (), "", 1.0)

    assert noticed.line().startswith("FAIL")
