"""Samples control of both sides while a scenario runs: exactly one authority, in every sample."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import attrs

from fluxstore.adapter import Adapter, Control, Use
from fluxstore.errors import FluxstoreError
from harness.project import Project
from harness.rhythm import Rhythm

BETWEEN = ("sealed", "committing")


@attrs.frozen
class Sample:
    """What both sides said at one moment: the source did not change while the target was asked."""

    at: int
    source: Control | None
    target: Control | None


def wrong_samples(samples: Iterable[Sample]) -> list[str]:
    """Return every sample with two authorities, or with none although nobody hands over."""
    wrong = []
    for sample in samples:
        roles = [control.role for control in (sample.source, sample.target) if control]
        authorities = roles.count("authority")
        handing_over = any(role in BETWEEN for role in roles)
        if authorities > 1 or (roles and authorities == 0 and not handing_over):
            wrong.append(
                f"{authorities} authorities: {_told(sample.source)}, {_told(sample.target)}"
            )
    return wrong


def _told(control: Control | None) -> str:
    return f"({control.epoch}, {control.role}, {control.phase})" if control else "none"


class Watch(Rhythm):
    """Looks at both ledgers every few milliseconds, from a thread, while the context lasts."""

    def __init__(self, project: Project, *, seconds: float = 0.02) -> None:
        """Look at *project*; a side that is away is not looked at."""
        super().__init__(self._looked, seconds)
        self._project = project
        self.samples: list[Sample] = []

    def _looked(self) -> None:
        try:
            with ExitStack() as stack:
                sides = [
                    stack.enter_context(self._project.opened(name, Use.SERVE))
                    for name in self._project.ends
                ]
                while not self._ended.wait(self._seconds):
                    self._sample(sides)
        except FluxstoreError:
            return  # a side is away: opened again at the next look

    def _sample(self, sides: Sequence[Adapter]) -> None:
        source, target = (side.ledger for side in sides)
        before = source.control("logbooks")
        followed = target.control("logbooks")
        if source.control("logbooks") == before:
            sample = Sample(time.monotonic_ns(), before, followed)
            if not self.samples or attrs.evolve(self.samples[-1], at=sample.at) != sample:
                self.samples.append(sample)

    def wrong(self) -> list[str]:
        """Return what was wrong in the samples; those that said the same as before are left out."""
        return wrong_samples(self.samples)
