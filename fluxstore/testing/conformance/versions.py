"""Versions: ``apply_if_newer`` lets them decide, never arrival order."""

from __future__ import annotations

import attrs
import pytest

from fluxstore.adapter import Adapter, Capability
from fluxstore.errors import ConstraintError, RecordNotFoundError
from fluxstore.records import Delete, Intent, Residue, Version, Versioned
from fluxstore.testing.conformance.support import (
    collection,
    count,
    need,
    put,
    record,
    save,
    values_of,
)
from fluxstore.testing.entities import Album, Track


class TestApplyIfNewer:
    """Versions decide, never arrival order; a tombstone is a record too."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)

    def test_the_newest_version_wins_whatever_the_order(self, adapter: Adapter) -> None:
        assert [True] == self._apply(adapter, Version(1, 5), "five")
        assert [False] == self._apply(adapter, Version(1, 4), "four")
        assert [False] == self._apply(adapter, Version(1, 5), "five again")
        assert "five" == self._name(adapter)
        assert [True] == self._apply(adapter, Version(1, 6), "six")
        assert [True] == self._apply(adapter, Version(2, 1), "next epoch")
        assert [False] == self._apply(adapter, Version(1, 99), "old epoch")
        assert "next epoch" == self._name(adapter)
        assert {"a": Version(2, 1)} == adapter.ledger.versions("albums", ["a", "b"])

    def test_an_untouched_record_has_the_first_version(self, adapter: Adapter) -> None:
        save(adapter, Album(id="a", name="loaded"))
        assert [False] == self._apply(adapter, Version(0, 1), "same")
        assert "loaded" == self._name(adapter)
        assert [True] == self._apply(adapter, Version(0, 2), "touched")
        assert "touched" == self._name(adapter)

    def test_a_deleted_record_does_not_come_back(self, adapter: Adapter) -> None:
        self._apply(adapter, Version(1, 1), "one")
        assert [True] == self._apply(adapter, Version(1, 3), None)
        assert None is values_of(adapter, Album, "a")
        assert [False] == self._apply(adapter, Version(1, 2), "late")
        assert None is values_of(adapter, Album, "a")
        versions = adapter.ledger.versions("albums", ["a"])
        assert (3, True) == (versions["a"].seq, versions["a"].deleted)

    def test_a_deleted_record_can_be_created_again(self, adapter: Adapter) -> None:
        self._apply(adapter, Version(1, 1), None)
        assert [True] == self._apply(adapter, Version(1, 2), "again")
        assert "again" == self._name(adapter)
        assert {"a": Version(1, 2)} == adapter.ledger.versions("albums", ["a"])
        assert not adapter.ledger.versions("albums", ["a"])["a"].deleted

    def test_a_tombstone_of_an_unknown_record_is_kept(self, adapter: Adapter) -> None:
        assert [True] == self._apply(adapter, Version(1, 2), None)
        assert [False] == self._apply(adapter, Version(1, 1), "late")
        assert 0 == count(adapter, Album)

    def test_many_changes_are_one_transaction(self, adapter: Adapter) -> None:
        tracks = collection(adapter, Track)
        save(adapter, Album(id="a"))
        good = self._versioned(Track(id="t", album_id="a"), Version(1, 1))
        bad = self._versioned(Track(id="u", album_id="none"), Version(1, 1))
        with pytest.raises(ConstraintError):
            tracks.apply_if_newer([good, bad])
        assert 0 == count(adapter, Track)
        assert {} == adapter.ledger.versions("tracks", ["t", "u"])
        assert [True] == list(tracks.apply_if_newer([good]))

    def test_residue_travels_with_the_record(self, adapter: Adapter) -> None:
        residue = Residue(extras={"note": [1, None]})
        made = attrs.evolve(record(Album(id="a", name="x"), residue), version=Version(1, 1))
        collection(adapter, Album).apply_if_newer([Versioned("a", made.version, made)])
        assert residue == collection(adapter, Album).read(["a"])["a"].residue
        bare = attrs.evolve(made, residue=Residue(), version=Version(1, 2))
        collection(adapter, Album).apply_if_newer([Versioned("a", bare.version, bare)])
        assert Residue() == collection(adapter, Album).read(["a"])["a"].residue

    def test_no_mark_is_made_and_the_version_travels_with_the_record(
        self, adapter: Adapter
    ) -> None:
        self._apply(adapter, Version(3, 7), "x")
        assert 0 == len(adapter.ledger.marks("albums", 10))
        assert Version(3, 7) == collection(adapter, Album).read(["a"])["a"].version

    def test_an_applied_operation_is_known_afterwards(self, adapter: Adapter) -> None:
        need(adapter, Capability.ATOMIC_LEDGER)
        albums = collection(adapter, Album)
        made = record(Album(id="a", name="one"))
        albums.apply_if_newer([Versioned("a", Version(1, 1), made, op_ids=["op-1"])])
        again = albums.commit([put(Album(id="a"), Intent.CREATE)], op_id="op-1")
        assert "one" == again["a"].values["name"]
        albums.apply_if_newer([Versioned("a", Version(1, 2), None, op_ids=["op-2"])])
        albums.commit([Delete("a")], op_id="op-2")
        with pytest.raises(RecordNotFoundError):
            albums.commit([Delete("a")], op_id="op-3")

    @staticmethod
    def _versioned(instance: object, version: Version) -> Versioned:
        made = attrs.evolve(record(instance), version=version)
        return Versioned(made.key, version, made)

    def _apply(self, adapter: Adapter, version: Version, name: str | None) -> list[bool]:
        change = Versioned("a", attrs.evolve(version, deleted=True), None)
        if name is not None:
            change = self._versioned(Album(id="a", name=name), version)
        return list(collection(adapter, Album).apply_if_newer([change]))

    @staticmethod
    def _name(adapter: Adapter) -> str | None:
        values = values_of(adapter, Album, "a")
        return values["name"] if values else None
