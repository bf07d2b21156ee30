"""The live backfill: what nobody touched is merged, what was touched is carried, writers go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs
import pytest
from backfilling import HUNDRED, before_merges, drained, loaded, run, same
from governed import EPOCH, Pair, govern, held, pair, parents_first, save, swap_values
from moving import (
    ENTITIES,
    Member,
    Note,
    Stop,
    Team,
    User,
    by_entity,
    keys,
)

from fluxstore.adapter import Batch
from fluxstore.entity import entity_of
from fluxstore.errors import (
    BackendUnavailableError,
    StalePhaseError,
)
from fluxstore.migration import facts, scanning
from fluxstore.migration.backfill import backfill
from fluxstore.migration.live import live_of
from fluxstore.migration.migrate import migrate
from fluxstore.migration.relay import drain
from fluxstore.records import Problem, Reason, Rejected, Version


def before_sorting(both: Pair, cls: type, act: Callable[[], None]) -> None:
    """Do *act* once, after the copy has read its first page, before it asks what was touched."""
    collection = both.origin.collection(entity_of(cls))
    scan, seen = collection.scan, []

    def late(cursor, limit):
        page = scan(cursor, limit)
        seen.append(cursor)
        if seen.count(None) == 2:  # the survey was the first
            collection.scan = scan
            act()
        return page

    collection.scan = late


def test_untouched_records_are_merged_and_get_no_version_row() -> None:
    both = loaded(*HUNDRED)
    report = run(both)
    assert (100, 0, 0) == (by_entity(report)["notes"].written, report.problem_count, report.extra)
    assert same(both, Note)
    assert {} == both.follower.adapter.ledger.versions("notes", list(range(100)))


def test_touched_records_are_carried_with_their_versions() -> None:
    both = loaded(*HUNDRED)
    both.change(Note, 7, text="touched")
    both.delete(Note, 8)
    run(both)
    assert "touched" == held(both.follower, Note, [7])[7].values["text"]
    assert 99 == len(keys(both.follower, Note))
    drained(both)
    assert same(both, Note)


@pytest.mark.parametrize("when", [before_merges, before_sorting])
def test_a_record_deleted_after_it_was_read_does_not_come_back(when) -> None:
    both = loaded(*HUNDRED)
    when(both, Note, lambda: both.delete(Note, 7))
    run(both)
    drained(both)
    assert {} == held(both.follower, Note, [7])
    assert same(both, Note)


@pytest.mark.parametrize("when", [before_merges, before_sorting])
def test_a_record_written_after_it_was_read_ends_as_it_was_written(when) -> None:
    both = loaded(*HUNDRED)

    def write_and_carry() -> None:
        both.change(Note, 7, text="newer")
        drained(both)

    when(both, Note, write_and_carry)
    run(both)
    assert "newer" == held(both.follower, Note, [7])[7].values["text"]
    assert same(both, Note)


def test_drift_of_an_earlier_copy_is_repaired() -> None:
    both = pair(is_governed=False)
    both.write(*HUNDRED)
    migrate(both.origin, both.follower, ENTITIES)
    both.change(Note, 3, text="drifted")
    both.govern()
    report = run(both)
    assert (1, 99) == (by_entity(report)["notes"].written, by_entity(report)["notes"].unchanged)
    assert same(both, Note)


def test_run_again_it_changes_nothing() -> None:
    both = loaded(*HUNDRED)
    both.change(Note, 7, text="touched")
    run(both)
    report = run(both)
    assert (0, 0) == (by_entity(report)["notes"].written, report.exit_code)


def test_children_and_parents_touched_or_not_end_right() -> None:
    both = loaded(
        Team(id="t", lead_id=None),
        User(id="a", team_id="t"),
        User(id="b", team_id="t", boss_id="a"),
        Member(team_id="t", user_id="a"),
    )
    both.change(Team, "t", lead_id="b", name="touched")
    both.change(User, "a", boss_id="b")
    report = run(both)
    assert [] == list(report.problems)
    drained(both)
    assert same(both, Team, User, Member)


def test_records_that_refer_to_each_other_cross() -> None:
    both = pair(is_governed=False)
    both.write(Team(id="t"), User(id="u", team_id="t"))
    both.change(Team, "t", lead_id="u")
    both.govern()
    assert 0 == run(both).exit_code
    assert same(both, Team, User)


def test_unique_values_swapped_between_two_copies_cross() -> None:
    both = pair(is_governed=False)
    swap_values(both)
    assert 0 == run(both).exit_code
    assert same(both, User)


def test_values_swapped_in_phase_off_cross_though_only_one_was_touched_since() -> None:
    both = pair(is_governed=False)
    swap_values(both)
    both.change(User, "a", name="touched")
    assert 0 == run(both).exit_code
    drained(both)
    assert same(both, User)


def test_what_only_the_follower_has_is_reported_and_deleted_only_when_told() -> None:
    both = loaded(*HUNDRED)
    govern(both.follower, "authority", phase="off")
    save(both.follower, Note(id=500))
    govern(both.follower, "follower")
    report = run(both)
    assert (1, 5) == (report.extra, report.exit_code)
    assert 0 == run(both, delete_extra=1).exit_code
    assert same(both, Note)


def test_a_record_created_meanwhile_is_no_extra() -> None:
    both = loaded(*HUNDRED)

    def create() -> None:
        both.write(Note(id=1000))
        drained(both)

    before_merges(both, Note, create)
    report = run(both, delete_extra=10)
    assert (0, 0) == (report.extra, report.exit_code)
    assert same(both, Note)


def test_a_record_that_the_follower_cannot_hold_is_quarantined_and_the_rest_crosses(
    monkeypatch,
) -> None:
    both = loaded(*HUNDRED)
    bad = Rejected(Problem("notes", Reason.NUL, "no NUL", "5", "text"), b"{}")
    monkeypatch.setattr(
        both.follower.collection(entity_of(Note)),
        "foresee",
        lambda records: [bad] if any(one.key == 5 for one in records) else [],
    )
    report = run(both)
    assert (4, 1, 99) == (report.exit_code, report.problem_count, len(keys(both.follower, Note)))
    assert ["5"] == [one.problem.key for one in both.follower.adapter.ledger.quarantine("notes")]
    monkeypatch.undo()
    both.change(Note, 5, text="mended")
    assert 0 == run(both).exit_code
    assert [] == list(both.follower.adapter.ledger.quarantine("notes"))
    assert same(both, Note)


def test_a_stop_finishes_its_batch_and_the_next_run_goes_on(monkeypatch) -> None:
    monkeypatch.setattr(scanning, "SMALLEST_PAGE_RECORDS", 4)
    monkeypatch.setattr("fluxstore.migration.scanning.page_records", lambda _: 10)
    both = loaded(*HUNDRED)
    stopped = run(both, entities=("notes",), stopped=Stop(30))
    assert stopped.stopped
    done = len(keys(both.follower, Note))
    assert 10 < done < 100
    assert {} == facts.of_migration(both.origin.adapter.ledger, facts.BACKFILL, "m1")
    report = run(both, resume=True)
    one = by_entity(report)["notes"]
    assert 0 < one.resumed
    assert one.unchanged <= 10
    assert same(both, Note)


def test_a_finished_backfill_is_kept_as_a_fact_at_the_authority() -> None:
    both = loaded(*HUNDRED)
    live = live_of(both.origin, both.follower, [entity_of(Note)])
    assert live is not None
    backfill(live, ENTITIES)
    ledger = both.origin.adapter.ledger
    found = facts.of_migration(ledger, facts.BACKFILL, "m1")
    assert (EPOCH, {"notes"}) == (found["epoch"], set(found["entities"]))
    assert 100 == found["entities"]["notes"]["written"]
    assert facts.age_seconds(found) < 60
    run(both)
    assert set(ENTITIES) == set(facts.of_migration(ledger, facts.BACKFILL, "m1")["entities"])
    assert {} == facts.of_migration(ledger, facts.BACKFILL, "another")


def test_a_new_epoch_of_the_same_migration_is_taken_up() -> None:
    both = loaded(*HUNDRED)
    before_merges(both, Note, lambda: both.govern(epoch=EPOCH + 1, phase="shadow"))
    assert 0 == run(both).exit_code
    assert same(both, Note)


def test_sides_that_change_places_stop_it_and_nothing_is_overwritten() -> None:
    both = loaded(*HUNDRED)

    def swap() -> None:
        govern(both.origin, "sealed", epoch=EPOCH + 1)
        govern(both.follower, "authority", epoch=EPOCH + 1)
        govern(both.origin, "follower", epoch=EPOCH + 1)

    before_merges(both, Note, swap)
    with pytest.raises(StalePhaseError, match="no longer the authority"):
        run(both)
    assert set() == keys(both.follower, Note)


def test_a_follower_that_is_away_for_a_moment_is_waited_for(monkeypatch) -> None:
    monkeypatch.setattr("fluxstore.migration.patience._PAUSE_SECONDS", 0.01)
    both = loaded(*HUNDRED)
    both.change(Note, 3, text="touched")
    collection = both.follower.collection(entity_of(Note))
    merge, apply_if_newer, away = collection.merge, collection.apply_if_newer, [3, 3]

    def merging(batch: Batch):
        fail(0)
        return merge(batch)

    def applying(changes, *, epoch=None):
        fail(1)
        return apply_if_newer(changes, epoch=epoch)

    def fail(which: int) -> None:
        away[which] -= 1
        if away[which] >= 0:
            raise BackendUnavailableError("is away", backend="target")

    monkeypatch.setattr(collection, "merge", merging)
    monkeypatch.setattr(collection, "apply_if_newer", applying)
    assert 0 == run(both).exit_code
    assert same(both, Note)
    assert max(away) < 0


def test_writers_on_the_same_keys_lose_nothing() -> None:
    both = loaded(*HUNDRED)
    done = threading.Event()

    def write() -> None:
        n = 0
        while not done.is_set():
            n += 1
            both.write(Note(id=n % 120, text=f"written {n}"))
            if n % 5 == 0 and held(both.origin, Note, [(n * 7) % 100]):
                both.delete(Note, (n * 7) % 100)
            if n % 3 == 0:
                drain(*both.adapters, parents_first(), patience_seconds=5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            run(both)
    finally:
        done.set()
        writer.join(20)
    drained(both)
    run(both)
    assert same(both, Note)
    assert both.follower.adapter.ledger.versions("notes", list(range(120))) == {
        key: version
        for key, version in both.origin.adapter.ledger.versions("notes", list(range(120))).items()
        if version != Version(0, 1)
    }


def test_the_first_look_of_a_reference_is_not_the_last_word() -> None:
    both = loaded(Team(id="t"), User(id="u", team_id="t"))
    collection = both.origin.collection(entity_of(Team))
    scan, seen = collection.scan, []

    def missed_once(cursor, limit):
        seen.append(cursor)
        page = scan(cursor, limit)
        return attrs.evolve(page, records=()) if len(seen) == 1 else page

    collection.scan = missed_once
    report = run(both)
    assert (0, 0) == (report.problem_count, report.quarantined)
    assert same(both, Team, User)
