"""Repair while writers are at work: the follower is mended, and nobody's write is undone."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import attrs
import pytest
from governed import EPOCH, Pair, govern, held, pair, parents_first
from moving import ENTITIES, Note, everything

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.errors import GateError, PlanError, StalePhaseError
from fluxstore.migration.apply import apply_plan
from fluxstore.migration.backfill import backfill
from fluxstore.migration.live import live_of
from fluxstore.migration.liverepair import apply_live_plan, undo_live
from fluxstore.migration.relay import drain
from fluxstore.migration.repair import plan_live_repair, plan_repair
from fluxstore.records import Record, Version, Versioned

NOTES = entity_of(Note)


@pytest.fixture
def both() -> Pair:
    made = pair(is_governed=False)
    made.write(*(Note(id=n, text="same") for n in range(40)))
    made.govern()
    backfill(live(made), ENTITIES)
    for n in range(10):
        made.change(Note, n, text=f"touched {n}")
    drained(made)
    return made


def live(both: Pair):
    found = live_of(both.origin, both.follower, ENTITIES.values())
    assert found is not None
    return found


def drained(both: Pair) -> None:
    drain(*both.adapters, parents_first(), patience_seconds=5)


def plant(both: Pair, *records: Record, deletes: tuple = ()) -> None:
    both.follower.collection(NOTES).merge(Batch(records, deletes))


def note(n: int, text: str) -> Record:
    return Record(n, {"id": n, "text": text})


def planned(both: Pair, folder: Path):
    return plan_live_repair(live(both), ENTITIES, path=folder / "plan.jsonl")


def applied(both: Pair, folder: Path):
    log = folder / "plan.jsonl.log"
    return apply_live_plan(folder / "plan.jsonl", live(both), ENTITIES, log=log)


def same(both: Pair) -> bool:
    return everything(both.origin, Note) == everything(both.follower, Note)


def test_what_differs_is_mended_whoever_touched_it(both: Pair, tmp_path: Path) -> None:
    plant(both, note(3, "planted"), note(30, "planted"), note(77, "orphan"), deletes=(4, 31))
    plan = planned(both, tmp_path)
    assert (4, 1, 0) == (plan.writes, plan.deletes, plan.by_hand)
    report = applied(both, tmp_path)
    assert (4, 1, 0, 0) == (report.written, report.deleted, report.moved, report.exit_code)
    assert same(both)
    again = applied(both, tmp_path)
    assert (0, 0, 5, 0) == (again.written, again.deleted, again.already, again.exit_code)


def test_what_was_there_before_comes_back(both: Pair, tmp_path: Path) -> None:
    before = everything(both.follower, Note)
    plant(both, note(3, "planted"), note(77, "orphan"), deletes=(31,))
    spoilt = everything(both.follower, Note)
    planned(both, tmp_path)
    applied(both, tmp_path)
    assert before == everything(both.follower, Note)
    report = undo_live(tmp_path / "plan.jsonl.log", live(both), ENTITIES)
    assert (2, 1) == (report.written, report.deleted)
    assert spoilt == everything(both.follower, Note)


def test_a_record_written_since_is_left_alone(both: Pair, tmp_path: Path) -> None:
    plant(both, note(3, "planted"), note(30, "planted"), note(31, "planted"))
    planned(both, tmp_path)
    both.change(Note, 3, text="newer")
    both.change(Note, 30, text="newer")
    drained(both)
    both.change(Note, 31, text="on its way")
    report = applied(both, tmp_path)
    assert 2 == report.moved
    assert "newer" == held(both.follower, Note, [3])[3].values["text"]
    assert "on its way" == held(both.follower, Note, [31])[31].values["text"]
    drained(both)
    assert same(both)
    undone = undo_live(tmp_path / "plan.jsonl.log", live(both), ENTITIES)
    assert 1 == undone.written


def test_a_record_deleted_since_stays_deleted(both: Pair, tmp_path: Path) -> None:
    plant(both, note(3, "planted"), deletes=(30,))
    planned(both, tmp_path)
    both.delete(Note, 3, 30)
    applied(both, tmp_path)
    drained(both)
    assert {} == held(both.follower, Note, [3, 30])
    assert same(both)


def test_a_version_that_nobody_gave_is_left_for_people(both: Pair, tmp_path: Path) -> None:
    newer = Version(EPOCH, 50)
    ahead = attrs.evolve(note(7, "ahead"), version=newer)
    both.follower.collection(NOTES).apply_if_newer([Versioned(7, newer, ahead)], epoch=EPOCH)
    assert 1 == planned(both, tmp_path).by_hand
    assert (0, 5) == (applied(both, tmp_path).written, applied(both, tmp_path).exit_code)


def test_a_dry_run_changes_nothing(both: Pair, tmp_path: Path) -> None:
    from fluxstore.migration.options import Options

    plant(both, note(3, "planted"))
    planned(both, tmp_path)
    log = tmp_path / "plan.jsonl.log"
    options = Options(dry_run=True)
    apply_live_plan(tmp_path / "plan.jsonl", live(both), ENTITIES, log=log, options=options)
    assert "planted" == held(both.follower, Note, [3])[3].values["text"]
    assert not log.exists()


def test_a_plan_of_phase_off_is_not_applied_live_and_the_other_way_round(
    both: Pair, tmp_path: Path
) -> None:
    plant(both, note(3, "planted"))
    path = tmp_path / "plan.jsonl"
    planned(both, tmp_path)
    header = json.loads(path.read_text().splitlines()[0])
    assert EPOCH == header["epoch"]
    plan_repair(both.origin, both.follower, ENTITIES, path=path)
    with pytest.raises(PlanError, match="made in phase off"):
        applied(both, tmp_path)
    with pytest.raises(GateError):
        apply_plan(path, both.origin, both.follower, ENTITIES, log=tmp_path / "log")


def test_sides_that_change_places_stop_it(both: Pair, tmp_path: Path) -> None:
    plant(both, note(3, "planted"))
    planned(both, tmp_path)
    found = live(both)
    govern(both.origin, "follower", epoch=EPOCH + 1)
    govern(both.follower, "authority", epoch=EPOCH + 1)
    with pytest.raises(StalePhaseError):
        apply_live_plan(tmp_path / "plan.jsonl", found, ENTITIES, log=tmp_path / "log")
    assert "planted" == held(both.follower, Note, [3])[3].values["text"]


def test_racing_with_writers_on_the_same_keys_loses_no_write(both: Pair, tmp_path: Path) -> None:
    """I1 holds at the authority, and what it has arrives at the follower."""
    done, last = threading.Event(), {}

    def write() -> None:
        n = 0
        while not done.is_set():
            n += 1
            key = n % 8
            last[key] = f"written {n}"
            both.write(Note(id=key, text=last[key]))
            if n % 2 == 0:
                drained(both)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(4):
            plant(both, note(20 + n, "planted"), note(n, "planted"))
            planned(both, tmp_path)
            applied(both, tmp_path)
            (tmp_path / "plan.jsonl.log").unlink(missing_ok=True)
    finally:
        done.set()
        writer.join(20)
    drained(both)
    planned(both, tmp_path)
    applied(both, tmp_path)
    assert last == {
        key: one.values["text"] for key, one in held(both.origin, Note, range(8)).items()
    }
    assert same(both)
