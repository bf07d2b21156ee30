"""Backfill, relay, validation and repair with writers at work, between real backends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from governed import EPOCH, Pair, held, parents_first, swap_values
from live_ends import real_pair
from moving import ENTITIES, Member, Note, Team, User, by_entity, everything
from under_load import Plan, wrong

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.migration.backfill import backfill
from fluxstore.migration.carrying import carry
from fluxstore.migration.confirm import validate_live
from fluxstore.migration.differences import Kind
from fluxstore.migration.live import Live, live_of
from fluxstore.migration.liverepair import apply_live_plan, undo_live
from fluxstore.migration.options import Options
from fluxstore.migration.relay import drain
from fluxstore.migration.repair import plan_live_repair
from fluxstore.records import Record
from fluxstore.testing.databases import DatabaseServer

NOTES = entity_of(Note)
CLASSES = (Team, User, Member, Note)
WAYS = (
    "json-postgres",
    "postgres-json",
    "sqlite-postgres",
    "json-sqlite",
    "postgres-sqlite",
    "sqlite-json",
    "client-json",
    "sqlite-client",
)
FEW = ("json-postgres", "postgres-sqlite", "sqlite-json")


@pytest.fixture(params=WAYS)
def both(request, tmp_path: Path, postgres_server: DatabaseServer) -> Iterator[Pair]:
    with real_pair(request.param, tmp_path, postgres_server) as made:
        yield made


def live(both: Pair) -> Live:
    found = live_of(both.origin, both.follower, ENTITIES.values())
    assert found is not None
    return found


def run(both: Pair, **options):
    return backfill(live(both), ENTITIES, Options(**options))


def validated(both: Pair):
    return validate_live(live(both), ENTITIES)


def drained(both: Pair):
    return drain(*both.adapters, parents_first(), patience_seconds=10)


def loaded(both: Pair, notes: int = 60) -> None:
    both.write(Team(id="t", name="Team"), User(id="a", email="1@x", team_id="t"))
    both.write(
        User(id="b", email="2@x", team_id="t", boss_id="a"), Member(team_id="t", user_id="a")
    )
    both.write(*(Note(id=n, text=f"note {n}") for n in range(notes)))
    both.govern()


def same(both: Pair) -> bool:
    ours, theirs = ([everything(end, c) for c in CLASSES] for end in (both.origin, both.follower))
    return ours == theirs


def test_a_backfill_with_writers_at_work_ends_equal(both: Pair) -> None:
    loaded(both)
    done = threading.Event()

    def write() -> None:
        n = 0
        while not done.is_set():
            n += 1
            both.write(Note(id=n % 80, text=f"written {n}"))
            both.change(User, "b", name=f"name {n}")
            if n % 3 == 0:
                both.delete(Note, n % 80)
            if n % 4 == 0:
                drained(both)

    with ThreadPoolExecutor(1) as threads:
        writer = threads.submit(write)
        try:
            report = run(both)
            found = validated(both)
        finally:
            done.set()
        writer.result()
    assert [] == [str(one) for one in (*report.problems, *found.differences)]
    assert drained(both).is_empty
    assert same(both)
    assert 0 == sum(one.written for one in run(both).entities)
    assert (0, 1.0) == (validated(both).exit_code, validated(both).accuracy)


@pytest.mark.parametrize("both", FEW, indirect=True)
def test_conflicting_changes_cross_together(both: Pair) -> None:
    loaded(both, notes=2)
    run(both)
    for key, email in (("a", None), ("b", "1@x"), ("a", "2@x")):
        both.change(User, key, email=email)
    both.write(Team(id="new"), User(id="c", team_id="new"), Member(team_id="new", user_id="c"))
    both.change(Team, "new", lead_id="c")
    both.delete(Member, ("t", "a"))
    report = drained(both)
    assert (0, ()) == (report.left.marks, report.waiting)
    assert same(both)
    both.delete(Team, "new")
    assert drained(both).is_empty
    assert same(both)


@pytest.mark.parametrize("both", FEW, indirect=True)
def test_values_swapped_in_phase_off_cross_though_only_one_was_touched(both: Pair) -> None:
    swap_values(both)
    both.change(User, "a", name="touched")
    report = drained(both)
    assert (0, ()) == (report.left.marks, report.waiting)
    assert same(both)


@pytest.mark.parametrize("both", FEW, indirect=True)
def test_a_planted_difference_is_found_repaired_and_put_back(both: Pair, tmp_path: Path) -> None:
    loaded(both)
    run(both)
    both.change(Note, 3, text="touched")
    drained(both)
    spoil(both, Record(3, {"id": 3, "text": "x"}), Record(77, {"id": 77, "text": "x"}), gone=(5,))
    found = validated(both)
    expected = {"3": Kind.DIVERGED, "77": Kind.ORPHAN, "5": Kind.MISSING}
    assert expected == {one.key: one.kind for one in found.differences}
    assert 5 == found.exit_code
    path, log = tmp_path / "plan.jsonl", tmp_path / "plan.jsonl.log"
    plan_live_repair(live(both), ENTITIES, path=path)
    both.write(Note(id=50, text="meanwhile"))
    report = apply_live_plan(path, live(both), ENTITIES, log=log)
    assert (2, 1, 0) == (report.written, report.deleted, report.exit_code)
    drained(both)
    assert same(both)
    undo_live(log, live(both), ENTITIES)
    assert "x" == held(both.follower, Note, [3])[3].values["text"]
    assert expected == {one.key: one.kind for one in validated(both).differences}


@pytest.mark.parametrize("both", FEW, indirect=True)
def test_a_leg_waits_while_a_repair_compares_and_writes(both: Pair, tmp_path: Path) -> None:
    loaded(both)
    run(both)
    spoil(both, Record(3, {"id": 3, "text": "planted"}))
    path, log = tmp_path / "plan.jsonl", tmp_path / "plan.jsonl.log"
    plan_live_repair(live(both), ENTITIES, path=path)
    collection = both.follower.collection(NOTES)
    read, order = collection.read, []

    def leg() -> None:
        carry(*both.adapters, NOTES, [3], epoch=EPOCH)
        order.append("leg")

    with ThreadPoolExecutor(1) as threads:

        def reading(keys):
            found = read(keys)
            if not order:
                order.append("compared")
                both.change(Note, 3, text="newer")
                legs.append(threads.submit(leg))
                wait(legs, timeout=0.3)
                order.append("written")
            return found

        legs: list[Future] = []
        collection.read = reading
        try:
            apply_live_plan(path, live(both), ENTITIES, log=log)
            legs[0].result()
        finally:
            del collection.read
    assert ["compared", "written", "leg"] == order
    drained(both)
    assert "newer" == held(both.follower, Note, [3])[3].values["text"]
    assert same(both)


def spoil(both: Pair, *records: Record, gone: tuple = ()) -> None:
    both.follower.collection(NOTES).merge(Batch(records, gone))


@pytest.mark.parametrize("both", FEW, indirect=True)
def test_what_only_the_follower_has_is_told_and_deleted(both: Pair) -> None:
    loaded(both, notes=5)
    run(both)
    spoil(both, Record(77, {"id": 77, "text": "x"}))
    assert (1, 5) == (run(both).extra, run(both).exit_code)
    report = run(both, delete_extra=1)
    assert (1, 0) == (by_entity(report)["notes"].deleted, report.exit_code)
    assert same(both)


@pytest.mark.parametrize("both", FEW, indirect=True)
def test_writers_raise_no_false_alarm_and_hide_no_difference(both: Pair) -> None:
    """The short form; ``tests/support/under_load.py`` says how to play the full one."""
    assert [] == wrong(both, Plan(runs=1, differences=35))
