"""What a migration would meet, without writing: the same look that ``migrate`` begins with."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from fluxstore.entity import Entities
from fluxstore.migration import survey
from fluxstore.migration.live import live_findings
from fluxstore.migration.options import Options
from fluxstore.migration.plan import End, Plan, make_plan
from fluxstore.migration.progress import Meter, Stage
from fluxstore.migration.report import Assessed, AssessReport
from fluxstore.migration.scratch import Scratch
from fluxstore.migration.spool import problem_to_json
from fluxstore.migration.survey import Survey, Surveyed

_MERGED_RECORDS_PER_SECOND = 20_000
_STAGES = (Stage(survey.STAGE, 1),)


def assess(
    source: End, target: End, entities: Entities, options: Options | None = None
) -> AssessReport:
    """Return what ``migrate`` would quarantine, and why; ``StoppedError`` when asked to stop."""
    options = options or Options()
    begun = time.monotonic()
    plan = make_plan(source, target, entities, only=options.entities, check=False)
    with Scratch(options.scratch) as scratch:
        found = _survey(plan, options, scratch)
        if options.problems_file is not None:
            save_problems(found, options.problems_file)
    seconds = time.monotonic() - begun
    return AssessReport(
        migration=plan.migration,
        source=source.to_json(),
        target=target.to_json(),
        entities=tuple(map(_assessed, found.values())),
        problem_count=sum(len(one.problems) for one in found.values()),
        problems=tuple(problem for one in found.values() for problem in one.problems.first),
        findings=(
            *plan.findings,
            *live_findings(source.adapter, source.name),
            *live_findings(target.adapter, target.name),
        ),
        seconds=seconds,
        estimated_seconds=_estimated_seconds(found, seconds),
        problems_file=options.problems_file,
    )


def _survey(plan: Plan, options: Options, scratch: Scratch) -> dict[str, Surveyed]:
    scratch.require(plan.scratch_bytes)
    meter = Meter(options.progress, _STAGES)
    meter.sizes({name: float(size.bytes) for name, size in plan.sizes.items()})
    found = Survey(
        plan,
        scratch,
        meter=meter,
        stopped=options.stopped,
        fail_fast=options.fail_fast,
        executor=options.executor,
    ).run()
    meter.end()
    return found


def save_problems(found: Mapping[str, Surveyed], path: Path) -> None:
    """Write every problem as a line of JSON."""
    with path.open("w", encoding="utf-8") as file:
        for one in found.values():
            for rejected in one.problems:
                file.write(json.dumps(problem_to_json(rejected.problem), ensure_ascii=False) + "\n")


def _assessed(one: Surveyed) -> Assessed:
    return Assessed(
        entity=one.entity.name,
        place=one.place,
        read=one.read,
        would_cross=one.good,
        quarantined=one.quarantined,
        bytes=one.size.bytes,
        seconds=one.seconds,
        refused=one.refused,
    )


def _estimated_seconds(found: Mapping[str, Surveyed], seconds: float) -> float:
    """Return the time of looking, of reading once more, and of merging at a usual pace."""
    good = sum(one.good for one in found.values())
    return 2 * seconds + good / _MERGED_RECORDS_PER_SECOND
