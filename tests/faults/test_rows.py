"""The short form of the matrix: the first case of every row, on this machine, with seed 0."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.row import Row
from harness.rows import ROWS
from harness.runner import play
from harness.stage import Case

HERE = Path(__file__).resolve().parent
RUNS = [
    pytest.param(
        row,
        row.cases[0],
        id=f"{row.id}-{row.cases[0].name}",
        marks=pytest.mark.timeout(row.limit_seconds + 120),
    )
    for row in ROWS
    if row.short
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
