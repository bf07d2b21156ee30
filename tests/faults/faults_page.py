"""The rows of the matrix as a page of the documentation: ``python tests/faults/faults_page.py``."""

from __future__ import annotations

from pathlib import Path

from harness.row import Row
from harness.rows import ROWS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "faults.md"
HEAD = """# What is thrown at it

Promises about failures are worth what is done to break them. `tests/faults/` runs applications on
real stores, makes things fail, and judges what every process saw: each acknowledged write there
once and in order, nothing that failed, nothing deleted come back, no read behind what was
acknowledged before it began, one authority at every moment, both sides equal once the marks are
drained.

The short form of some rows runs with the tests. The whole, by hand, from the checkout:

```text
python tests/faults/run.py --list              the rows and their cases
python tests/faults/run.py --full              every call, hundreds of power cuts: a night
python tests/faults/run.py F75 --full          the soak: half an hour, a random fault every 5 s
python tests/faults/run.py M01 M02 --full      the whole migration at 8 writers, everybody killed
python tests/faults/remove.py                  each mechanism taken away: which test notices
```

`tests/faults/README.md` says how it is built. The table is made of the rows and compared with
them by a test.

| row | fault | expected | cases |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return the page as the rows are now."""
    return HEAD + "".join(map(_line, ROWS))


def _line(row: Row) -> str:
    cases = ", ".join(case.name for case in row.cases)
    return f"| {row.id} | {row.fault} | {row.expected} | {cases} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
