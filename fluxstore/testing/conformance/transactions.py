"""Transactions: the commits of one thread, all or none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from fluxstore.adapter import Adapter, Capability
from fluxstore.errors import ConstraintError, RecordExistsError, UnsupportedError
from fluxstore.query import Query
from fluxstore.records import Delete, Intent
from fluxstore.testing.conformance.support import (
    change,
    collection,
    count,
    elsewhere,
    everything_in,
    keys,
    need,
    put,
    row,
    save,
    values_of,
)
from fluxstore.testing.entities import Album, Area, Site, Track

PATIENCE_SECONDS = 30


class _StopError(Exception):
    """What a test ends a transaction with."""


class TestTransactions:
    """``Adapter.transaction``: several entities, one outcome."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.TRANSACTIONS)

    def test_commits_of_several_entities_stay_together(self, adapter: Adapter) -> None:
        with adapter.transaction():
            save(adapter, Area(id="a"), Site(id="s", area_id="a"), Album(id="x"))
        assert [1, 1, 1] == [count(adapter, cls) for cls in (Area, Site, Album)]

    def test_an_error_undoes_all_commits_and_goes_on(self, adapter: Adapter) -> None:
        save(adapter, Album(id="old", name="before"), Album(id="gone"))

        def work() -> None:
            with adapter.transaction():
                save(adapter, Area(id="a"), Album(id="new"), Album(id="old", name="after"))
                collection(adapter, Album).commit([Delete("gone")])
                raise _StopError

        with pytest.raises(_StopError):
            work()
        assert 0 == count(adapter, Area)
        assert {"old", "gone"} == set(everything_in(adapter, Album))
        assert row(Album(id="old", name="before")) == values_of(adapter, Album, "old")

    def test_a_transaction_reads_its_own_writes(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a", name="before"), Album(id="b"))
        with adapter.transaction():
            albums = collection(adapter, Album)
            albums.commit([change(Album, "a", name="after")])
            albums.commit([put(Album(id="c"), Intent.CREATE)])
            albums.commit([Delete("b")])
            assert row(Album(id="a", name="after")) == values_of(adapter, Album, "a")
            assert ["a", "c"] == keys(adapter, Album, Query())
            assert 2 == count(adapter, Album)
            assert None is values_of(adapter, Album, "b")
        assert ["a", "c"] == keys(adapter, Album, Query())

    def test_others_see_nothing_before_the_end(self, adapter: Adapter) -> None:
        seen: list[int] = []

        def look() -> None:
            seen.append(count(adapter, Album))

        with adapter.transaction():
            save(adapter, Album(id="a"))
            elsewhere(look)
        elsewhere(look)
        assert [0, 1] == seen

    def test_a_refused_commit_leaves_the_transaction_usable(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a", name="old"))
        with adapter.transaction():
            save(adapter, Album(id="b"))
            with pytest.raises(RecordExistsError):
                collection(adapter, Album).commit([put(Album(id="a"), Intent.CREATE)])
            with pytest.raises(ConstraintError):
                collection(adapter, Track).commit([put(Track(id="t", album_id="none"))])
            save(adapter, Album(id="c"))
        assert {"a", "b", "c"} == set(everything_in(adapter, Album))
        assert row(Album(id="a", name="old")) == values_of(adapter, Album, "a")
        assert 0 == count(adapter, Track)

    def test_an_inner_transaction_is_part_of_the_outer(self, adapter: Adapter) -> None:
        def work() -> None:
            with adapter.transaction():
                with adapter.transaction():
                    save(adapter, Album(id="a"))
                save(adapter, Album(id="b"))
                raise _StopError

        with pytest.raises(_StopError):
            work()
        assert 0 == count(adapter, Album)

    def test_an_operation_of_an_undone_transaction_did_not_happen(self, adapter: Adapter) -> None:
        need(adapter, Capability.ATOMIC_LEDGER)
        create = [put(Album(id="a"), Intent.CREATE)]

        def work() -> None:
            with adapter.transaction():
                collection(adapter, Album).commit(create, op_id="op-1")
                raise _StopError

        with pytest.raises(_StopError):
            work()
        collection(adapter, Album).commit(create, op_id="op-1")
        assert 1 == count(adapter, Album)

    def test_transactions_of_threads_do_not_mix(self, adapter: Adapter) -> None:
        def build(name: str, *, fails: bool) -> None:
            with adapter.transaction():
                save(adapter, Area(id=name), Site(id=name, area_id=name))
                if fails:
                    raise _StopError

        def work(name: str) -> None:
            for n in range(10):
                with suppress(_StopError):
                    build(f"{name}{n}", fails=name in "bd")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, "abcd", timeout=PATIENCE_SECONDS))
        expected = {f"{name}{n}" for name in "ac" for n in range(10)}
        assert expected == set(everything_in(adapter, Area)) == set(everything_in(adapter, Site))


class TestWithoutTransactions:
    """An ability that is not declared is refused."""

    def test_a_transaction_is_refused(self, adapter: Adapter) -> None:
        if Capability.TRANSACTIONS in adapter.capabilities:
            pytest.skip("transactions are declared")
        with pytest.raises(UnsupportedError), adapter.transaction():
            save(adapter, Album(id="a"))
        assert 0 == count(adapter, Album)
