"""One mechanism taken away from one small workload, and the promise that breaks without it.

The model must find the counterexample, or the mechanism is idle, or the model blind. The number of
steps is that of the shortest counterexample to the promise named; ``harm`` tells its story.
"""

from __future__ import annotations

from typing import Any

import attrs

from protocol_model.explorer import Model
from protocol_model.mechanisms import PROTOCOL
from protocol_model.migration import Migration
from protocol_model.scenario import Scenario


@attrs.frozen
class Ablation:
    """A model without one mechanism, the promise that breaks, and in how many steps.

    ``whole`` is the same model with the mechanism.
    """

    area: str
    mechanism: str
    whole: Model[Any]
    model: Model[Any]
    breaks: str
    steps: int
    harm: str

    def __str__(self) -> str:
        return f"{self.area}: {self.mechanism}"


def without(mechanism: str, scenario: Scenario, breaks: str, steps: int, harm: str) -> Ablation:
    lacking = attrs.evolve(PROTOCOL, **{mechanism: False})
    whole, model = Migration.of(scenario), Migration.of(scenario, lacking)
    return Ablation("migration", mechanism, whole, model, breaks, steps, harm)


def lacking(
    model: Any, area: str, mechanism: str, breaks: str, steps: int, harm: str, *, value: Any = False
) -> Ablation:
    name = mechanism if value is False else f"{mechanism} = {value}"
    lacking = attrs.evolve(model, **{mechanism: value})
    return Ablation(area, name, model, lacking, breaks, steps, harm)
