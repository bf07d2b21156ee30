"""The relay: current records travel with their versions, marks go when what they said is done."""

from __future__ import annotations

import pytest
from governed import EPOCH, Pair, govern, held, pair, parents_first, save
from moving import ENTITIES, Member, Note, Team, User, everything

from fluxstore.entity import entity_of
from fluxstore.errors import LeaseError, StalePhaseError
from fluxstore.migration.migrate import migrate
from fluxstore.migration.relay import backlog, carry, drain
from fluxstore.records import Problem, Reason, Rejected, Version, Versioned

NOTES = entity_of(Note)


def drained(both: Pair, **options):
    return drain(*both.adapters, parents_first(), **options)


def same(both: Pair, *classes: type) -> bool:
    return all(everything(both.origin, c) == everything(both.follower, c) for c in classes)


def test_the_current_record_travels_with_its_version_and_operations() -> None:
    both = pair()
    both.write(Note(id=1, text="one"), op_id="op-1")
    both.write(Note(id=1, text="two"), op_id="op-2")
    marks = both.origin.adapter.ledger.marks("notes", 10)
    carried = carry(*both.adapters, NOTES, marks, epoch=EPOCH)
    assert (1, 0, 1) == (carried.applied, carried.newer, carried.cleared)
    assert same(both, Note)
    assert {1: Version(EPOCH, 2)} == both.follower.adapter.ledger.versions("notes", [1])
    ledger = both.follower.adapter.ledger
    assert {1: {"op-1", "op-2"}} == {k: set(v) for k, v in ledger.operations("notes", [1]).items()}


def test_a_tombstone_travels_and_the_record_does_not_come_back() -> None:
    both = pair()
    both.write(Note(id=1))
    drained(both)
    both.delete(Note, 1, op_id="gone")
    assert 1 == drained(both).applied
    assert {} == held(both.follower, Note, [1])
    assert both.follower.adapter.ledger.versions("notes", [1])[1].deleted
    assert {1: ("gone",)} == {
        k: tuple(v) for k, v in both.follower.adapter.ledger.operations("notes", [1]).items()
    }


def test_a_mark_made_meanwhile_stays() -> None:
    both = pair()
    both.write(Note(id=1, text="one"))
    ledger = both.origin.adapter.ledger
    clear = ledger.clear

    def late(*asked):
        both.write(Note(id=1, text="two"))
        ledger.clear = clear
        return clear(*asked)

    ledger.clear = late
    carried = carry(*both.adapters, NOTES, ledger.marks("notes", 10), epoch=EPOCH)
    assert (1, 0) == (carried.applied, carried.cleared)
    assert [1] == both.marks(Note)
    drained(both)
    assert same(both, Note)


def test_a_mark_of_a_write_behind_what_is_carried_stays() -> None:
    both = pair()
    both.write(Note(id=1, text="one"))
    ledger = both.origin.adapter.ledger
    owed = ledger.owed

    def late(*asked):
        found = owed(*asked)
        ledger.owed = owed
        both.write(Note(id=1, text="two"))
        return found

    ledger.owed = late
    carried = carry(*both.adapters, NOTES, ledger.marks("notes", 10), epoch=EPOCH)
    assert (1, 0) == (carried.applied, carried.cleared)
    assert [1] == both.marks(Note)


def test_what_the_follower_has_already_is_newer_and_its_mark_goes() -> None:
    both = pair()
    both.write(Note(id=1))
    carry(*both.adapters, NOTES, [1], epoch=EPOCH)
    both.origin.adapter.ledger.clear([])
    again = carry(*both.adapters, NOTES, [1], epoch=EPOCH)
    assert (0, 1) == (again.applied, again.newer)
    assert [] == both.marks(Note)


def test_an_absent_key_without_a_tombstone_is_left_for_the_next_pass() -> None:
    both = pair()
    carried = carry(*both.adapters, NOTES, [7], epoch=EPOCH)
    assert (7,) == carried.absent
    assert 0 == carried.applied


def test_the_other_epoch_is_refused_and_marks_stay() -> None:
    both = pair()
    both.write(Note(id=1))
    marks = both.origin.adapter.ledger.marks("notes", 10)
    with pytest.raises(StalePhaseError):
        carry(*both.adapters, NOTES, marks, epoch=EPOCH + 1)
    with pytest.raises(StalePhaseError, match="epoch 4 expected, epoch 3 found"):
        drained(both, epoch=EPOCH + 1)
    govern(both.follower, "authority")
    with pytest.raises(StalePhaseError, match="the other side is authority in epoch 3"):
        drained(both)
    assert [1] == both.marks(Note)


def test_a_sealed_side_is_drained_in_its_followers_epoch() -> None:
    both = pair()
    both.write(Note(id=1))
    govern(both.origin, "sealed", epoch=EPOCH + 1)
    assert drained(both).is_empty
    assert same(both, Note)


def test_a_record_that_nobody_touched_is_not_carried() -> None:
    both = pair(is_governed=False)
    both.write(Note(id=1))
    both.govern()
    assert (1,) == carry(*both.adapters, NOTES, [1], epoch=EPOCH).absent
    assert {} == held(both.follower, Note, [1])


def test_a_drain_takes_all_marks_in_batches_and_says_what_it_did() -> None:
    both = pair()
    for n in range(60):
        both.write(Note(id=n))
    few = drained(both, limit=25)
    assert (25, 35) == (few.cleared, few.left.marks)
    done = drained(both)
    assert (35, 0) == (done.applied, done.left.marks)
    assert same(both, Note)


def test_only_one_drains_at_a_time() -> None:
    both = pair()
    with (
        both.origin.adapter.ledger.lease("relay-*"),
        pytest.raises(LeaseError),
    ):
        drained(both, patience_seconds=0.05)


def test_two_unique_values_swapped_cross_together() -> None:
    both = pair()
    both.write(User(id="a", email="1@x"), User(id="b", email="2@x"))
    drained(both)
    for key, email in (("a", None), ("b", "1@x"), ("a", "2@x")):
        both.change(User, key, email=email)
    assert drained(both).is_empty
    assert same(both, User)


def swapped_before(both):
    """Copy three users, swap their unique values in phase off, then touch one of them."""
    both.write(*(User(id=key, email=f"{key}@x") for key in "abc"))
    migrate(both.origin, both.follower, ENTITIES)
    for key, email in (("a", None), ("c", "a@x"), ("b", "c@x"), ("a", "b@x")):
        both.change(User, key, email=email)
    both.govern()
    both.change(User, "a", name="touched")


def test_unique_values_swapped_in_phase_off_cross_though_only_one_was_touched_since() -> None:
    both = pair(is_governed=False)
    swapped_before(both)
    done = drained(both)
    assert (True, ()) == (done.is_empty, done.waiting)
    assert same(both, User)


def test_a_holder_that_is_no_record_of_the_authority_stays_in_the_way() -> None:
    both = pair(is_governed=False)
    both.write(User(id="a", email="a@x"), User(id="b", email="b@x"))
    migrate(both.origin, both.follower, ENTITIES)
    both.delete(User, "b")
    both.govern()
    both.change(User, "a", email="b@x")
    done = drained(both)
    assert ["a"] == [one.key for one in done.waiting]


def test_a_child_and_its_parent_cross_whatever_the_order() -> None:
    both = pair()
    both.write(Team(id="t"), User(id="u"), Member(team_id="t", user_id="u"))
    done = drain(*both.adapters, tuple(reversed(parents_first())))
    assert done.is_empty
    assert same(both, Team, User, Member)


def test_records_that_refer_to_each_other_cross_together() -> None:
    both = pair()
    both.write(Team(id="t"), User(id="u", team_id="t"))
    both.change(Team, "t", lead_id="u")
    assert drained(both).is_empty
    assert same(both, Team, User)


def test_one_bad_key_holds_up_only_what_needs_it() -> None:
    both = pair()
    follower = both.follower.collection(entity_of(User))
    both.follower.adapter.ledger.set_control("*", both.follower.adapter.ledger.control("*"), None)
    save(both.follower, User(id="squatter", email="taken@x"))
    govern(both.follower, "follower")
    both.write(User(id="bad", email="taken@x"))
    both.write(User(id="child", boss_id="bad"))
    both.write(*(User(id=f"u{n}") for n in range(20)))
    done = drained(both)
    assert 20 == done.applied
    assert {"bad", "child"} == {one.key for one in done.waiting}
    assert {"unique", "reference"} == {one.rule for one in done.waiting}
    assert {"bad", "child"} == set(both.marks(User))
    assert 21 == len(follower.scan(None, 100).records)


def test_what_waited_crosses_once_the_way_is_free() -> None:
    both = pair()
    both.follower.adapter.ledger.set_control("*", both.follower.adapter.ledger.control("*"), None)
    save(both.follower, User(id="other", email="taken@x"))
    govern(both.follower, "follower")
    both.write(User(id="bad", email="taken@x"))
    assert 1 == len(drained(both).waiting)
    both.write(User(id="other", email="free@x"))
    done = drained(both)
    assert done.is_empty
    assert {"bad", "other"} == set(everything(both.follower, User))


def test_a_record_that_the_follower_cannot_hold_is_quarantined_and_its_mark_stays(
    monkeypatch,
) -> None:
    both = pair()
    both.write(*(Note(id=n, text=str(n)) for n in range(8)))
    refuse(both, monkeypatch, key=5)
    done = drained(both)
    assert (7, 1) == (done.applied, done.left.marks)
    (found,) = both.follower.adapter.ledger.quarantine("notes")
    assert ("5", Reason.NUL, "notes") == (
        found.problem.key,
        found.problem.reason,
        found.problem.file,
    )
    assert b'"text": "5"' in found.raw
    monkeypatch.undo()
    assert drained(both).is_empty
    assert [] == list(both.follower.adapter.ledger.quarantine("notes"))


def test_a_mended_record_that_a_leg_has_carried_leaves_the_quarantine() -> None:
    both = pair()
    both.write(Note(id=5), Note(id=6))
    ledger = both.follower.adapter.ledger
    bad = [Rejected(Problem("notes", Reason.NUL, "no NUL", key)) for key in ("5", "6", "[3]")]
    ledger.set_quarantine("notes", bad)
    both.origin.adapter.ledger.clear(both.origin.adapter.ledger.marks("notes", 10))
    mended = both.origin.collection(NOTES).read([5])[5]
    both.follower.collection(NOTES).apply_if_newer([Versioned(5, mended.version, mended)])
    drained(both)
    assert ["6", "[3]"] == [one.problem.key for one in ledger.quarantine("notes")]


def refuse(both: Pair, monkeypatch, *, key: int) -> None:
    """Let the follower be one that cannot hold the record *key*."""
    collection = both.follower.collection(NOTES)
    apply_if_newer, foresee = collection.apply_if_newer, collection.foresee
    from fluxstore.errors import ConstraintError

    def applying(changes, *, epoch=None):
        if any(one.key == key for one in changes):
            raise ConstraintError("no NUL", entity="notes", key=key, rule="check")
        return apply_if_newer(changes, epoch=epoch)

    def foreseeing(records):
        bad = [
            Rejected(Problem("notes", Reason.NUL, "no NUL", str(key)))
            for r in records
            if r.key == key
        ]
        return [*bad, *foresee([r for r in records if r.key != key])]

    monkeypatch.setattr(collection, "apply_if_newer", applying)
    monkeypatch.setattr(collection, "foresee", foreseeing)


def test_the_backlog_is_of_all_entities() -> None:
    both = pair()
    both.write(Note(id=1), Team(id="t"))
    found = backlog(both.origin.adapter, parents_first())
    assert 2 == found.marks
    assert 0 <= found.seconds < 60
