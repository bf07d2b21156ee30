"""A follower that is dead, slow, stuck or full is not the caller's trouble."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

import pytest
from phase_changes import Note, ends, json, marks, texts, walk
from two_sided import Application, Heard, Trouble, wait_until

from fluxstore.errors import BackendUnavailableError, ConstraintError, FollowerError
from fluxstore_phases import leg
from fluxstore_phases.phases import Side

SOURCE, TARGET = Side.SOURCE, Side.TARGET
BUDGET_SECONDS = 0.25


@pytest.fixture
def application(tmp_path, trouble):
    return Application(tmp_path, two="troubled", heard=Heard(trouble))


def took(call):
    began = time.monotonic()
    call()
    return time.monotonic() - began


def fact(sides):
    return sides.adapter(SOURCE).ledger.fact(leg.FACT)


def create(store, *keys):
    for key in keys:
        store[Note].create(Note(id=key))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_application_starts_and_runs_while_its_follower_is_away(
    application, sides, trouble, number
):
    walk(sides, number)
    trouble.go_away()
    with application.open() as store:
        create(store, *"abcdef")
        assert "a" == store[Note].get("a").id
        wait_until(lambda: fact(sides) and not fact(sides)["follows"])
        trouble.come_back()
        wait_until(lambda: not marks(sides, SOURCE), seconds=30)
        assert set("abcdef") == set(texts(sides, TARGET))
        wait_until(lambda: fact(sides)["follows"])


def test_regression_02_an_update_returns_the_record_though_the_follower_failed(
    application, sides, trouble
):
    walk(sides, 1)
    with application.open() as store:
        create(store, "a")
        trouble.error = BackendUnavailableError("broke", backend="two")
        assert "x" == store[Note].update("a", text="x").text


def test_regression_05_a_follower_that_failed_is_in_the_ledger_not_only_in_the_log(
    application, sides, trouble
):
    walk(sides, 1)
    trouble.error = BackendUnavailableError("broke", backend="two")
    with application.open() as store:
        create(store, "a", "b", "c")
        wait_until(lambda: fact(sides))
    assert (False, "two") == (fact(sides)["follows"], fact(sides)["follower"])
    assert "broke" in fact(sides)["problem"]
    assert 3 == marks(sides, SOURCE)


def test_a_stuck_follower_adds_its_budget_at_most_and_soon_nothing(application, sides, trouble):
    walk(sides, 1)
    with application.open() as store:
        create(store, "first")
        trouble.free.clear()
        seconds = [took(lambda n=n: create(store, f"n{n}")) for n in range(6)]
        trouble.free.set()
    assert max(seconds) < BUDGET_SECONDS + 0.25  # the write itself, on a busy machine
    assert max(seconds[3:]) < BUDGET_SECONDS


def test_a_slow_follower_is_not_waited_for_again_and_again(application, sides, trouble):
    walk(sides, 1)
    trouble.delay_seconds = 0.4
    with application.open() as store:
        create(store, *(f"n{n}" for n in range(4)))
        assert took(lambda: create(store, "last")) < BUDGET_SECONDS
        trouble.delay_seconds = 0.0
        wait_until(lambda: not marks(sides, SOURCE))


def test_the_budget_is_a_setting(application, sides, trouble):
    application.policy["follower_budget"] = "20ms"
    walk(sides, 1)
    trouble.free.clear()
    with application.open() as store:
        assert took(lambda: create(store, "a")) < BUDGET_SECONDS
        trouble.free.set()


def test_writes_of_many_threads_wait_together(application, sides, trouble):
    walk(sides, 1)
    with application.open() as store:
        create(store, "first")
        trouble.free.clear()
        threads = [threading.Thread(target=create, args=(store, f"t{n}")) for n in range(8)]
        calls = trouble.calls
        for thread in threads:
            thread.start()
        wait_until(lambda: trouble.calls > calls)
        trouble.free.set()
        for thread in threads:
            thread.join()
        wait_until(lambda: not marks(sides, SOURCE))
        assert trouble.calls - calls < 8


def test_a_rule_of_the_follower_fails_no_write(application, sides, trouble):
    walk(sides, 1)
    trouble.error = ConstraintError("text: taken", backend="two", rule="unique")
    with application.open() as store:
        create(store, "a")
        assert 1 == marks(sides, SOURCE)
        trouble.error = None
        wait_until(lambda: not marks(sides, SOURCE))


def test_who_asks_for_it_hears_that_the_follower_failed_and_that_the_write_did_not(
    application, sides, trouble
):
    application.policy["on_follower_error"] = "raise"
    walk(sides, 1)
    trouble.error = BackendUnavailableError("broke", backend="two")
    with application.open() as store:
        with pytest.raises(FollowerError, match=r"durable at one; two has not .*broke") as raised:
            store[Note].create(Note(id="a"), op_id="op")
        assert ("two", "op") == (raised.value.follower, raised.value.op_id)
        assert "a" == store[Note].get("a").id


def test_who_asks_for_it_hears_it_after_a_transaction(application, sides, trouble):
    application.policy["on_follower_error"] = "raise"
    walk(sides, 1)
    trouble.error = BackendUnavailableError("broke", backend="two")
    with application.open() as store:
        with pytest.raises(FollowerError, match="durable at one"), store.transaction():
            create(store, "a", "b")
        assert 2 == store[Note].count()


def test_a_full_queue_leaves_it_to_the_relay(application, sides, trouble, monkeypatch):
    monkeypatch.setattr(leg, "CAPACITY", 0)
    walk(sides, 1)
    with application.open() as store:
        create(store, "a")
        wait_until(lambda: not marks(sides, SOURCE))
    assert {"a"} == set(texts(sides, TARGET))


def test_a_write_is_a_write_where_no_thread_can_be_started(
    application, sides, trouble, monkeypatch
):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    walk(sides, 1)
    with application.open() as store:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        create(store, "a")
        assert 1 == marks(sides, SOURCE)


def test_a_store_closes_while_its_follower_is_away(application, sides, trouble):
    walk(sides, 1)
    trouble.go_away()
    with application.open() as store:
        create(store, "a")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert 1 == marks(sides, SOURCE)


def test_an_interrupted_wait_leaves_a_durable_write_and_a_store_that_goes_on(
    application, sides, trouble
):
    application.policy["follower_budget"] = "8s"
    walk(sides, 1)
    with application.open() as store:
        create(store, "first")
        calls = trouble.calls
        trouble.free.clear()

        def interrupt():
            wait_until(lambda: trouble.calls > calls)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            create(store, "a")
        thread.join()
        trouble.free.set()
        create(store, "b")
        wait_until(lambda: not marks(sides, SOURCE))
        assert {"first", "a", "b"} == set(texts(sides, TARGET))


def test_a_forked_child_has_a_leg_and_a_watcher_of_its_own(tmp_path):
    application = Application(tmp_path, one="json", two="json")
    application.configure()
    with ends(tmp_path, one=json, two=json) as both:
        walk(both.sides(), 1)
    with ends(tmp_path, one=json, two=json) as both, application.open() as store:
        sides = both.sides()
        create(store, "parent")
        child = os.fork()
        if not child:
            code = 1
            try:
                create(store, "child")
                wait_until(lambda: {"parent", "child"} <= set(texts(sides, TARGET)))
                code = 0
            finally:
                os._exit(code)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        create(store, "after")
        wait_until(lambda: {"parent", "child", "after"} == set(texts(sides, TARGET)))


def test_regression_09_without_its_authority_nothing_is_read_from_the_follower(
    tmp_path, application, sides, trouble
):
    walk(sides, 4)
    with application.open() as store:
        create(store, "a")
    trouble.go_away()
    with pytest.raises(BackendUnavailableError):
        application.open().__enter__()


def test_in_phase_live_the_application_starts_without_its_source(tmp_path, sides, caplog):
    walk(sides, 4)
    trouble = Trouble()
    application = Application(tmp_path, one="troubled", heard=Heard(trouble))
    trouble.go_away()
    with caplog.at_level(logging.WARNING), application.open() as store:
        create(store, "a")
        assert "a" == store[Note].get("a").id
        trouble.come_back()
        wait_until(lambda: not marks(sides, TARGET), seconds=30)
    assert {"a"} == set(texts(sides, SOURCE))
