"""Plays rows: one line a run, and a report that a program can read."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import attrs

from harness.row import Row
from harness.stage import Case, Stage


@attrs.frozen
class Ran:
    """What came of one run."""

    row: str
    case: str
    fault: str
    verdict: str
    """``ok``, ``FAIL`` or ``skip``."""
    seconds: float
    seed: int
    facts: dict[str, Any]
    told: str = ""
    kept: str = ""
    """Where the folder of a failed run is."""

    def line(self) -> str:
        """Return it as one line."""
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        told = self.told.splitlines()[0] if self.told else ""
        head = f"{self.verdict:4} {self.row} {self.case:34} {self.seconds:6.1f} s  seed {self.seed}"
        return "  ".join(part for part in (head, facts, self.fault, told) if part)


def play(row: Row, case: Case, *, seed: int, full: bool, folder: Path) -> Ran:
    """Play one case in *folder* and return what came of it; nothing is raised."""
    if reason := row.why_not(case):
        return Ran(row.id, case.name, row.fault, "skip", 0.0, seed, {}, reason)
    limit = row.full_limit_seconds if full else row.limit_seconds
    stage = Stage(folder, case, seed=seed, full=full, limit_seconds=limit)
    began, told = time.monotonic(), ""
    try:
        row.play(stage)
    except AssertionError as error:
        told = str(error) or "".join(traceback.format_exception(error)[-2:])
    except Exception as error:  # noqa: BLE001 - a run that ends otherwise has failed, too
        told = f"{type(error).__name__}: {error}\n" + "".join(traceback.format_exception(error))
    finally:
        stage.close()
    seconds = time.monotonic() - began
    if not told and seconds > limit:
        told = f"took {seconds:.0f} s, more than the limit of {limit:.0f} s"
    return Ran(
        row.id,
        case.name,
        row.fault,
        "FAIL" if told else "ok",
        round(seconds, 1),
        seed,
        stage.facts,
        told,
        str(folder) if told else "",
    )


def play_all(
    rows: Iterable[Row],
    *,
    seed: int,
    full: bool,
    only: Collection[str] = (),
    out: TextIO = sys.stdout,
) -> list[Ran]:
    """Play every case of every row, or *only* those named (``F01``, ``F01/json-off``)."""
    ran = []
    for row, case in [(one, case) for one in rows for case in one.cases]:
        if only and not {row.id, f"{row.id}/{case.name}"} & set(only):
            continue
        folder = Path(tempfile.mkdtemp(prefix=f"fluxstore-{row.id}-"))
        ran.append(play(row, case, seed=seed, full=full, folder=folder))
        out.write(ran[-1].line() + "\n")
        out.flush()
        if ran[-1].verdict != "FAIL":
            shutil.rmtree(folder, ignore_errors=True)
    return ran


def report(ran: Sequence[Ran], path: Path) -> None:
    """Write what came of the runs as JSON."""
    counts = {name: sum(one.verdict == name for one in ran) for name in ("ok", "FAIL", "skip")}
    document = {"counts": counts, "runs": [attrs.asdict(one) for one in ran]}
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
