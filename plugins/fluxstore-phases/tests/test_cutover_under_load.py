"""A phase change while an application reads and writes: nobody fails, and nothing is lost."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import attrs
import pytest
from phase_changes import Note, marks, records, roles, texts, walk
from two_sided import Application, Heard, Load, Trouble, wait_until

from fluxstore import bound
from fluxstore.errors import SealedError
from fluxstore_phases.phases import Side

SOURCE, TARGET = Side.SOURCE, Side.TARGET


def turn(sides, side, **changes):
    """Change one side's control as somebody does who dies right after it."""
    before = sides.controls(side)["*"]
    sides.turn(side, "*", before, attrs.evolve(before, **changes))


def seal(sides, side=SOURCE, role="sealed"):
    turn(sides, side, epoch=sides.controls(side)["*"].epoch + 1, role=role)


def take_over(sides, side=TARGET, phase="live"):
    turn(sides, side, epoch=sides.controls(side)["*"].epoch + 1, role="authority", phase=phase)


def test_an_abandoned_seal_is_undone_by_who_waits_for_it(application, sides):
    walk(sides, 3)
    with application.open() as store:
        store[Note].create(Note(id="a"))
        seal(sides)
        epoch = sides.controls(SOURCE)["*"].epoch
        assert "a" == store[Note].get("a").id
        store[Note].create(Note(id="b"))
        assert epoch == sides.controls(SOURCE)["*"].epoch
        wait_until(lambda: not marks(sides, SOURCE))
        assert epoch == sides.controls(TARGET)["*"].epoch
    assert {"a", "b"} == set(texts(sides, TARGET))


def test_an_abandoned_seal_is_undone_without_the_other_side(tmp_path, sides):
    trouble = Trouble()
    application = Application(tmp_path, two="troubled", heard=Heard(trouble))
    walk(sides, 3)
    trouble.go_away()
    with application.open() as store:
        seal(sides)
        store[Note].create(Note(id="a"))
    assert ["authority", "follower"] == roles(sides)


def test_a_seal_whose_maker_lives_is_left_alone(application, sides, monkeypatch):
    monkeypatch.setattr(bound, "PATIENCE_SECONDS", 3.0)
    walk(sides, 3)
    with application.open() as store, sides.leased():
        seal(sides)
        with pytest.raises(SealedError):
            store[Note].create(Note(id="a"))
    assert "sealed" == roles(sides)[0]


def test_reads_go_on_while_a_cutover_is_being_decided(application, sides):
    walk(sides, 3)
    with application.open() as store, sides.leased():
        store[Note].create(Note(id="a"))
        seal(sides, role="committing")
        assert "a" == store[Note].get("a").id
        assert 1 == store[Note].count()
        assert 1 == len(store[Note].find())


def test_an_undecided_cutover_is_given_back_by_who_waits_for_it(application, sides):
    walk(sides, 3)
    with application.open() as store:
        seal(sides, role="committing")
        store[Note].create(Note(id="a"))
        assert ["authority", "follower"] == roles(sides)
    assert {"a"} == set(texts(sides, SOURCE))


def test_a_target_that_took_over_answers_before_the_source_knows(application, sides):
    walk(sides, 3)
    with application.open() as store, sides.leased():
        store[Note].create(Note(id="a", text="old"))
        seal(sides, role="committing")
        take_over(sides)
        assert "old" == store[Note].get("a").text
        assert "new" == store[Note].update("a", text="new").text
        assert ["committing", "authority"] == roles(sides)
        assert "new" == store[Note].get("a").text


def test_a_cutover_that_died_at_its_commit_point_is_finished(application, sides):
    walk(sides, 3)
    with application.open() as store:
        seal(sides, role="committing")
        take_over(sides)
        store[Note].create(Note(id="a"))
        wait_until(lambda: roles(sides) == ["follower", "authority"])
        wait_until(lambda: not marks(sides, TARGET))
    assert {"a"} == set(texts(sides, SOURCE))


def test_reads_wait_while_the_side_that_decides_cannot_be_asked(tmp_path, sides, monkeypatch):
    monkeypatch.setattr(bound, "PATIENCE_SECONDS", 0.5)
    trouble = Trouble()
    application = Application(tmp_path, two="troubled", heard=Heard(trouble))
    walk(sides, 3)
    trouble.go_away()
    with application.open() as store:
        seal(sides, role="committing")
        with pytest.raises(SealedError, match="cannot be asked"):
            store[Note].get("a", None)
        trouble.come_back()
        assert store[Note].get("a", None) is None


@pytest.mark.parametrize("path", [(0, 1), (1, 4), (4, 3), (3, 5), (5, 3), (0, 4)])
def test_no_request_fails_and_no_write_is_lost_through_phase_changes(application, sides, path):
    before, after = path
    walk(sides, before)
    with application.open() as store:
        load = Load(store, ["w0", "w1", "w2"])
        with load.running():
            load.go_on()
            walk(sides, after)
            load.go_on()
        load.judge()
        if after < 5:
            wait_until(lambda: not marks(sides, sides.standing("*").holder))
            assert records(sides, SOURCE) == records(sides, TARGET)


def test_writes_wait_less_than_a_second_at_a_cutover(application, sides):
    walk(sides, 3)
    with application.open() as store:
        store[Note].create(Note(id="w"))
        done = threading.Event()
        times = []

        def write():
            while not done.is_set():
                store[Note].update("w", text="x")
                times.append(time.monotonic())

        thread = threading.Thread(target=write)
        thread.start()
        wait_until(lambda: len(times) > 5)
        walk(sides, 4)
        count = len(times)
        wait_until(lambda: len(times) > count + 5)
        done.set()
        thread.join()
    assert max(after - before for before, after in pairwise(times)) < 1.5
