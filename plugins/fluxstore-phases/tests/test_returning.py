"""The live rollback: what is brought back, in which order, and what a disaster leaves."""

from __future__ import annotations

import pytest
from phase_changes import ENTITIES, KINDS, ends, phase, roles, texts, walk, write

from fluxstore.calls import Retreat, Routing
from fluxstore.errors import BackendUnavailableError, UnsupportedError
from fluxstore_phases import returning
from fluxstore_phases.phases import Side
from fluxstore_phases.settings import Settings
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk

SOURCE, TARGET = Side.SOURCE, Side.TARGET
SETTINGS = Settings(source="one", target="two")


class Heard:
    """Who hears of phases, and fails at it."""

    def __init__(self):
        self.phases = []

    def diverged(self, entity, key, fields):
        raise AssertionError(entity)

    def phase_changed(self, entity, phase, epoch):
        self.phases.append((entity, phase))
        raise RuntimeError("a plugin's bug")


@pytest.fixture
def both(tmp_path):
    with ends(tmp_path, one=KINDS["json"], two=KINDS["sqlite"]) as made:
        write(made.sides(), SOURCE, "a", "old")
        yield made


@pytest.fixture
def sides(both):
    return both.sides()


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def rollback(sides, heard, tmp_path):
    def run(**chosen):
        routing = Routing("one", "phases", SETTINGS, ENTITIES, heard)
        bound = returning.bind(sides, SETTINGS, routing)
        return bound and bound(Retreat(tmp_path / "backups", **chosen))

    return run


def test_in_phase_off_it_is_the_cores(rollback, sides):
    assert rollback() is None
    walk(sides, 1)
    walk(sides, 0)
    assert rollback() is None


def test_everything_that_answers_at_the_target_comes_back(rollback, sides):
    walk(sides, 1)
    walk(sides, 4, "notes")
    walk(sides, 4)
    write(sides, TARGET, "a", "new")
    told = rollback()

    assert {"*": "shadow", "notes": "shadow"} == told.data["phases"]
    assert {"a": "new"} == texts(sides, SOURCE)


def test_one_entity_comes_back_alone(rollback, sides):
    walk(sides, 4)
    told = rollback(entities=("notes",))

    assert {"notes": "shadow"} == told.data["phases"]
    assert ("shadow", "live") == (
        sides.standing("notes").phase.name,
        sides.standing(ALL).phase.name,
    )


def test_the_configuration_is_told_what_is_wanted_and_a_failing_plugin_stops_nothing(
    rollback, sides, heard
):
    written = []
    walk(sides, 5)
    rollback(write=lambda keys, value: written.append((*keys, value)))

    assert [("policy", "phase", "live"), ("policy", "phase", "shadow")] == written
    assert [("*", "live"), ("*", "shadow")] == heard.phases


def test_a_dry_run_changes_nothing(rollback, sides, tmp_path):
    walk(sides, 4)
    before = sides.standing(ALL)
    rollback(dry_run=True)

    assert before == sides.standing(ALL)
    assert not (tmp_path / "backups").exists()


def test_no_backup_no_rollback(tmp_path):
    with ends(tmp_path) as both:
        sides = both.sides()
        walk(sides, 4)
        bound = returning.bind(sides, SETTINGS, Routing("one", "phases", SETTINGS, ENTITIES))

        with pytest.raises(UnsupportedError, match="phase set shadow"):
            bound(Retreat(tmp_path / "backups"))
        assert "live" == sides.standing(ALL).phase.name


def lose(both):
    """Let the target be away from now on."""
    both.opened.pop("two").close()
    both.away.add("two")


def test_a_target_that_is_away_is_not_given_up_unasked(rollback, sides, both):
    walk(sides, 4)
    lose(both)
    told = rollback()

    assert 8 == told.exit_code
    assert "--lossy" in told.problems[0]
    assert "follower" == sides.controls(SOURCE)[ALL].role


def test_a_target_that_was_given_up_is_kept_from_answering_once_it_is_back(rollback, sides, both):
    walk(sides, 4)
    lose(both)
    rollback(lossy=True)
    write(sides, SOURCE, "a", "without it")
    both.away.clear()

    assert "given up" == sides.standing(ALL).state.name
    Walk(sides).to(phase(1))
    assert ["authority", "follower"] == roles(sides)
    assert {"a": "without it"} == texts(sides, SOURCE)


def test_a_source_that_answers_already_needs_no_target(rollback, sides, both):
    walk(sides, 2)
    lose(both)

    assert "one" == rollback(lossy=True).data["authority"]
    assert "authority" == sides.controls(SOURCE)[ALL].role


def test_a_source_whose_ledger_is_lost_is_no_authority(tmp_path, both, sides):
    walk(sides, 4)
    lose(both)
    source = sides.controls(SOURCE)[ALL]
    sides.turn(SOURCE, ALL, source, None)
    routing = Routing("one", "phases", SETTINGS, ENTITIES)

    with pytest.raises(BackendUnavailableError):
        returning.Return(sides, SETTINGS, routing, Retreat(tmp_path, lossy=True)).run()
