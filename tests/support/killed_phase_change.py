"""Run as a program: a phase change that is killed (kill -9) at one of its changes of control.

``killed_phase_change.py SOURCE TARGET FOLDER TO CALL before|after VERBS``; *TO* is the number of a
phase, or ``final``; *VERBS* are those of the ledger that count, with commas. Ends with exit code 0
where there are fewer than CALL of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from phase_changes import KINDS, ends, phase

from fluxstore_phases import completing
from fluxstore_phases.phases import Side
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk


class Watched:
    """A ledger, or an adapter, whose calls are told beforehand and afterwards."""

    def __init__(self, real: Any, told: Callable[[str], None], verbs: str) -> None:
        self.real, self.told, self.verbs = real, told, verbs

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name == "ledger":
            return Watched(found, self.told, self.verbs)
        if name not in self.verbs.split(","):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self.told("before")
            answer = found(*given, **named)
            self.told("after")
            return answer

        return call


class Killer:
    """Kills this process at one call of all that are watched."""

    def __init__(self, call: int, moment: str) -> None:
        self.left = {"before": call, "after": call}
        self.moment = moment

    def __call__(self, moment: str) -> None:
        self.left[moment] -= 1
        if moment == self.moment and not self.left[moment]:
            os.kill(os.getpid(), signal.SIGKILL)


def change(sides: Any, to: str) -> None:
    if to == "final":
        with sides.leased():
            completing.finalize(sides, ALL)
    else:
        Walk(sides).to(phase(int(to)))


if __name__ == "__main__":
    source, target, folder, to, call, moment, verbs = sys.argv[1:]
    killer = Killer(int(call), moment)

    def watched(_: Side, adapter: Any) -> Any:
        return Watched(adapter, killer, verbs)

    with ends(Path(folder), one=KINDS[source], two=KINDS[target], wrap=watched) as both:
        change(both.sides(), to)
