"""Every promise holds in every state of the protocol, and without any mechanism one breaks."""

from __future__ import annotations

import attrs
import pytest
from protocol_model.ablation import Ablation
from protocol_model.ablations import ABLATIONS, SPARE
from protocol_model.checking import Checking
from protocol_model.constraints import Constraints
from protocol_model.explorer import explore
from protocol_model.fence import Fence
from protocol_model.interleavings import interleaving
from protocol_model.mechanisms import Mechanisms
from protocol_model.migration import Migration
from protocol_model.outcomes import Outcomes
from protocol_model.scenario import TO_OFF_AND_AGAIN, Scenario
from protocol_model.sidecar import Sidecars
from protocol_model.validation import Validation
from protocol_model.workloads import FULL, SHORT, Workload

AREAS = {
    "migration": Mechanisms,
    "fence": Fence,
    "outcome": Outcomes,
    "sidecar": Sidecars,
    "validation": Validation,
    "check": Checking,
    "constraints": Constraints,
}
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workload", SHORT, ids=lambda workload: workload.name)
def test_every_promise_holds_in_every_state(workload: Workload):
    found = explore(workload.model, limit=500_000)

    assert found.broken is None, "\n".join(map(str, found.trace))
    assert found.ends > 0


@pytest.mark.parametrize("ablation", ABLATIONS, ids=str)
def test_without_the_mechanism_a_promise_breaks(ablation: Ablation):
    found = explore(ablation.model, promises=(ablation.breaks,), limit=100_000)

    assert (ablation.breaks, ablation.steps) == (found.broken, found.length)


@pytest.mark.parametrize("ablation", ABLATIONS, ids=str)
def test_the_protocol_answers_where_it_would_have_gone_wrong(ablation: Ablation):
    found = interleaving(ablation)

    assert found.refused is not None or len(found.steps) == ablation.steps


@pytest.mark.parametrize("workload", SPARE, ids=lambda workload: workload.name)
def test_what_others_make_up_for_can_be_missing(workload: Workload):
    assert explore(workload.model, limit=100_000).broken is None


@pytest.mark.parametrize("area", AREAS)
def test_every_mechanism_is_taken_away_once(area: str):
    tried = {a.mechanism.partition(" ")[0] for a in ABLATIONS if a.area == area}
    mechanisms = {f.name for f in attrs.fields(AREAS[area]) if f.default is True}

    assert mechanisms <= tried | {"seals_level"}


def test_a_record_deleted_in_phase_0_stays_in_the_target_until_extras_are_deleted():
    scenario = Scenario("extra", TO_OFF_AND_AGAIN, ("d0",))
    healed = attrs.evolve(scenario, deletes_extra=True)

    assert explore(Migration.of(scenario)).broken == "I3"
    assert explore(Migration.of(healed)).broken is None


def test_names_of_workloads_and_ablations_are_told_apart():
    names = [workload.name for workload in FULL] + [str(ablation) for ablation in ABLATIONS]

    assert sorted(set(names)) == sorted(names)
