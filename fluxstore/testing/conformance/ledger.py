"""The ledger: control, marks, cursors, quarantine, parts, leases."""

from __future__ import annotations

import pytest

from fluxstore.adapter import Adapter, Backlog, Batch, Capability, Control, Cursor, Mark, Part
from fluxstore.errors import LeaseError, RecordExistsError, SealedError, StalePhaseError
from fluxstore.records import Delete, Intent, Problem, Reason, Rejected, Version
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    change,
    collection,
    count,
    govern,
    need,
    put,
    row,
    said,
    save,
    values_of,
    wait_until,
)
from fluxstore.testing.entities import Album, Area, Desk, Room, Site

DUAL = Control(1, "authority", "dual_write", "m1")


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
        assert {"old": Version(1, 2), "new": Version(1, 1)} == dict(versions)
        marks = adapter.ledger.marks("albums", 10)
        assert versions == {mark.key: mark.version for mark in marks}
        assert versions["old"] == collection(adapter, Album).read(["old"])["old"].version

    def test_touched_keys_are_told_in_the_order_in_which_they_were_written_last(
        self, adapter: Adapter
    ) -> None:
        ledger = adapter.ledger
        assert (0, []) == (ledger.last_touch("albums"), list(ledger.touched("albums", 0, 9)))
        assert ledger.set_control("albums", None, DUAL)
        save(adapter, Album(id="a"))
        save(adapter, Album(id="b"), Album(id="c"))
        before = ledger.last_touch("albums")
        assert {"a", "b", "c"} == {one.key for one in ledger.touched("albums", 0, 9)}
        save(adapter, Album(id="a", name="x"))
        collection(adapter, Album).commit([Delete("c")])
        found = ledger.touched("albums", before, 9)
        assert ["a", "c"] == [one.key for one in found]
        assert found[-1].number == ledger.last_touch("albums")
        every = ledger.touched("albums", 0, 9)
        assert ["b", "a", "c"] == [one.key for one in every]
        first = ledger.touched("albums", 0, 2)
        assert ["b", "a"] == [one.key for one in first]
        assert ["c"] == [one.key for one in ledger.touched("albums", first[-1].number, 2)]

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

    def test_a_commit_returns_the_versions_that_it_gave(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        govern(adapter, "*", "authority", epoch=4)
        first = albums.commit([put(Album(id="a")), put(Album(id="b"))], op_id="op-1")
        versions = adapter.ledger.versions("albums", ["a", "b"])
        assert versions == {key: one.version for key, one in first.items()}
        assert {4} == {one.epoch for one in versions.values()}
        second = albums.commit([change(Album, "a", name="new")])["a"].version
        assert (4, versions["a"].seq + 1) == (second.epoch, second.seq)
        again = albums.commit([put(Album(id="a")), put(Album(id="b"))], op_id="op-1")
        assert {"a": second, "b": versions["b"]} == {k: one.version for k, one in again.items()}

    def test_a_record_made_again_is_newer_than_its_tombstone(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority")
        albums = collection(adapter, Album)
        save(adapter, Album(id="a"))
        albums.commit([Delete("a")])
        tombstone = adapter.ledger.versions("albums", ["a"])["a"]
        made = albums.commit([put(Album(id="a"))])["a"].version
        assert (tombstone.seq + 1, False) == (made.seq, made.deleted)
        assert [made] == [mark.version for mark in adapter.ledger.marks("albums", 9)]

    def test_a_refused_commit_leaves_no_mark(self, adapter: Adapter) -> None:
        save(adapter, Album(id="b"))
        govern(adapter, "*", "authority")
        with pytest.raises(RecordExistsError):
            collection(adapter, Album).commit(
                [put(Album(id="a")), put(Album(id="b"), Intent.CREATE)]
            )
        assert ([], {}) == (
            list(adapter.ledger.marks("albums", 9)),
            dict(adapter.ledger.versions("albums", ["a", "b"])),
        )

    def test_the_backlog_tells_how_many_marks_wait_and_how_long(self, adapter: Adapter) -> None:
        assert Backlog(0) == adapter.ledger.backlog("albums")
        govern(adapter, "*", "authority")
        save(adapter, *(Album(id=f"a{n}") for n in range(3)))
        backlog = adapter.ledger.backlog("albums")
        assert 3 == backlog.marks
        assert 0 <= backlog.seconds < 60
        wait_until(lambda: adapter.ledger.backlog("albums").seconds > backlog.seconds)
        assert 0 == adapter.ledger.backlog("tracks").marks
        adapter.ledger.clear(adapter.ledger.marks("albums", 9))
        assert Backlog(0) == adapter.ledger.backlog("albums")


class TestBooks:
    """Cursors, quarantine, parts and facts are kept as they were given."""

    def test_facts_are_kept_and_forgotten(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)
        ledger = adapter.ledger
        assert None is ledger.fact("passes")
        value = {"rate": 1.5, "é": [None, True, 2**53], "paused": False}
        ledger.set_fact("passes", value)
        ledger.set_fact("other", [])
        assert (value, []) == (ledger.fact("passes"), ledger.fact("other"))
        ledger.set_fact("passes", "new")
        assert "new" == ledger.fact("passes")
        ledger.set_fact("passes", None)
        ledger.set_fact("never there", None)
        assert (None, []) == (ledger.fact("passes"), ledger.fact("other"))

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
        with backend.opened() as adapter:
            assert cursor == adapter.ledger.cursor("m1", "albums")
            assert [rejected] == list(adapter.ledger.quarantine("albums"))
            assert part in list(adapter.ledger.parts("albums"))

    def test_what_a_migration_needs_is_found_again(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            need(adapter, Capability.FENCING)
            control = govern(adapter, "*", "authority")
            collection(adapter, Album).commit([put(Album(id="a"))], op_id="op-1")
            adapter.ledger.set_fact("passes", {"n": 1})
            versions = adapter.ledger.versions("albums", ["a"])
            marks = list(adapter.ledger.marks("albums", 9))
        with backend.opened() as adapter:
            ledger = adapter.ledger
            assert (control, {"*": control}) == (ledger.control("tracks"), dict(ledger.controls()))
            assert (versions, marks) == (
                ledger.versions("albums", ["a"]),
                list(ledger.marks("albums", 9)),
            )
            assert {"a": ["op-1"]} == {
                key: list(ids) for key, ids in ledger.operations("albums", ["a"]).items()
            }
            assert {"n": 1} == ledger.fact("passes")
