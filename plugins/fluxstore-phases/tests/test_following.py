"""Two sides beside a running application: what is written at one is followed by the other."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress

import attrs
import pytest
from phase_changes import KINDS, Note, ends, fill, marks, phase, records, roles, texts, walk, write
from two_sided import Application, wait_until

import fluxstore
from fluxstore import Plugins
from fluxstore.adapter import Control
from fluxstore.errors import PhaseOrderError, RecordNotFoundError, StalePhaseError
from fluxstore_phases.phases import Side

SOURCE, TARGET = Side.SOURCE, Side.TARGET


def test_the_first_open_writes_phase_off_down_at_the_source(application, sides):
    with application.open():
        assert Control(1, "authority", "off", "") == sides.controls(SOURCE)["*"]
    assert {} == sides.controls(TARGET)


def test_a_second_open_changes_nothing(application, sides):
    with application.open() as first, application.open() as second:
        first[Note].create(Note(id="a"))
        second[Note].create(Note(id="b"))
    assert 1 == sides.controls(SOURCE)["*"].epoch


@pytest.mark.parametrize("number", [1, 2, 3])
def test_regression_03_the_source_is_written_first_and_the_target_follows(
    application, sides, number
):
    walk(sides, number)
    with application.open() as store:
        store[Note].create(Note(id="a", text="x"))
        assert {"a": "x"} == texts(sides, TARGET) == texts(sides, SOURCE)
        wait_until(lambda: not marks(sides, SOURCE))
        store[Note].delete("a")
        assert {} == texts(sides, TARGET)


def test_regression_04_after_the_cutover_the_target_is_read_and_written_first(application, sides):
    walk(sides, 4)
    with application.open() as store:
        store[Note].create(Note(id="a", text="x"))
        assert "x" == store[Note].get("a").text
        assert {"a": "x"} == texts(sides, SOURCE) == texts(sides, TARGET)


def test_in_phase_complete_the_source_is_left_alone_and_marks_are_kept(application, sides):
    walk(sides, 5)
    with application.open() as store:
        store[Note].create(Note(id="a"))
    assert {} == texts(sides, SOURCE)
    assert 1 == marks(sides, TARGET)


def test_a_transaction_is_followed_once_it_has_ended(application, sides):
    walk(sides, 1)
    with application.open() as store:
        with store.transaction():
            store[Note].create(Note(id="a"))
            store[Note].create(Note(id="b"))
            assert {} == texts(sides, TARGET)
        assert {"a", "b"} == set(texts(sides, TARGET))


def test_a_transaction_that_is_undone_is_not_followed(application, sides):
    walk(sides, 1)
    with application.open() as store:
        with suppress(RecordNotFoundError), store.transaction():
            store[Note].create(Note(id="a"))
            store[Note].delete("never there")
        store[Note].create(Note(id="b"))
        assert {"b"} == set(texts(sides, TARGET))


@pytest.mark.parametrize("path", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 3), (4, 5), (1, 0)])
def test_an_idle_store_follows_a_phase_change_within_a_second(application, sides, path):
    before, after = path
    walk(sides, before)
    with application.open() as store:
        store[Note].count()
        walk(sides, after)
        began = time.monotonic()
        wait_until(lambda: application.heard.phases)
        assert time.monotonic() - began < 2  # a second, on a machine that is busy
        assert ("*", phase(after).name) == application.heard.phases[-1][:2]


@pytest.mark.parametrize("path", [(0, 1), (3, 4), (4, 3), (4, 5)])
def test_regression_36_a_store_of_the_phase_before_reads_and_writes_at_once(
    application, sides, path
):
    before, after = path
    walk(sides, before)
    with application.open() as store:
        store[Note].create(Note(id="a", text="1"))
        walk(sides, after)
        assert "2" == store[Note].update("a", text="2").text
        assert "2" == store[Note].get("a").text
        holder = sides.standing("*").holder
        assert {"a": "2"} == texts(sides, holder)


def test_the_desired_phase_is_said_once_where_it_is_not_the_actual_one(application, caplog):
    application.policy["phase"] = "dual_write"
    with caplog.at_level(logging.WARNING), application.open() as store:
        store[Note].create(Note(id="a"))
    said = [one.getMessage() for one in caplog.records]
    assert 1 == len(said)
    assert "phase off is in force" in said[0]
    assert "dual_write is asked for" in said[0]


def test_a_source_that_lost_its_ledger_is_not_taken_for_new(application, sides, tmp_path):
    walk(sides, 3)
    for file in tmp_path.glob("one.state*"):
        file.unlink()
    with pytest.raises(PhaseOrderError, match="the source's ledger says nothing"):
        application.open().__enter__()


def test_a_phase_of_a_later_release_is_not_guessed_at(application, sides):
    walk(sides, 1)
    before = sides.controls(SOURCE)["*"]
    sides.turn(SOURCE, "*", before, attrs.evolve(before, phase="quantum"))
    with pytest.raises(PhaseOrderError, match="quantum, which this release does not run"):
        application.open().__enter__()


def test_regression_18_updated_at_is_the_same_on_both_sides(application, sides):
    walk(sides, 3)
    with application.open() as store:
        store[Note].create(Note(id="a"))
        store[Note].update("a", log=["x"])
    assert records(sides, SOURCE) == records(sides, TARGET)


def test_threads_stand_beside_the_store_and_end_with_it(application, sides):
    application.policy["shadow_reads"] = 1.0
    walk(sides, 3)
    before = set(threading.enumerate())
    with application.open() as store:
        for number in range(20):
            store[Note].create(Note(id=str(number)))
            store[Note].get(str(number))
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert {"leg-two", "relay", "shadow", "watcher"} == {n[len("fluxstore-") :] for n in names}
    assert before == set(threading.enumerate())


def test_marks_that_nobody_carried_are_relayed_beside_the_store(application, sides):
    walk(sides, 1)
    write(sides, SOURCE, "a", "of another process that died")
    with application.open():
        wait_until(lambda: not marks(sides, SOURCE))
    assert {"a": "of another process that died"} == texts(sides, TARGET)


def test_an_operation_that_is_repeated_after_the_cutover_has_one_effect(application, sides):
    walk(sides, 3)
    with application.open() as store:
        store[Note].create(Note(id="a", text="once"), op_id="op")
        walk(sides, 4)
        store[Note].create(Note(id="a", text="once"), op_id="op")
        assert ["follower", "authority"] == roles(sides)


def test_a_delete_of_phase_off_that_is_repeated_after_the_cutover_has_one_effect(tmp_path):
    application = Application(tmp_path, one="json", two="sqlite")
    with application.open() as store:
        for key in "ab":
            store[Note].create(Note(id=key))
        store[Note].delete("a", op_id="its answer was lost")
        with ends(tmp_path, one=KINDS["json"], two=KINDS["sqlite"]) as both:
            sides = both.sides()
            walk(sides, 2)
            fill(sides)
            walk(sides, 4)
            store[Note].delete("a", op_id="its answer was lost")
            with pytest.raises(RecordNotFoundError):
                store[Note].delete("a", op_id="another")
            assert {"b"} == set(texts(sides, TARGET)) == set(texts(sides, SOURCE))
            store[Note].create(Note(id="a", text="anew"))
            assert "anew" == texts(sides, SOURCE)["a"]


def test_a_store_of_one_backend_alone_hears_at_once_that_it_is_only_a_follower(application, sides):
    walk(sides, 3)
    plugins = Plugins.load()
    plugins.add(application.heard, name="heard")
    began = time.monotonic()
    with fluxstore.open(application.configure(), backend="two", plugins=plugins) as store:
        with pytest.raises(StalePhaseError, match="follower"):
            store[Note].create(Note(id="a"))
        with pytest.raises(StalePhaseError, match="follower"), store.transaction():
            pass
    assert time.monotonic() - began < 5
