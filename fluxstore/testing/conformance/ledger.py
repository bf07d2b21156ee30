"""The ledger: control, marks, cursors, quarantine, parts, leases."""

from __future__ import annotations

import threading

import pytest

from fluxstore.adapter import Adapter, Batch, Capability, Control, Cursor, Mark, Part
from fluxstore.errors import LeaseError, SealedError, StalePhaseError
from fluxstore.records import Delete, Problem, Reason, Rejected, Version
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    change,
    collection,
    count,
    need,
    put,
    row,
    said,
    save,
    values_of,
)
from fluxstore.testing.entities import Album, Area, Desk, Room, Site

DUAL = Control(1, "authority", "dual_write", "m1")


class TestControl:
    """Control is compared and set, and says who is the authority."""

    def test_it_is_set_only_where_it_is_as_expected(self, adapter: Adapter) -> None:
        ledger = adapter.ledger
        first, second = Control(1, "follower", "dual_write", "m1"), Control(2, "sealed", "x", "m1")
        assert None is ledger.control("albums")
        assert not ledger.set_control("albums", first, second)
        assert ledger.set_control("albums", None, first)
        assert not ledger.set_control("albums", None, second)
        assert not ledger.set_control("albums", second, first)
        assert first == ledger.control("albums")
        assert ledger.set_control("albums", first, second)
        assert second == ledger.control("albums")

    def test_the_star_stands_for_entities_without_their_own(self, adapter: Adapter) -> None:
        ledger = adapter.ledger
        assert ledger.set_control("*", None, DUAL)
        assert DUAL == ledger.control("albums") == ledger.control("*")
        own = Control(4, "follower", "shadow", "m2")
        assert ledger.set_control("albums", None, own)
        assert (own, DUAL) == (ledger.control("albums"), ledger.control("tracks"))

    def test_one_of_many_sets_it(self, backend: Backend) -> None:
        won: list[int] = []
        with backend.opened() as adapter:
            barrier = threading.Barrier(8)

            def race(n: int) -> None:
                barrier.wait(30)
                if adapter.ledger.set_control("albums", None, Control(n, "sealed", "x", "m")):
                    won.append(n)

            threads = [threading.Thread(target=race, args=(n,)) for n in range(1, 9)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            control = adapter.ledger.control("albums")
        assert control is not None
        assert [control.epoch] == won


class TestFencing:
    """Where fencing is declared, control is checked in each write's own atomic unit."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)

    def test_only_the_authority_takes_writes(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a"))
        assert adapter.ledger.set_control("albums", None, Control(1, "follower", "live", "m1"))
        with pytest.raises(StalePhaseError):
            collection(adapter, Album).commit([put(Album(id="b"))])
        assert row(Album(id="a")) == values_of(adapter, Album, "a")
        assert 1 == count(adapter, Album)

    def test_a_sealed_side_takes_none(self, adapter: Adapter) -> None:
        assert adapter.ledger.set_control("albums", None, Control(1, "sealed", "shadow", "m1"))
        with pytest.raises(SealedError):
            collection(adapter, Album).commit([put(Album(id="b"))])
        assert 0 == count(adapter, Album)

    def test_a_governed_write_gets_a_version_and_a_mark(self, adapter: Adapter) -> None:
        save(adapter, Album(id="old"))
        assert adapter.ledger.set_control("albums", None, DUAL)
        save(adapter, Album(id="old", name="x"), Album(id="new"))
        versions = adapter.ledger.versions("albums", ["old", "new", "none"])
        assert {"old", "new"} == set(versions)
        assert Version(0, 1) < versions["old"]
        marks = adapter.ledger.marks("albums", 10)
        assert versions == {mark.key: mark.version for mark in marks}
        assert versions["old"] == collection(adapter, Album).read(["old"])["old"].version

    def test_a_delete_leaves_a_tombstone_and_a_mark(self, adapter: Adapter) -> None:
        assert adapter.ledger.set_control("albums", None, DUAL)
        save(adapter, Album(id="a"))
        before = adapter.ledger.versions("albums", ["a"])["a"]
        collection(adapter, Album).commit([Delete("a")])
        after = adapter.ledger.versions("albums", ["a"])["a"]
        assert (before.seq + 1, True) == (after.seq, after.deleted)
        assert [after] == [mark.version for mark in adapter.ledger.marks("albums", 10)]

    def test_what_a_cascade_did_is_captured(self, adapter: Adapter) -> None:
        save(adapter, Area(id="a"), Site(id="s", area_id="a"), Room(id="r", site_id="s"))
        save(adapter, Desk(id="d", room_id="r"))
        assert adapter.ledger.set_control("*", None, DUAL)
        collection(adapter, Area).commit([Delete("a")])
        ledger = adapter.ledger
        names = ("areas", "sites", "rooms", "desks")
        marks = [mark.key for name in names for mark in ledger.marks(name, 9)]
        assert ["a", "s", "r", "d"] == marks
        assert ledger.versions("rooms", ["r"])["r"].deleted
        assert not ledger.versions("desks", ["d"])["d"].deleted

    def test_a_mark_is_cleared_only_while_it_is_the_same(self, adapter: Adapter) -> None:
        assert adapter.ledger.set_control("albums", None, DUAL)
        save(adapter, Album(id="a"))
        seen = list(adapter.ledger.marks("albums", 10))
        collection(adapter, Album).commit([change(Album, "a", name="newer")])
        assert 0 == adapter.ledger.clear(seen)
        assert 1 == len(adapter.ledger.marks("albums", 10))
        assert 1 == adapter.ledger.clear(adapter.ledger.marks("albums", 10))
        assert 0 == len(adapter.ledger.marks("albums", 10))

    def test_marks_are_given_up_to_a_limit(self, adapter: Adapter) -> None:
        assert adapter.ledger.set_control("albums", None, DUAL)
        save(adapter, *(Album(id=f"a{n}") for n in range(5)))
        assert 3 == len(adapter.ledger.marks("albums", 3))
        assert 0 == len(adapter.ledger.marks("tracks", 3))


class TestBooks:
    """Cursors, quarantine and parts are kept as they were given."""

    def test_clearing_a_mark_that_is_not_there_does_nothing(self, adapter: Adapter) -> None:
        assert 0 == adapter.ledger.clear([Mark("albums", "a", Version(1, 1))])

    def test_cursors_of_a_migration_are_dropped_together(self, adapter: Adapter) -> None:
        cursors = [
            Cursor(migration, entity, "p", "f")
            for migration in ("m1", "m2")
            for entity in ("albums", "tracks")
        ]
        for one in cursors:
            collection(adapter, Album).merge(Batch([], cursor=one))
        adapter.ledger.drop_cursors("m1")
        found = [adapter.ledger.cursor(one.migration, one.entity) for one in cursors]
        assert [None, None, *cursors[2:]] == found
        adapter.ledger.drop_cursors("none")

    def test_quarantine_is_replaced_and_keeps_bytes(self, adapter: Adapter) -> None:
        problem = Problem("albums", Reason.TYPE, "text expected", "k\n", "name[0]", "albums.json")
        rejected = [Rejected(problem, b'{"id": "\xff\x00'), Rejected(problem)]
        adapter.ledger.set_quarantine("albums", iter(rejected))
        assert rejected == list(adapter.ledger.quarantine("albums"))
        assert [] == list(adapter.ledger.quarantine("tracks"))
        adapter.ledger.set_quarantine("albums", rejected[1:])
        assert rejected[1:] == list(adapter.ledger.quarantine("albums"))
        adapter.ledger.set_quarantine("albums", [])
        assert [] == list(adapter.ledger.quarantine("albums"))

    def test_parts_are_replaced_and_only_what_differs_is_written(self, adapter: Adapter) -> None:
        save(adapter, *(Album(id=name) for name in "abc"))
        parts = [
            Part("albums", "order", 0, ["c", "a"]),
            Part("albums", "order", 1, ["b"]),
            Part("albums", "wrapper", 0, {"version": 2, "é": [None, 0.5]}),
        ]
        ledger = adapter.ledger
        assert 3 == ledger.save_parts("albums", iter(parts))
        assert said(parts) == said(ledger.parts("albums"))
        assert 0 == ledger.save_parts("albums", parts)
        turned = [Part("albums", "order", 0, ["a", "c"]), *parts[1:]]
        assert 0 < ledger.save_parts("albums", turned) <= 2
        assert said(turned) == said(ledger.parts("albums"))
        assert [] == said(ledger.parts("tracks"))


class TestLease:
    """One holder at a time; whoever asks meanwhile is told at once."""

    def test_a_held_lease_is_refused_and_free_afterwards(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            with adapter.ledger.lease("migrate"):
                with pytest.raises(LeaseError), adapter.ledger.lease("migrate"):
                    pass
                with adapter.ledger.lease("relay"):
                    pass
            with adapter.ledger.lease("migrate"):
                pass

    def test_another_adapter_is_refused_too(self, backend: Backend) -> None:
        with backend.opened() as one:
            need(one, Capability.DURABLE)
            with backend.opened() as other:
                with (
                    one.ledger.lease("migrate"),
                    pytest.raises(LeaseError),
                    other.ledger.lease("migrate"),
                ):
                    pass
                with other.ledger.lease("migrate"):
                    pass

    def test_an_error_gives_the_lease_back(self, adapter: Adapter) -> None:
        with pytest.raises(ZeroDivisionError), adapter.ledger.lease("migrate"):
            raise ZeroDivisionError
        with adapter.ledger.lease("migrate"):
            pass

    def test_a_closed_adapter_holds_no_lease(self, backend: Backend) -> None:
        with backend.opened() as other:
            need(other, Capability.DURABLE)
            one = backend.open()
            held = one.ledger.lease("migrate")
            held.__enter__()
            with pytest.raises(LeaseError), other.ledger.lease("migrate"):
                pass
            held.__exit__(None, None, None)
            one.close()
            with other.ledger.lease("migrate"):
                pass


class TestLedgerLasts:
    """What the ledger holds is there again after closing."""

    def test_everything_is_found_again(self, backend: Backend) -> None:
        cursor = Cursor("m1", "albums", "p", "f", {"read": 1})
        rejected = Rejected(Problem("albums", Reason.FILE, "x"), b"\xff")
        part = Part("albums", "wrapper", 0, {"note": 1})
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            save(adapter, Album(id="a"))
            collection(adapter, Album).merge(Batch([], cursor=cursor))
            adapter.ledger.set_quarantine("albums", [rejected])
            adapter.ledger.save_parts("albums", [part])
            adapter.ledger.set_control("tracks", None, DUAL)
        with backend.opened() as adapter:
            assert cursor == adapter.ledger.cursor("m1", "albums")
            assert [rejected] == list(adapter.ledger.quarantine("albums"))
            assert part in list(adapter.ledger.parts("albums"))
            assert DUAL == adapter.ledger.control("tracks")
