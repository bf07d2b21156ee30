"""The table of phases says what the documentation says, and the policy follows it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fluxstore.config.structuring import structure
from fluxstore.errors import ConfigError
from fluxstore_phases.phases import PHASES, Role, Side, phase_of
from fluxstore_phases.settings import Settings


def settings(tmp_path, **table):
    return structure(table, Settings, file=tmp_path / "fluxstore.toml", key="policy")


def test_phases_are_numbered_in_order():
    assert list(range(6)) == [phase.number for phase in PHASES]


def test_the_authority_is_written_first_and_read():
    for phase in PHASES:
        roles = {Side.SOURCE: phase.source_role, Side.TARGET: phase.target_role}
        assert Role.AUTHORITY is roles[phase.writes[0]]
        assert phase.reads is phase.writes[0]


def test_one_side_is_authority_in_every_phase():
    for phase in PHASES:
        assert 1 == [phase.source_role, phase.target_role].count(Role.AUTHORITY)


def test_neighbouring_phases_change_the_authority_once():
    authorities = [phase.reads for phase in PHASES]
    assert 1 == sum(one is not other for one, other in pairwise(authorities))


@pytest.mark.parametrize("named", ["dual_write", 1, "1"])
def test_a_phase_is_found_by_name_or_number(named):
    assert "dual_write" == phase_of(named).name


@pytest.mark.parametrize("named", ["banana", -1, "-1", "1e3", "\uff14", 6, True, "", "dual write"])
def test_what_names_no_phase_lists_the_phases(named):
    with pytest.raises(ValueError, match="0 off, 1 dual_write"):
        phase_of(named)


def test_settings_refuse_an_unknown_phase_with_its_key(tmp_path):
    with pytest.raises(ConfigError, match=r"policy.*phase.*banana"):
        settings(tmp_path, source="json", phase="banana")


def test_settings_refuse_an_unknown_phase_of_one_entity(tmp_path):
    with pytest.raises(ConfigError, match=r"entities.*phase.*9"):
        settings(tmp_path, source="json", entities={"tasks": {"phase": 9}})


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), float("inf")])
def test_settings_refuse_a_share_that_is_none(tmp_path, share):
    with pytest.raises(ConfigError, match="shadow_reads"):
        settings(tmp_path, source="json", shadow_reads=share)


@pytest.mark.parametrize("budget", ["nan", "-1s", float("inf"), -3, "soon"])
def test_settings_refuse_a_budget_that_is_no_duration(tmp_path, budget):
    with pytest.raises(ConfigError, match="follower_budget"):
        settings(tmp_path, source="json", follower_budget=budget)


@pytest.mark.parametrize("side", list(Side))
def test_each_side_is_the_other_ones_other(side):
    assert side is side.other.other
    assert side is not side.other
