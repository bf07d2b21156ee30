"""Shadow reads: what differs is found, told once and kept; what is under way is no difference."""

from __future__ import annotations

import threading

import pytest
from phase_changes import NOTES, Note, walk, write
from two_sided import Application, Heard, wait_until

import fluxstore
from fluxstore.adapter import Batch
from fluxstore.errors import BackendUnavailableError
from fluxstore.records import Record, Version, Versioned
from fluxstore_phases import shadow
from fluxstore_phases.divergences import FACT
from fluxstore_phases.phases import Side
from fluxstore_phases.shadow import Glance, Shadow

SOURCE, TARGET = Side.SOURCE, Side.TARGET


@pytest.fixture
def application(tmp_path, trouble):
    return Application(tmp_path, two="troubled", heard=Heard(trouble), policy={"shadow_reads": 1.0})


def spoil(sides, key, text, *, side=TARGET):
    """Change a follower's record without its version, as another program would."""
    follower = sides.adapter(side).collection(NOTES)
    found = follower.read([key]).get(key)
    version = found.version if found is not None else Version(1, 1)
    newer = Version(version.epoch, version.seq + 1)
    record = None if text is None else Record(key, {"id": key, "text": text, "log": []})
    follower.apply_if_newer([Versioned(key, newer, record)])


def kept(sides, side=SOURCE):
    return sides.adapter(side).ledger.fact(FACT) or {"count": 0, "last": []}


def create(store, *keys):
    for key in keys:
        store[Note].create(Note(id=key))


def test_a_record_that_differs_is_told_once_with_its_fields_and_kept(application, sides):
    walk(sides, 3)
    with application.open() as store:
        create(store, "a", "b")
        spoil(sides, "a", "drifted")
        for _ in range(5):
            store[Note].get("a")
            store[Note].get("b")
        wait_until(lambda: kept(sides)["count"])
        store[Note].get("a")
        store[Note].find(text=fluxstore.ne("z"))
    assert [("notes", "a", ("text",))] == application.heard.diverged
    [found] = kept(sides)["last"]
    assert ("notes", "a", ["text"], "ahead") == tuple(
        found[name] for name in ("entity", "key", "fields", "kind")
    )
    assert "drifted" not in str(kept(sides))


def test_a_record_that_the_follower_lacks_is_told(application, sides):
    walk(sides, 3)
    with application.open() as store:
        create(store, "a")
        spoil(sides, "a", None)
        store[Note].get("a")
        wait_until(lambda: application.heard.diverged)
    assert "missing" == kept(sides)["last"][0]["kind"]


def test_a_record_that_only_the_follower_finds_is_told(application, sides):
    walk(sides, 3)
    epoch = sides.controls(TARGET)["*"].epoch
    orphan = Record("orphan", {"id": "orphan", "text": "x", "log": []})
    sides.adapter(TARGET).collection(NOTES).merge(Batch([orphan], epoch=epoch))
    with application.open() as store:
        assert [] == store[Note].find(text="x")
        wait_until(lambda: application.heard.diverged)
    assert "orphan" == kept(sides)["last"][0]["kind"]


def test_in_phase_live_the_source_is_compared(application, sides):
    walk(sides, 4)
    with application.open() as store:
        create(store, "a")
        spoil(sides, "a", "drifted", side=SOURCE)
        store[Note].get("a")
        wait_until(lambda: application.heard.diverged)
    assert 1 == kept(sides, TARGET)["count"]


def test_regression_32_what_its_mark_explains_is_no_difference(application, sides, trouble):
    application.policy["follower_budget"] = "1ms"
    walk(sides, 3)
    with application.open() as store:
        create(store, "a")
        trouble.free.clear()
        store[Note].update("a", text="not followed yet")
        for _ in range(5):
            store[Note].get("a")
        looked = threading.Event()
        looked.wait(1)  # several looks take place
        trouble.free.set()
        store[Note].get("a")
        store[Note].find()
        looked.wait(1)
    assert [] == application.heard.diverged


def test_regression_32_records_that_are_written_all_the_time_are_no_differences(application, sides):
    walk(sides, 3)
    with application.open() as store:
        create(store, "a", "b")
        for number in range(150):
            store[Note].update("ab"[number % 2], text=str(number))
            store[Note].get("a")
            store[Note].find()
    assert [] == application.heard.diverged
    assert 0 == kept(sides)["count"] < kept(sides)["compared"]


def test_reads_do_not_mind_a_follower_that_is_away(application, sides, trouble):
    walk(sides, 3)
    trouble.go_away()
    with application.open() as store:
        create(store, "a")
        assert "a" == store[Note].get("a").id


def test_without_a_share_nothing_is_compared(application, sides):
    application.policy["shadow_reads"] = 0.0
    walk(sides, 3)
    with application.open() as store:
        create(store, "a")
        store[Note].get("a")
        assert "fluxstore-shadow" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("number", [1, 2, 5])
def test_in_other_phases_nothing_is_compared(application, sides, number):
    walk(sides, number)
    with application.open() as store:
        create(store, "a")
        store[Note].get("a")
        assert "fluxstore-shadow" not in {thread.name for thread in threading.enumerate()}


def test_a_full_queue_drops_what_is_offered_and_counts_it(monkeypatch, sides):
    monkeypatch.setattr(shadow, "CAPACITY", 2)
    compare = Shadow(sides.adapter, reports=None)
    monkeypatch.setattr(compare, "start", lambda: None)
    for _ in range(5):
        compare.offer(Glance(NOTES, SOURCE, ["a"]))
    assert 3 == compare.dropped


def test_an_error_of_the_follower_leaves_the_reads_alone(application, sides, trouble):
    walk(sides, 3)
    write(sides, SOURCE, "a", "x")
    trouble.error = BackendUnavailableError("broke", backend="two")
    with application.open() as store:
        assert "x" == store[Note].get("a").text
