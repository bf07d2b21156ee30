"""Rows of the matrix that run with the tests: the first case of each, in the short form.

All of them, and every case: ``python tests/faults/run.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.row import Row
from harness.rows import ROWS
from harness.runner import play
from harness.stage import Case

HERE = Path(__file__).resolve().parent
WITH_THE_TESTS = (
    "F01", "F07", "F16", "F20", "F26", "F27", "F42", "F44", "F58", "F60", "F63", "F65", "F69b",
    "M01", "M02",
)  # fmt: skip
RUNS = [
    pytest.param(
        row,
        row.cases[0],
        id=f"{row.id}-{row.cases[0].name}",
        marks=pytest.mark.timeout(row.limit_seconds + 120),
    )
    for row in ROWS
    if row.id in WITH_THE_TESTS
]


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize(("row", "case"), RUNS)
def test_the_promise_is_kept(row: Row, case: Case, tmp_path: Path) -> None:
    ran = play(row, case, seed=0, full=False, folder=tmp_path)
    if ran.verdict == "skip":
        pytest.skip(ran.told)

    assert "" == ran.told


def test_every_row_and_case_has_a_name_of_its_own():
    names = [f"{row.id}/{case.name}" for row in ROWS for case in row.cases]

    assert sorted(set(names)) == sorted(names)
