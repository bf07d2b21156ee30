"""The walk between phases: step by step, gate by gate, and on again after it was cut short."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import attrs
import pytest
from phase_changes import (
    ENTITIES,
    control,
    ends,
    fill,
    marks,
    phase,
    remove,
    roles,
    sqlite,
    texts,
    walk,
    write,
)

from fluxstore.errors import BackendUnavailableError, GateError, LeaseError, StalePhaseError
from fluxstore.migration import relay
from fluxstore_phases import archiving, completing
from fluxstore_phases.phases import Side
from fluxstore_phases.reading import Deciding
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk

SOURCE, TARGET = Side.SOURCE, Side.TARGET


@pytest.fixture
def both(tmp_path):
    with ends(tmp_path) as made:
        yield made


@pytest.fixture
def sides(both):
    return both.sides()


def names(taken):
    return [(one.before, one.after) for one in taken]


def drained(sides, origin):
    both = sides.adapter(origin), sides.adapter(origin.other)
    return relay.drain(*both, list(ENTITIES.values()))


def test_entering_makes_the_target_follow_and_the_source_mark(sides):
    write(sides, SOURCE, "before", "x")
    taken = walk(sides, 1)
    write(sides, SOURCE, "after", "y")

    assert [("off", "dual_write")] == names(taken)
    assert ["authority", "follower"] == roles(sides)
    assert 2 == sides.standing(ALL).epoch
    assert 1 == marks(sides, SOURCE)


def test_both_sides_get_the_same_migration_and_phase(sides):
    walk(sides, 1)
    standing = sides.standing(ALL)

    assert standing.source.migration == standing.target.migration != ""
    assert standing.source.phase == standing.target.phase == "dual_write"


def test_a_step_that_was_taken_changes_nothing_when_taken_again(sides):
    walk(sides, 2)
    before = sides.standing(ALL)

    assert () == Walk(sides).to(phase(2))
    assert before == sides.standing(ALL)


def test_the_gate_of_the_backfill_stops_the_walk_where_it_is_shut(sides):
    with pytest.raises(GateError, match=r"backfill → shadow.*gate backfill is shut") as shut:
        Walk(sides).to(phase(3))

    assert "backfill" == shut.value.gate
    assert "backfill" == sides.standing(ALL).phase.name


def test_phases_up_to_shadow_stay_in_one_epoch(sides):
    walk(sides, 1)
    epoch = sides.standing(ALL).epoch
    walk(sides, 3)

    assert epoch == sides.standing(ALL).epoch
    assert "shadow" == sides.standing(ALL).target.phase


def test_the_way_back_to_off_leaves_a_source_that_answers_alone(sides):
    walk(sides, 3)
    write(sides, SOURCE, "a", "x")
    walk(sides, 0)
    write(sides, SOURCE, "b", "y")

    assert ["authority", "nothing"] == roles(sides)
    assert 0 == marks(sides, SOURCE)
    assert {} == sides.adapter(SOURCE).ledger.versions("notes", ["a", "b"])


def test_entering_again_is_another_migration(sides):
    walk(sides, 1)
    first = sides.standing(ALL).migration
    walk(sides, 0)
    walk(sides, 1)

    assert first != sides.standing(ALL).migration
    assert 4 == sides.standing(ALL).epoch


def test_the_cutover_moves_the_authority_and_everything_with_it(sides):
    write(sides, SOURCE, "a", "old")
    walk(sides, 3)
    write(sides, SOURCE, "b", "new")
    taken = walk(sides, 4)

    assert ["follower", "authority"] == roles(sides)
    assert {"a": "old", "b": "new"} == texts(sides, TARGET)
    assert taken[-1].pause_seconds < 1
    with pytest.raises(StalePhaseError):
        write(sides, SOURCE, "c", "late")


def test_a_rollback_loses_nothing_that_was_written_after_the_cutover(sides):
    write(sides, SOURCE, "a", "old")
    write(sides, SOURCE, "b", "old")
    walk(sides, 4)
    write(sides, TARGET, "a", "new")
    remove(sides, TARGET, "b")
    walk(sides, 3)

    assert ["authority", "follower"] == roles(sides)
    assert {"a": "new"} == texts(sides, SOURCE)


def test_complete_archives_the_source_with_all_that_was_written_before(sides):
    write(sides, SOURCE, "a", "old")
    walk(sides, 4)
    write(sides, TARGET, "a", "new")
    walk(sides, 5)

    assert ["archived", "authority"] == roles(sides)
    assert {"a": "new"} == texts(sides, SOURCE)


def test_the_archive_has_a_manifest_of_what_it_holds(sides):
    write(sides, SOURCE, "a", "x")
    write(sides, SOURCE, "b", "y")
    walk(sides, 5)
    kept = archiving.manifest(sides, ALL)["entities"]
    again = archiving.keep_manifest(sides, ALL)["entities"]

    assert {"notes": 2, "teams": 0} == {name: one["records"] for name, one in kept.items()}
    assert kept == again


def test_reopened_the_source_gets_what_was_written_while_it_was_archived(sides):
    walk(sides, 5)
    write(sides, TARGET, "a", "while complete")
    walk(sides, 4)
    drained(sides, TARGET)

    assert ["follower", "authority"] == roles(sides)
    assert {"a": "while complete"} == texts(sides, SOURCE)


def test_from_complete_all_the_way_back(sides):
    write(sides, SOURCE, "a", "old")
    walk(sides, 5)
    remove(sides, TARGET, "a")
    write(sides, TARGET, "b", "new")
    taken = walk(sides, 3)

    assert [("complete", "live"), ("live", "shadow")] == names(taken)
    assert {"b": "new"} == texts(sides, SOURCE)


def test_two_at_once_the_second_is_refused(sides, tmp_path):
    with ends(tmp_path) as others, others.sides().leased(), pytest.raises(LeaseError):
        walk(sides, 1)

    assert "fresh" == sides.standing(ALL).state.name


def test_one_entity_may_go_ahead_of_all_others(sides):
    walk(sides, 1)
    walk(sides, 3, "notes")

    assert ("shadow", "dual_write") == (
        sides.standing("notes").phase.name,
        sides.standing(ALL).phase.name,
    )
    assert ["notes"] == [one.name for one in sides.governed("notes")]
    assert ["teams"] == [one.name for one in sides.governed(ALL)]


def test_one_entity_may_stay_where_it_is(sides):
    walk(sides, 0, "notes")
    walk(sides, 4)
    write(sides, SOURCE, "a", "still here")

    assert "off" == sides.standing("notes").phase.name
    assert "live" == sides.standing(ALL).phase.name
    with pytest.raises(StalePhaseError):
        write(sides, TARGET, "b", "not there")


def test_an_entity_that_was_half_given_its_own_phase_is_not_forgotten(sides):
    walk(sides, 3)
    sides.turn(TARGET, "notes", None, sides.controls(TARGET)[ALL])  # who did that died
    write(sides, SOURCE, "a", "x")
    Walk(sides).to(phase(3))
    walk(sides, 4)
    write(sides, SOURCE, "b", "y")

    assert ["teams"] == [one.name for one in sides.governed(ALL)]
    assert ("live", "shadow") == (
        sides.standing(ALL).phase.name,
        sides.standing("notes").phase.name,
    )


def test_one_entity_goes_live_and_home_again(sides):
    write(sides, SOURCE, "a", "x")
    walk(sides, 1)
    walk(sides, 4, "notes")
    write(sides, TARGET, "a", "y")
    walk(sides, 0, "notes")

    assert {"a": "y"} == texts(sides, SOURCE)
    assert "off" == sides.standing("notes").phase.name
    assert "dual_write" == sides.standing(ALL).phase.name


def test_a_dead_target_does_not_keep_the_source_from_being_alone(sides, both):
    walk(sides, 3)
    both.opened.pop("two").close()
    both.away.add("two")
    taken = Walk(sides).to(phase(0))
    write(sides, SOURCE, "a", "alone")
    both.away.clear()

    assert [("shadow", "off")] == names(taken)
    assert "leaving" == sides.standing(ALL).state.name
    walk(sides, 1)
    assert ["authority", "follower"] == roles(sides)


def test_an_entity_without_a_record_of_its_own_is_not_alone_while_the_target_is_away(sides, both):
    walk(sides, 1)
    both.opened.pop("two").close()
    both.away.add("two")

    with pytest.raises(BackendUnavailableError, match="cannot be decided"):
        Walk(sides, "notes").to(phase(0))
    both.away.clear()
    assert "dual_write" == sides.standing("notes").phase.name


def test_marks_of_complete_are_kept_for_their_time_and_then_dropped(sides):
    walk(sides, 5)
    write(sides, TARGET, "a", "x")

    assert not completing.expire(sides, ALL, 3600.0)
    assert 1 == marks(sides, TARGET)
    assert completing.expire(sides, ALL, 0.0)
    assert 0 == marks(sides, TARGET)
    assert "complete" == sides.standing(ALL).state.name


def test_a_source_whose_marks_were_dropped_is_filled_again_before_it_answers(sides):
    write(sides, SOURCE, "gone", "x")
    walk(sides, 5)
    remove(sides, TARGET, "gone")
    write(sides, TARGET, "a", "y")
    completing.expire(sides, ALL, 0.0)
    Walk(sides).to(phase(4))
    with pytest.raises(GateError, match="gate backfill is shut"):
        Walk(sides).to(phase(3))
    fill(sides)
    Walk(sides).to(phase(3))

    assert {"a": "y"} == texts(sides, SOURCE)


def test_a_migration_begins_without_the_books_of_an_earlier_one(sides):
    walk(sides, 1)
    write(sides, SOURCE, "a", "x")
    remove(sides, SOURCE, "a")
    standing = sides.standing(ALL)
    sides.turn(TARGET, ALL, standing.target, None)  # as if whoever left had kept its books
    sides.turn(SOURCE, ALL, standing.source, control(9, "authority", "off", ""))
    walk(sides, 1)

    assert {} == sides.adapter(SOURCE).ledger.versions("notes", ["a"])
    assert 0 == marks(sides, SOURCE)


def test_nothing_is_archived_before_it_has_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archiving, "PATIENCE_SECONDS", 0.1)
    with ends(tmp_path, one=sqlite, two=sqlite) as both:
        sides = both.sides()
        write(sides, SOURCE, "there", "is a table")
        walk(sides, 4)
        with closing(sqlite3.connect(tmp_path / "one.db")) as other:
            other.execute("CREATE UNIQUE INDEX nobody_else ON notes (text)")
        write(sides, TARGET, "a", "the same")
        write(sides, TARGET, "b", "the same")

        with pytest.raises(GateError, match="changes of notes from before phase 5"):
            Walk(sides).to(phase(5))

        assert ["follower", "authority"] == roles(sides)
        assert 0 < marks(sides, TARGET)


def test_finalized_nothing_is_kept_for_a_way_back(sides):
    walk(sides, 4)
    write(sides, TARGET, "a", "x")
    remove(sides, TARGET, "a")
    walk(sides, 5)
    before = sides.standing(ALL).epoch
    epoch = completing.finalize(sides, ALL)

    assert before < epoch
    assert {} == sides.adapter(TARGET).ledger.versions("notes", ["a"])
    assert 0 == marks(sides, TARGET)


def test_a_read_is_refused_where_the_sides_changed_places_meanwhile(sides):
    write(sides, SOURCE, "a", "x")
    walk(sides, 3)
    standing = sides.standing(ALL)
    deciding_now = attrs.evolve(standing.source, epoch=standing.epoch + 1, role="committing")
    sides.turn(SOURCE, ALL, standing.source, deciding_now)
    here, there = (sides.adapter(side).ledger for side in (SOURCE, TARGET))
    reads = Deciding("notes", here, lambda: there)

    def late(_):
        sides.turn(SOURCE, ALL, deciding_now, attrs.evolve(deciding_now, role="follower"))
        return "an answer that is no longer right"

    assert "right" == reads.read(lambda _: "right", "a")
    with pytest.raises(StalePhaseError):
        reads.read(late, "a")
