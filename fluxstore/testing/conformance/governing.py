"""Governed reads and transactions: answered where control says so, checked with what they do."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from fluxstore.adapter import Adapter, Capability, Collection, Control, Reads, Role
from fluxstore.entity import entity_of
from fluxstore.errors import LeaseError, SealedError, StalePhaseError, UnsupportedError
from fluxstore.query import Query
from fluxstore.records import Delete, Version
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    PATIENCE_SECONDS,
    collection,
    count,
    everything_in,
    govern,
    in_threads,
    need,
    put,
    row,
    save,
    tombstone,
    values_of,
    versioned,
)
from fluxstore.testing.entities import Album, Area, Site, Track

ROUNDS = 12
REFUSED = {
    "committing": SealedError,
    "follower": StalePhaseError,
    "archived": StalePhaseError,
}
HELD_BACK = REFUSED | {"sealed": SealedError}


class TestGovernedReads:
    """``Collection.governed``: only who is to answer does, in the read's own atomic unit."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)

    @pytest.mark.parametrize("role", [None, "authority", "sealed"])
    def test_who_is_to_answer_answers_as_ever(self, adapter: Adapter, role: Role | None) -> None:
        save(adapter, Album(id="a", name="x"), Album(id="b"))
        if role is not None:
            govern(adapter, "*", role)
        albums = collection(adapter, Album)
        assert albums.read(["a", "none"]) == albums.governed.read(["a", "none"])
        assert albums.find(Query(limit=1)) == albums.governed.find(Query(limit=1))
        assert 2 == albums.governed.count(Query())

    @pytest.mark.parametrize("role", REFUSED)
    def test_others_refuse_every_read(self, adapter: Adapter, role: Role) -> None:
        save(adapter, Album(id="a"))
        govern(adapter, "*", role)
        albums = collection(adapter, Album)
        _are_refused(albums.governed, REFUSED[role])
        assert 3 == len([ask() for ask in _questions(albums)])

    def test_a_record_of_its_own_comes_before_the_star(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower")
        govern(adapter, "albums", "authority")
        assert 0 == collection(adapter, Album).governed.count(Query())
        with pytest.raises(StalePhaseError):
            collection(adapter, Track).governed.count(Query())

    def test_a_change_is_noticed_by_what_was_bound_before(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            save(adapter, Album(id="a"))
            bound = collection(adapter, Album).governed
            assert 1 == bound.count(Query())
            with backend.opened() as other:
                govern(other, "*", "follower")
                _are_refused(bound, StalePhaseError)
                govern(other, "*", "authority", epoch=2)
                save(other, Album(id="a", name="new"))
            assert "new" == bound.read(["a"])["a"].values["name"]

    def test_a_transaction_reads_its_own_writes_governed(self, adapter: Adapter) -> None:
        need(adapter, Capability.TRANSACTIONS)
        govern(adapter, "*", "authority")
        with adapter.transaction():
            save(adapter, Album(id="a"))
            assert 1 == collection(adapter, Album).governed.count(Query())

    def test_a_reader_never_sees_what_came_after_its_side_stopped(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a", name="0"))
        over = threading.Event()

        def work(n: int) -> None:
            if n == 4:
                try:
                    _change_sides(adapter)
                finally:
                    over.set()
                return
            last = 0
            while not over.is_set():
                with suppress(StalePhaseError, SealedError):
                    last = _looked(collection(adapter, Album).governed, n, last)

        in_threads(5, work)


def _questions(reads: Reads | Collection) -> list[Any]:
    return [lambda: reads.read(["a"]), lambda: reads.find(Query()), lambda: reads.count(Query())]


def _are_refused(reads: Reads, refusal: type[Exception]) -> None:
    for ask in _questions(reads):
        with pytest.raises(refusal):
            ask()


def _looked(reads: Reads, n: int, last: int) -> int:
    """Read one way or another; return the round that was seen, which is not before *last*."""
    if n == 0:
        assert 1 == reads.count(Query())
        return last
    found = reads.read(["a", "b"]).values() if n == 1 else reads.find(Query()).records
    assert ["a"] == [one.key for one in found]
    (one,) = found
    assert last <= int(one.values["name"])
    return int(one.values["name"])


def _change_sides(adapter: Adapter) -> None:
    """Let this side be the authority and the follower by turns.

    What the follower has between the two is what no reader may see: a record that the authority
    has not, and a name that is no number.
    """
    albums, epoch = collection(adapter, Album), 1
    for turn in range(1, ROUNDS + 1):
        govern(adapter, "*", "authority", epoch=epoch)
        albums.commit([put(Album(id="a", name=f"{turn}"))])
        govern(adapter, "*", "follower", epoch=epoch + 1)
        ahead = [
            versioned(Album(id=key, name="not to be seen"), Version(epoch + 1, 1)) for key in "ab"
        ]
        albums.apply_if_newer(ahead, epoch=epoch + 1)
        back = versioned(Album(id="a", name=f"{turn}"), Version(epoch + 1, 2))
        albums.apply_if_newer([back, tombstone("b", back.version)], epoch=epoch + 1)
        epoch += 2


class TestGovernedTransactions:
    """``Adapter.transaction``: control is checked on entering and stands still until the end."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)
        need(adapter, Capability.TRANSACTIONS)

    @pytest.mark.parametrize("role", HELD_BACK)
    def test_entering_is_refused_as_a_write_would_be(self, adapter: Adapter, role: Role) -> None:
        govern(adapter, "albums", role)
        with (
            pytest.raises(HELD_BACK[role]),
            adapter.transaction([entity_of(Area), entity_of(Album)]),
        ):
            save(adapter, Area(id="never written"))
        assert 0 == count(adapter, Area)
        with adapter.transaction([entity_of(Area)]):
            save(adapter, Area(id="a"))
        assert 1 == count(adapter, Area)

    def test_the_authority_takes_it_and_notes_every_change(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority", epoch=3)
        with adapter.transaction([entity_of(Area), entity_of(Site)]):
            save(adapter, Area(id="a"), Site(id="s", area_id="a"))
        ledger = adapter.ledger
        marks = [mark for name in ("areas", "sites") for mark in ledger.marks(name, 9)]
        assert [("areas", "a", 3), ("sites", "s", 3)] == [
            (mark.entity, mark.key, mark.version.epoch) for mark in marks
        ]

    def test_an_undone_transaction_leaves_no_mark(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority")
        with pytest.raises(ZeroDivisionError), adapter.transaction([entity_of(Album)]):
            self._write_and_fail(adapter)
        assert [] == list(adapter.ledger.marks("albums", 9))
        assert {} == dict(adapter.ledger.versions("albums", ["a"]))

    @staticmethod
    def _write_and_fail(adapter: Adapter) -> None:
        save(adapter, Album(id="a"))
        raise ZeroDivisionError

    @pytest.mark.parametrize("wrote", [False, True])
    def test_a_seal_waits_for_one_that_is_open(self, adapter: Adapter, *, wrote: bool) -> None:
        authority = govern(adapter, "*", "authority")
        sealed = Control(2, "sealed", "dual_write", "m1")
        set_control = adapter.ledger.set_control
        with ThreadPoolExecutor(1) as other, adapter.transaction([entity_of(Album)]):
            if wrote:
                save(adapter, Album(id="a"))
            hurried = other.submit(set_control, "*", authority, sealed, patience_seconds=0.3)
            error = hurried.exception(PATIENCE_SECONDS)
            assert isinstance(error, LeaseError)
            assert error.holder
            assert authority == adapter.ledger.control("albums")
            save(adapter, Album(id="b"))
        assert set_control("*", authority, sealed)
        assert {"a", "b"} >= set(everything_in(adapter, Album)) >= {"b"}

    def test_a_patient_seal_comes_when_it_has_ended(self, adapter: Adapter) -> None:
        authority = govern(adapter, "*", "authority")
        with ThreadPoolExecutor(1) as other:
            with adapter.transaction([entity_of(Album)]):
                done = self._seal(other, adapter, authority)
                save(adapter, Album(id="a"))
                assert not done.done()
            assert done.result(PATIENCE_SECONDS)
        assert row(Album(id="a")) == values_of(adapter, Album, "a")
        with pytest.raises(SealedError):
            save(adapter, Album(id="b"))

    def test_another_adapters_seal_waits_too(self, backend: Backend) -> None:
        with backend.opened() as one:
            need(one, Capability.DURABLE)
            authority = govern(one, "*", "authority")
            with backend.opened() as other, ThreadPoolExecutor(1) as pool:
                with one.transaction([entity_of(Album)]):
                    done = self._seal(pool, other, authority)
                    save(one, Album(id="a"))
                    assert not done.done()
                assert done.result(PATIENCE_SECONDS)
                assert row(Album(id="a")) == values_of(other, Album, "a")

    @staticmethod
    def _seal(pool: ThreadPoolExecutor, adapter: Adapter, authority: Control) -> Future[bool]:
        sealed = Control(2, "sealed", "dual_write", "m1")
        return pool.submit(
            adapter.ledger.set_control, "*", authority, sealed, patience_seconds=60.0
        )

    def test_others_go_on_after_a_seal_has_given_up(self, adapter: Adapter) -> None:
        authority = govern(adapter, "*", "authority")
        with ThreadPoolExecutor(1) as other, adapter.transaction([entity_of(Album)]):
            given_up = other.submit(
                adapter.ledger.set_control, "*", authority, None, patience_seconds=0.1
            )
            assert isinstance(given_up.exception(PATIENCE_SECONDS), LeaseError)
        save(adapter, Album(id="a"))
        collection(adapter, Album).commit([Delete("a")])
        assert 0 == count(adapter, Album)


class TestWithoutFencing:
    """An ability that is not declared is refused."""

    def test_governed_reads_are_refused(self, adapter: Adapter) -> None:
        if Capability.FENCING in adapter.capabilities:
            pytest.skip("fencing is declared")
        save(adapter, Album(id="a"))
        with pytest.raises(UnsupportedError):
            collection(adapter, Album).governed.read(["a"])
        assert {} == dict(adapter.ledger.controls())
