"""Named interleavings: what the protocol does where it would have gone wrong without a mechanism.

Each comes from the counterexample of an ablation: the steps that the protocol takes as well, then
the step that it does not take, and what it offers its actor instead. Where it takes all of them,
the mechanism works in what is written rather than in who may go on. Real code is brought to the
same place, is asked for the same step, and must give one of the same answers.
"""

from __future__ import annotations

import attrs

from protocol_model.ablation import Ablation
from protocol_model.explorer import Event, explore
from protocol_model.traces import accepts


@attrs.frozen
class Interleaving:
    """Steps that lead to the place of danger; the step not taken there, and the answers to it."""

    name: str
    steps: tuple[Event, ...]
    refused: Event | None
    answers: tuple[Event, ...]


def interleaving(ablation: Ablation) -> Interleaving:
    """Return the interleaving that *ablation* is about."""
    trace = explore(ablation.model, promises=(ablation.breaks,)).trace
    blurred = [event._replace(detail=None) for event in trace]
    verdict = accepts(ablation.whole, blurred, hides=lambda event: False)
    steps = tuple(blurred[: verdict.matched])
    if verdict.refused is None:
        return Interleaving(str(ablation), steps, None, ())
    actor = verdict.refused.actor
    answers = tuple(event for event in verdict.possible if event.actor == actor)
    return Interleaving(str(ablation), steps, verdict.refused, answers)
