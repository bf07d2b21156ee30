"""What the exploration tells, as tables for the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from protocol_model.ablation import Ablation
from protocol_model.ablations import ABLATIONS
from protocol_model.interleavings import Interleaving, interleaving


def ablation_rows(ablations: Iterable[Ablation] = ABLATIONS) -> list[list[str]]:
    """Return a row for each ablation: what is missing, what breaks, in how many steps, how."""
    return [[f"{a.area}: {a.mechanism}", a.breaks, str(a.steps), a.harm] for a in ablations]


def ablation_table() -> str:
    """Return the table of the ablations in Markdown."""
    head = ["without", "breaks", "steps", "what happens then"]
    rows = [head, ["---"] * len(head), *ablation_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def interleaving_list(ablations: Iterable[Ablation] = ABLATIONS) -> str:
    """Return every named interleaving as lines of text."""
    return "\n\n".join("\n".join(_told(interleaving(ablation))) for ablation in ablations)


def _told(found: Interleaving) -> list[str]:
    lines = [found.name, *(f"    {event}" for event in found.steps)]
    if found.refused is None:
        return [*lines, "  holds to the end"]
    answers = "; ".join(map(str, found.answers)) or "nothing"
    return [*lines, f"  not: {found.refused}", f"  but: {answers}"]
