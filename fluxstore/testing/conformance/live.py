"""What reaches a follower while the authority is written to: the leg's changes, live batches."""

from __future__ import annotations

import attrs
import pytest

from fluxstore.adapter import Adapter, Batch, Capability, Cursor, Merged, Role
from fluxstore.errors import ConstraintError, StalePhaseError
from fluxstore.records import Delete, Reason, Residue, Version, Versioned
from fluxstore.testing.conformance.support import (
    collection,
    count,
    everything_in,
    govern,
    in_threads,
    need,
    put,
    record,
    save,
    tombstone,
    values_of,
    versioned,
)
from fluxstore.testing.entities import Album, Area, Counter, Desk, Lock, Person, Track

NOT_FOLLOWERS = ("authority", "sealed", "committing", "archived")
MANY = tuple(f"c{n}" for n in range(60))


class _NeedsFencing:
    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)


class TestFollowing(_NeedsFencing):
    """``apply_if_newer`` under control: only a follower takes it, in the epoch it comes from."""

    def test_a_follower_takes_what_its_epoch_sends(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower", epoch=4)
        albums = collection(adapter, Album)
        assert [True] == list(albums.apply_if_newer([_one(4)], epoch=4))
        assert [False, True] == list(albums.apply_if_newer([_one(4), _one(4, 2)], epoch=4))
        assert [True] == list(albums.apply_if_newer([tombstone("a", Version(4, 3))]))
        assert {} == everything_in(adapter, Album)
        assert [] == list(adapter.ledger.marks("albums", 9))

    def test_another_epoch_is_refused(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower", epoch=4)
        for epoch in (3, 5):
            with pytest.raises(StalePhaseError):
                collection(adapter, Album).apply_if_newer([_one(epoch)], epoch=epoch)
        _is_untouched(adapter)

    @pytest.mark.parametrize("role", NOT_FOLLOWERS)
    def test_who_is_no_follower_takes_nothing(self, adapter: Adapter, role: Role) -> None:
        govern(adapter, "*", role, epoch=4)
        for epoch in (None, 4):
            with pytest.raises(StalePhaseError):
                collection(adapter, Album).apply_if_newer([_one(9)], epoch=epoch)
        _is_untouched(adapter)

    def test_an_epoch_is_refused_where_there_is_no_control(self, adapter: Adapter) -> None:
        with pytest.raises(StalePhaseError):
            collection(adapter, Album).apply_if_newer([_one(1)], epoch=1)
        _is_untouched(adapter)

    def test_unique_values_are_swapped_in_one_call(self, adapter: Adapter) -> None:
        save(adapter, Person(id="a", email="a@x"), Person(id="b", email="b@x"))
        govern(adapter, "*", "follower")
        people = collection(adapter, Person)
        swapped = [_person("a", "b@x"), _person("b", "a@x")]
        assert [True, True] == list(people.apply_if_newer(swapped, epoch=1))
        emails = {key: one.values["email"] for key, one in everything_in(adapter, Person).items()}
        assert {"a": "b@x", "b": "a@x"} == emails

    def test_a_value_passes_from_a_deleted_record_in_one_call(self, adapter: Adapter) -> None:
        save(adapter, Person(id="b", email="b@x"))
        govern(adapter, "*", "follower")
        changes = [_person("a", "b@x"), tombstone("b", Version(1, 2))]
        assert [True, True] == list(collection(adapter, Person).apply_if_newer(changes, epoch=1))
        assert {"a"} == set(everything_in(adapter, Person))

    def test_what_breaks_a_rule_is_refused_whole(self, adapter: Adapter) -> None:
        save(adapter, Person(id="b", email="b@x"))
        govern(adapter, "*", "follower")
        with pytest.raises(ConstraintError):
            collection(adapter, Person).apply_if_newer(
                [_person("c", "c@x"), _person("a", "b@x")], epoch=1
            )
        assert {"b"} == set(everything_in(adapter, Person))
        assert {} == dict(adapter.ledger.versions("people", ["a", "c"]))

    def test_a_child_may_come_before_its_parent_in_one_transaction(self, adapter: Adapter) -> None:
        need(adapter, Capability.TRANSACTIONS)
        govern(adapter, "*", "follower")
        child = versioned(Track(id="t", album_id="a"), Version(1, 2))
        with adapter.transaction():
            collection(adapter, Track).apply_if_newer([child], epoch=1)
            collection(adapter, Album).apply_if_newer([_one(1)], epoch=1)
        assert {"t"} == set(everything_in(adapter, Track))

    def test_a_child_without_its_parent_undoes_the_transaction(self, adapter: Adapter) -> None:
        need(adapter, Capability.TRANSACTIONS)
        govern(adapter, "*", "follower")
        orphan = versioned(Track(id="t", album_id="none"), Version(1, 2))
        with pytest.raises(ConstraintError), adapter.transaction():
            self._apply_both(adapter, orphan)
        _is_untouched(adapter)
        assert 0 == count(adapter, Track)

    @staticmethod
    def _apply_both(adapter: Adapter, orphan: Versioned) -> None:
        collection(adapter, Album).apply_if_newer([_one(1)], epoch=1)
        collection(adapter, Track).apply_if_newer([orphan], epoch=1)

    def test_a_delete_takes_nothing_along(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a"), Track(id="t", album_id="a"))
        save(adapter, Desk(id="d"), Lock(id="l", desk_id="d"))
        save(adapter, Person(id="boss"), Person(id="p", boss_id="boss"))
        govern(adapter, "*", "follower")
        for cls, key in ((Album, "a"), (Desk, "d"), (Person, "boss")):
            with pytest.raises(ConstraintError) as caught:
                collection(adapter, cls).apply_if_newer([tombstone(key, Version(1, 2))], epoch=1)
            assert "reference" == caught.value.rule
        assert {"boss", "p"} == set(everything_in(adapter, Person))
        assert [1, 1, 1, 1] == [count(adapter, cls) for cls in (Album, Track, Desk, Lock)]
        _is_unversioned(adapter, "albums", "a")

    def test_children_that_are_deleted_before_let_their_parent_go(self, adapter: Adapter) -> None:
        need(adapter, Capability.TRANSACTIONS)
        save(adapter, Album(id="a"), Album(id="b"))
        save(adapter, Track(id="t", album_id="a"), Track(id="moved", album_id="a"))
        govern(adapter, "*", "follower")
        moved = versioned(Track(id="moved", album_id="b"), Version(1, 2))
        with adapter.transaction():
            collection(adapter, Track).apply_if_newer(
                [tombstone("t", Version(1, 2)), moved], epoch=1
            )
            collection(adapter, Album).apply_if_newer([tombstone("a", Version(1, 2))], epoch=1)
        assert {"b"} == set(everything_in(adapter, Album))
        assert {"moved"} == set(everything_in(adapter, Track))

    @pytest.mark.parametrize("order", ["parent child", "child parent"])
    def test_parent_and_child_go_in_one_call(self, adapter: Adapter, order: str) -> None:
        save(adapter, Area(id="parent"), Area(id="child", parent_id="parent"))
        govern(adapter, "*", "follower")
        gone = [tombstone(key, Version(1, 2)) for key in order.split()]
        assert [True, True] == list(collection(adapter, Area).apply_if_newer(gone, epoch=1))
        assert 0 == count(adapter, Area)


class TestLiveBatches(_NeedsFencing):
    """A batch with an epoch: what nobody touched is copied, what was touched is left alone."""

    def test_what_was_not_touched_is_written_and_drift_repaired(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        residue = Residue(extras={"n": 1})
        albums.merge(Batch([record(Album(id=key, name="same"), residue) for key in "abc"]))
        albums.commit([put(Album(id="b", name="drift")), Delete("c")])
        govern(adapter, "*", "follower", epoch=2)
        batch = Batch([record(Album(id=k, name="same"), residue) for k in "abcd"], epoch=2)
        assert (3, 1) == _counts(albums.merge(batch))
        assert (0, 4) == _counts(albums.merge(batch))
        assert {"same"} == {one.values["name"] for one in everything_in(adapter, Album).values()}
        assert [residue] * 4 == [one.residue for one in everything_in(adapter, Album).values()]

    def test_what_has_a_version_here_is_left_alone(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower", epoch=2)
        albums = collection(adapter, Album)
        leg = [versioned(Album(id="a", name="leg"), Version(2, 2)), tombstone("b", Version(2, 2))]
        albums.apply_if_newer(leg, epoch=2)
        batch = Batch([record(Album(id=key, name="old")) for key in "abc"], epoch=2)
        assert (1, 2) == _counts(albums.merge(batch))
        assert {"a": "leg", "c": "old"} == {
            key: one.values["name"] for key, one in everything_in(adapter, Album).items()
        }

    def test_a_delete_of_what_has_a_version_here_is_left_out(self, adapter: Adapter) -> None:
        save(adapter, Album(id="b"))
        govern(adapter, "*", "follower", epoch=2)
        albums = collection(adapter, Album)
        albums.apply_if_newer([versioned(Album(id="a"), Version(2, 2))], epoch=2)
        assert 1 == albums.merge(Batch([], deletes=["a", "b"], epoch=2)).deleted
        assert {"a"} == set(everything_in(adapter, Album))

    def test_it_leaves_neither_version_nor_mark_and_saves_its_cursor(
        self, adapter: Adapter
    ) -> None:
        govern(adapter, "*", "follower", epoch=2)
        cursor = Cursor("m1", "albums", "p", "f", {"read": 1})
        batch = Batch([record(Album(id="a"))], cursor=cursor, epoch=2)
        collection(adapter, Album).merge(batch)
        assert cursor == adapter.ledger.cursor("m1", "albums")
        assert {} == dict(adapter.ledger.versions("albums", ["a"]))
        assert [] == list(adapter.ledger.marks("albums", 9))

    @pytest.mark.parametrize(
        ("role", "epoch"), [("follower", 1), ("follower", 3), *((r, 2) for r in NOT_FOLLOWERS)]
    )
    def test_only_a_follower_in_its_epoch_takes_it(
        self, adapter: Adapter, role: Role, epoch: int
    ) -> None:
        govern(adapter, "*", role, epoch=2)
        _is_refused(adapter, Batch([record(Album(id="a"))], epoch=epoch))

    def test_it_is_refused_where_there_is_no_control(self, adapter: Adapter) -> None:
        _is_refused(adapter, Batch([record(Album(id="a"))], epoch=1))

    @pytest.mark.parametrize("role", NOT_FOLLOWERS)
    def test_an_offline_batch_is_for_followers_too(self, adapter: Adapter, role: Role) -> None:
        govern(adapter, "*", role)
        _is_refused(adapter, Batch([record(Album(id="a"))]))
        govern(adapter, "*", "follower", epoch=2)
        assert (1, 0) == _counts(collection(adapter, Album).merge(Batch([record(Album(id="a"))])))

    def test_what_breaks_a_rule_is_refused_singly(self, adapter: Adapter) -> None:
        save(adapter, Person(id="there", email="there@x"))
        govern(adapter, "*", "follower")
        merged = collection(adapter, Person).merge(
            Batch(
                [
                    record(Person(id="a", email="a@x")),
                    record(Person(id="b", email="there@x")),
                    record(Person(id="c", boss_id="none")),
                ],
                epoch=1,
            )
        )
        reasons = {one.problem.key: one.problem.reason for one in merged.refused}
        assert {"b": Reason.UNIQUE, "c": Reason.REFERENCE} == reasons
        assert {"a", "there"} == set(everything_in(adapter, Person))

    def test_a_racing_leg_is_never_lost(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower", epoch=2)
        counters = collection(adapter, Counter)
        old = Batch([record(Counter(id=key)) for key in MANY], epoch=2)
        ended: list[int] = []

        def leg(n: int) -> None:
            try:
                for key in MANY[n::3]:
                    counters.apply_if_newer([_sent(key)], epoch=2)
            finally:
                ended.append(n)

        def work(n: int) -> None:
            if n < 3:
                leg(n)
            while len(ended) < 3:
                counters.merge(old)

        in_threads(4, work)
        counters.merge(old)
        expected = {key: 1 for key in MANY if not _is_deleted(key)}
        found = everything_in(adapter, Counter)
        assert expected == {key: one.values["count"] for key, one in found.items()}


def _sent(key: str) -> Versioned:
    """Return what the authority sends: every fourth counter is deleted."""
    sent = Version(2, 2)
    return tombstone(key, sent) if _is_deleted(key) else versioned(Counter(id=key, count=1), sent)


def _is_deleted(key: str) -> bool:
    return MANY.index(key) % 4 == 0


def _one(epoch: int, seq: int = 1) -> Versioned:
    return versioned(Album(id="a", name="sent"), Version(epoch, seq))


def _person(key: str, email: str) -> Versioned:
    return versioned(Person(id=key, email=email), Version(1, 2))


def _counts(merged: Merged) -> tuple[int, int]:
    assert (0, ()) == (merged.deleted, merged.refused)
    return merged.written, merged.unchanged


def _is_untouched(adapter: Adapter) -> None:
    assert None is values_of(adapter, Album, "a")
    _is_unversioned(adapter, "albums", "a")


def _is_unversioned(adapter: Adapter, name: str, key: str) -> None:
    assert {} == dict(adapter.ledger.versions(name, [key]))


def _is_refused(adapter: Adapter, batch: Batch) -> None:
    cursor = Cursor("m1", "albums", "p", "f")
    with pytest.raises(StalePhaseError):
        collection(adapter, Album).merge(attrs.evolve(batch, cursor=cursor))
    _is_untouched(adapter)
    assert None is adapter.ledger.cursor("m1", "albums")
