"""Validation while writers are at work: every difference is found, and nothing else is alarmed."""

from __future__ import annotations

import threading

import attrs
import pytest
from governed import EPOCH, Pair, govern, pair, parents_first
from moving import ENTITIES, Note, Team, User, by_entity

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.errors import BackendUnavailableError, StalePhaseError
from fluxstore.migration import facts
from fluxstore.migration.backfill import backfill
from fluxstore.migration.confirm import validate_live
from fluxstore.migration.differences import Kind
from fluxstore.migration.live import live_of
from fluxstore.migration.options import Options
from fluxstore.migration.relay import drain
from fluxstore.records import Record, Version, Versioned

NOTES = entity_of(Note)


def filled(*instances: object, touched: int = 0) -> Pair:
    """Return a pair whose follower has everything, some of it touched since."""
    both = pair(is_governed=False)
    both.write(*instances)
    both.govern()
    backfill(live(both), ENTITIES)
    for n in range(touched):
        both.change(Note, n, text=f"touched {n}")
    drain(*both.adapters, parents_first())
    return both


def live(both: Pair):
    found = live_of(both.origin, both.follower, ENTITIES.values())
    assert found is not None
    return found


def run(both: Pair, **options):
    return validate_live(live(both), ENTITIES, Options(**options))


def told(report) -> dict[str, Kind]:
    return {one.key: one.kind for one in report.differences}


def plant(both: Pair, *, records: tuple[Record, ...] = (), deletes: tuple = ()) -> None:
    """Change the follower behind everybody's back: no version is noted."""
    both.follower.collection(NOTES).merge(Batch(records, deletes))


def note(n: int, text: str) -> Record:
    return Record(n, {"id": n, "text": text})


def test_equal_sides_are_equal_and_it_is_kept_as_a_fact() -> None:
    both = filled(*(Note(id=n) for n in range(50)), touched=10)
    report = run(both)
    assert (0, 1.0, EPOCH) == (report.exit_code, report.accuracy, report.epoch)
    fact = facts.of_migration(both.origin.adapter.ledger, facts.VALIDATION, "m1")
    assert (EPOCH, 1.0) == (fact["epoch"], fact["accuracy"])
    own = fact["entities"]["notes"]
    assert (50, 0, 50) == (own["equal"], own["differences"], own["union"])
    assert by_entity(report)["notes"].source_root == own["root"]
    assert facts.age_seconds(own) < 60


def test_what_is_under_way_is_carried_and_is_no_difference() -> None:
    both = filled(*(Note(id=n) for n in range(50)))
    both.change(Note, 3, text="on its way")
    both.delete(Note, 4)
    both.write(Note(id=99))
    report = run(both)
    assert (0, 0, {}) == (report.exit_code, by_entity(report)["notes"].lagging, told(report))
    assert [] == both.marks(Note)


def test_a_backend_that_is_away_for_a_moment_is_waited_for(monkeypatch) -> None:
    monkeypatch.setattr("fluxstore.migration.patience._PAUSE_SECONDS", 0.01)
    both = filled(*(Note(id=n) for n in range(50)))
    both.change(Note, 3, text="on its way")
    plant(both, deletes=(4,))
    outages = [
        away(monkeypatch, end.collection(NOTES), name)
        for end in (both.origin, both.follower)
        for name in ("scan", "read")
    ]
    outages.append(away(monkeypatch, both.follower.collection(NOTES), "apply_if_newer"))
    assert {"4": Kind.MISSING} == told(run(both))
    assert [0] * 5 == [left[0] for left in outages]


def away(monkeypatch, collection, name: str, times: int = 2) -> list[int]:
    """Let a method fail a few times, as of a server that starts again; return how often still."""
    method, left = getattr(collection, name), [times]

    def failing(*args, **options):
        if left[0]:
            left[0] -= 1
            raise BackendUnavailableError("is away", backend="one")
        return method(*args, **options)

    monkeypatch.setattr(collection, name, failing)
    return left


def test_a_record_that_goes_while_it_is_looked_at_is_equal_on_both_sides() -> None:
    both = filled(*(Note(id=n) for n in range(50)))
    both.change(Note, 3, text="on its way")
    collection = both.follower.collection(NOTES)
    scan, seen = collection.scan, []

    def late(cursor, limit):
        seen.append(cursor)
        if seen.count(None) == 2:  # the second look begins
            both.delete(Note, 3)
            drain(*both.adapters, parents_first())
        return scan(cursor, limit)

    collection.scan = late
    report = run(both)
    assert (0, 1.0, 2) == (report.exit_code, report.accuracy, seen.count(None))


def test_every_kind_of_difference_is_found_and_named() -> None:
    both = filled(*(Note(id=n, text="same") for n in range(50)), touched=10)
    plant(
        both, records=(note(3, "planted"), note(30, "planted"), note(77, "orphan")), deletes=(5, 40)
    )
    newer = Version(EPOCH, 50)
    ahead = attrs.evolve(note(7, "ahead"), version=newer)
    both.follower.collection(NOTES).apply_if_newer([Versioned(7, newer, ahead)], epoch=EPOCH)
    report = run(both)
    expected = {
        "3": Kind.DIVERGED,
        "30": Kind.DIVERGED,
        "77": Kind.ORPHAN,
        "5": Kind.MISSING,
        "40": Kind.MISSING,
        "7": Kind.AHEAD,
    }
    assert expected == told(report)
    fields = {one.key: [f.field for f in one.fields] for one in report.differences if one.fields}
    assert {"3": ["text"], "30": ["text"]} == fields
    one = by_entity(report)["notes"]
    assert (2, 2, 1, 1, 51) == (one.diverged, one.missing, one.orphan, one.ahead, one.union)
    assert (5, 45 / 51) == (report.exit_code, one.accuracy)


def test_a_record_that_waits_for_another_lags_and_is_no_difference() -> None:
    both = filled(User(id="a", email="1@x"))
    govern(both.follower, "authority", phase="off")
    both.follower.collection(entity_of(User)).merge(
        Batch([Record("b", {"id": "b", "name": "", "email": "2@x"})])
    )
    govern(both.follower, "follower")
    both.write(User(id="c", email="2@x"))
    report = run(both)
    assert {"b": Kind.ORPHAN} == told(report)
    assert 1 == by_entity(report)["users"].lagging
    assert any("on their way" in one for one in report.notices)


def test_the_side_that_is_the_authority_is_the_source() -> None:
    both = filled(Team(id="t"))
    govern(both.origin, "follower", epoch=EPOCH + 1, phase="live")
    govern(both.follower, "authority", epoch=EPOCH + 1, phase="live")
    report = run(both)
    assert ("target", "source", 0) == (
        report.source["backend"],
        report.target["backend"],
        report.exit_code,
    )
    assert {} == facts.of_migration(both.origin.adapter.ledger, facts.VALIDATION, "m1")
    assert facts.of_migration(both.follower.adapter.ledger, facts.VALIDATION, "m1")


def test_a_sample_is_no_proof_and_not_kept() -> None:
    both = filled(*(Note(id=n) for n in range(50)))
    assert run(both, sample=0.5).accuracy == 1.0
    assert {} == facts.of_migration(both.origin.adapter.ledger, facts.VALIDATION, "m1")


def test_sides_that_change_places_end_it() -> None:
    both = filled(*(Note(id=n) for n in range(5)))
    both.change(Note, 1, text="on its way")
    found = live(both)
    govern(both.origin, "follower", epoch=EPOCH + 1)
    govern(both.follower, "authority", epoch=EPOCH + 1)
    with pytest.raises(StalePhaseError):
        validate_live(found, ENTITIES)


def test_writers_at_work_raise_no_false_alarm_and_hide_no_difference() -> None:
    both = filled(*(Note(id=n, text="same") for n in range(200)), touched=20)
    plant(both, records=(note(150, "planted"),), deletes=(160,))
    done, count = threading.Event(), 0

    def write() -> None:
        nonlocal count
        while not done.is_set():
            count += 1
            key = count % 100
            both.write(Note(id=key, text=f"written {count}"))
            if count % 4 == 0:
                both.delete(Note, key)
            if count % 3 == 0:
                drain(*both.adapters, parents_first(), patience_seconds=5)
            done.wait(0.004)

    writer = threading.Thread(target=write)
    writer.start()
    reports = []
    try:
        while writer.is_alive() and (len(reports) < 3 or count < 50):
            reports.append(run(both))
    finally:
        done.set()
        writer.join(20)
    assert count >= 50
    for report in reports:
        assert {"150": Kind.DIVERGED, "160": Kind.MISSING} == told(report)
