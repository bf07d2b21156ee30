"""How long writes waited: all of them, and those that were under way while a command ran."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from harness.history import NEVER, Call


@attrs.frozen
class Pause:
    """Latencies of some writes, in milliseconds."""

    writes: int
    p99: float
    longest: float

    def __str__(self) -> str:
        """Return it in few words."""
        return f"{self.p99:.0f}/{self.longest:.0f}ms/{self.writes}"


def pause(calls: Sequence[Call], began: int = 0, ended: int = NEVER) -> Pause:
    """Return how long the writes took that were under way in an interval."""
    took = sorted(
        (call.ended - call.began) / 1e6
        for call in calls
        if call.verb != "read" and call.ended != NEVER and call.began < ended and call.ended > began
    )
    if not took:
        return Pause(0, 0.0, 0.0)
    return Pause(len(took), took[min(len(took) - 1, int(len(took) * 0.99))], took[-1])
