"""Many at once: threads on one adapter, processes on one store; and what closing leaves."""

from __future__ import annotations

from collections import Counter as Tally

import pytest

from fluxstore.adapter import Adapter, Capability, Use
from fluxstore.errors import ConstraintError, FluxstoreError, RecordExistsError
from fluxstore.query import Query
from fluxstore.records import Delete, Intent
from fluxstore.testing import processes
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    PATIENCE_SECONDS,
    collection,
    count,
    everything_in,
    in_threads,
    need,
    put,
    row,
    save,
    values_of,
)
from fluxstore.testing.entities import Album, Area, Counter, Person, Site
from fluxstore.testing.processes import Appends

TEN = tuple(f"c{n}" for n in range(10))


class TestReopening:
    """What was acknowledged is there again."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.DURABLE)

    def test_records_are_found_after_closing(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            save(adapter, Area(id="a"), Site(id="s", area_id="a"), Album(id="x"), Album(id="y"))
            collection(adapter, Album).commit([Delete("x")])
        with backend.opened() as adapter:
            assert {"y"} == set(everything_in(adapter, Album))
            assert row(Site(id="s", area_id="a")) == values_of(adapter, Site, "s")
            save(adapter, Album(id="x", name="again"))
        with backend.opened(use=Use.SOURCE) as adapter:
            assert row(Album(id="x", name="again")) == values_of(adapter, Album, "x")

    def test_a_source_is_only_read(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            save(adapter, Album(id="a", name="old"))
        with backend.opened(use=Use.SOURCE) as adapter:
            for change in (put(Album(id="b")), put(Album(id="a", name="new")), Delete("a")):
                with pytest.raises(FluxstoreError):
                    collection(adapter, Album).commit([change])
        with backend.opened() as adapter:
            assert {"a": row(Album(id="a", name="old"))} == {
                key: dict(one.values) for key, one in everything_in(adapter, Album).items()
            }

    def test_rules_hold_after_closing(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            save(adapter, Person(id="a", email="a@x"))
        with backend.opened() as adapter, pytest.raises(ConstraintError):
            save(adapter, Person(id="b", email="a@x"))

    def test_operations_are_known_after_closing(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.ATOMIC_LEDGER)
            collection(adapter, Album).commit([put(Album(id="a"), Intent.CREATE)], op_id="op-1")
        with backend.opened() as adapter:
            collection(adapter, Album).commit([put(Album(id="a"), Intent.CREATE)], op_id="op-1")
            assert 1 == count(adapter, Album)

    def test_an_adapter_sees_what_another_commits(self, backend: Backend) -> None:
        with backend.opened() as one, backend.opened() as other:
            save(one, Album(id="a"))
            assert row(Album(id="a")) == values_of(other, Album, "a")
            save(other, Album(id="a", name="new"), Album(id="b"))
            assert row(Album(id="a", name="new")) == values_of(one, Album, "a")
            assert 2 == count(one, Album)
            collection(one, Album).commit([Delete("a")])
            assert ["b"] == [found.key for found in collection(other, Album).find(Query()).records]


class TestThreads:
    """Sixteen threads on one adapter."""

    def test_no_update_is_lost(self, adapter: Adapter) -> None:
        counters = collection(adapter, Counter)
        counters.commit([put(Counter(id=key)) for key in TEN])
        told = in_threads(16, lambda n: processes.append_to(counters, f"t{n}", TEN, 25))
        _judge(adapter, told)

    def test_one_of_many_creates_a_record(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)

        def create(n: int) -> list[str]:
            mine = []
            for key in TEN:
                try:
                    albums.commit([put(Album(id=key, name=str(n)), Intent.CREATE)])
                except RecordExistsError:
                    continue
                mine.append(key)
            return mine

        won = in_threads(16, create)
        assert sorted(TEN) == sorted(key for mine in won for key in mine)
        for n, mine in enumerate(won):
            assert all(str(n) == one.values["name"] for one in albums.read(mine).values())

    def test_one_operation_at_once_has_one_effect(self, adapter: Adapter) -> None:
        need(adapter, Capability.ATOMIC_LEDGER)
        albums = collection(adapter, Album)
        made = [put(Album(id=key), Intent.CREATE) for key in "ab"]
        told = in_threads(8, lambda _: albums.commit(made, op_id="one"))
        assert [{"a", "b"}] * 8 == [set(one) for one in told]

    def test_readers_see_whole_commits_only(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(Album(id="a", name="0")), put(Album(id="b", name="0"))])

        def work(n: int) -> None:
            for turn in range(20):
                if n < 4:
                    name = f"{n} {turn}"
                    albums.commit([put(Album(id="a", name=name)), put(Album(id="b", name=name))])
                else:
                    found = albums.read(["a", "b"])
                    assert found["a"].values["name"] == found["b"].values["name"]

        in_threads(16, work)


def _judge(adapter: Adapter, told: list[Appends]) -> None:
    """Check that every acknowledged append is there once, each worker's in its own order."""
    found = everything_in(adapter, Counter)
    for key in TEN:
        values = found[key].values
        assert values["count"] == len(values["log"])
        assert all(times == 1 for times in Tally(values["log"]).values())
    for one in told:
        worker = one.acknowledged[0][1].partition(":")[0] + ":"
        for key in TEN:
            expected = [entry for where, entry in one.acknowledged if where == key]
            log = found[key].values["log"]
            assert expected == [entry for entry in log if entry.startswith(worker)]
    total = sum(len(one.acknowledged) for one in told)
    assert total == sum(found[key].values["count"] for key in TEN)


class TestProcesses:
    """Eight processes on one store."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.DURABLE)

    def test_no_update_of_eight_processes_is_lost(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            collection(adapter, Counter).commit([put(Counter(id=key)) for key in TEN])
        work = [(backend, f"p{n}", TEN, 500) for n in range(8)]
        told = processes.run(processes.append, work, timeout_seconds=PATIENCE_SECONDS)
        assert [500] * 8 == [len(one.acknowledged) for one in told]
        with backend.opened() as adapter:
            _judge(adapter, told)

    def test_one_of_eight_processes_creates_a_record(self, backend: Backend) -> None:
        keys = tuple(f"a{n}" for n in range(50))
        with backend.opened() as adapter:
            assert 0 == count(adapter, Album)
        work = [(backend, f"p{n}", keys) for n in range(8)]
        won = processes.run(processes.create, work, timeout_seconds=PATIENCE_SECONDS)
        assert sorted(keys) == sorted(key for mine in won for key in mine)
        with backend.opened() as adapter:
            found = everything_in(adapter, Album)
        for n, mine in enumerate(won):
            assert all(f"p{n}" == found[key].values["name"] for key in mine)

    def test_one_of_eight_processes_gets_a_unique_value(self, backend: Backend) -> None:
        names = tuple(f"n{n}" for n in range(30))
        with backend.opened() as adapter:
            assert 0 == count(adapter, Person)
        work = [(backend, f"p{n}", names) for n in range(8)]
        won = processes.run(processes.claim, work, timeout_seconds=PATIENCE_SECONDS)
        assert sorted(names) == sorted(name for mine in won for name in mine)
        with backend.opened() as adapter:
            assert len(names) == count(adapter, Person)
