"""A row of the matrix: a fault, the cases it is tried in, what is expected, and who plays it."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from harness import clocks, disks, strace
from harness.stage import Case, Stage

NEEDS: dict[str, Callable[[], str]] = {
    "strace": strace.why_not,
    "mount": disks.why_not,
    "fuse": disks.why_no_fuse,
    "clock": clocks.why_not,
    "xfs": lambda: disks.why_not("xfs"),
}


@attrs.frozen
class Row:
    """One row; ``id`` is its number in the matrix, ``tools`` are how the fault is injected."""

    id: str
    fault: str
    tools: str
    expected: str
    play: Callable[[Stage], None]
    cases: tuple[Case, ...]
    needs: tuple[str, ...] = ()
    limit_seconds: float = 300.0
    full_limit_seconds: float = 7200.0

    def why_not(self, case: Case) -> str:
        """Return why this machine cannot play a case, or an empty text."""
        wanted = (*self.needs, *(one for one in (case.variant,) if one in NEEDS))
        return "; ".join(reason for reason in (NEEDS[one]() for one in wanted) if reason)
