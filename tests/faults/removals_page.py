"""What is taken away, and what notices, as a page: ``python tests/faults/removals_page.py``."""

from __future__ import annotations

from pathlib import Path

from harness.removal import Removal
from removals import REMOVALS, noticed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "removals.md"
HEAD = """# What is taken away

A mechanism that no test needs may be missing tomorrow. So each mechanism of the protocol is taken
out of a copy of the code, one at a time, and some test must fail: the one that is named here failed
without it, and passed with it.

```text
python tests/faults/remove.py                  take each away: which test notices (an hour)
python tests/faults/remove.py --note json:     some of them, and write down what noticed
python tests/faults/removals_page.py           make this page of what was written down
```

`tests/faults/removals/` says what is taken out of which file.

| mechanism | what the code does with it | test that fails without it |
| --- | --- | --- |
"""


def page() -> str:
    """Return the page as the removals are now."""
    by = noticed()
    return HEAD + "".join(_line(one, by.get(one.name, "none yet")) for one in REMOVALS)


def _line(removal: Removal, test: str) -> str:
    file, _, name = test.rpartition("::")
    told = f"`{name.partition('[')[0]}` in `{Path(file.partition('::')[0]).name}`"
    return f"| {removal.name} | {removal.mechanism} | {told} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
