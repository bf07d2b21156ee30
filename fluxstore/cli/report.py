"""The page that ``validate --report`` writes: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from fluxstore.cli import render
from fluxstore.cli.files import write_whole
from fluxstore.errors import ConfigError

if TYPE_CHECKING:
    from fluxstore.migration.report import Validated, ValidationReport

BAR_WIDTH = 600
CLASSES = (
    "equal",
    "lagging",
    "diverged",
    "missing",
    "orphan",
    "ahead",
    "undecodable",
    "quarantined",
)


@attrs.frozen
class Segment:
    """A piece of an entity's bar, in SVG units."""

    name: str
    count: int
    x: float
    width: float


def require_jinja2() -> None:
    """Raise ``ConfigError`` where the page cannot be made, before anything else is done."""
    if find_spec("jinja2") is None:
        raise ConfigError(
            "reports need the package jinja2", next_step="pip install 'fluxstore-core[reports]'"
        )


def write_report(path: Path, report: ValidationReport) -> None:
    """Write the page of a validation to *path*."""
    from jinja2 import Environment, StrictUndefined

    template = files("fluxstore.cli").joinpath("report.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    text = environment.from_string(template).render(
        report=report,
        bars=[(one, list(segments(one))) for one in report.entities],
        classes=CLASSES,
        width=BAR_WIDTH,
        duration=render.duration,
        shown=len(report.differences),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text + "\n")


def segments(one: Validated) -> Iterator[Segment]:
    """Yield the pieces of an entity's bar; a piece that is there can be seen, however small."""
    counts = {name: getattr(one, name) for name in CLASSES if getattr(one, name)}
    total = sum(counts.values())
    least = 3.0
    room = BAR_WIDTH - least * len(counts)
    at = 0.0
    for name, count in counts.items():
        width = least + room * count / total
        yield Segment(name, count, round(at, 1), round(width, 1))
        at += width
