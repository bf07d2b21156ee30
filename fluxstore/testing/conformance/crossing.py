"""Operations cross with what they made: known to both sides, and owed to the other until then."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fluxstore.adapter import Adapter, Capability, Crossed, Mark
from fluxstore.records import Delete, Intent, Key, Version, Versioned
from fluxstore.testing.conformance.support import (
    collection,
    govern,
    need,
    put,
    save,
    tombstone,
    versioned,
)
from fluxstore.testing.entities import Album


class TestOperationsTravel:
    """An operation is known wherever its record went, so that a retry has one effect there."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)

    def test_the_operations_of_keys_are_told(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority")
        albums = collection(adapter, Album)
        albums.commit([put(Album(id="a")), put(Album(id="b"))], op_id="op-1")
        albums.commit([Delete("b")], op_id="op-2")
        albums.commit([put(Album(id="c"))])
        assert {"a": {"op-1"}, "b": {"op-1", "op-2"}} == _operations(adapter, "abcd")

    def test_keys_that_operations_have_changed_are_listed(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(Album(id=key)) for key in "abc"], op_id="op-1")
        albums.commit([Delete("b")], op_id="op-2")
        every = list(adapter.ledger.operated("albums", None, 9))
        assert ["a", "b", "c"] == sorted(every)
        pages = [*adapter.ledger.operated("albums", None, 2)]
        pages += adapter.ledger.operated("albums", pages[-1], 2)
        assert every == pages
        assert [] == list(adapter.ledger.operated("albums", every[-1], 2))
        assert [] == list(adapter.ledger.operated("tracks", None, 2))

    def test_an_operation_on_a_record_that_is_nowhere_is_known(self, adapter: Adapter) -> None:
        save(adapter, Album(id="extra"))
        govern(adapter, "*", "follower")
        albums = collection(adapter, Album)
        gone = Version(0, 1, deleted=True)
        albums.apply_if_newer([tombstone(key, gone, "op-1") for key in ("b", "extra")], epoch=1)
        assert {"extra"} == set(albums.read(["b", "extra"]))
        govern(adapter, "*", "authority", epoch=2)
        assert {} == dict(albums.commit([Delete("b")], op_id="op-1"))
        made = albums.commit([put(Album(id="b"), Intent.CREATE)], op_id="op-2")
        assert 2 == made["b"].version.epoch

    def test_what_was_applied_brings_its_operations(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower")
        albums = collection(adapter, Album)
        changes = [
            versioned(Album(id="a", name="one"), Version(1, 2), "op-1", "op-2"),
            tombstone("b", Version(1, 3), "op-1", "op-3"),
        ]
        albums.apply_if_newer(changes, epoch=1)
        assert {"a": {"op-1", "op-2"}, "b": {"op-1", "op-3"}} == _operations(adapter, "ab")
        govern(adapter, "*", "authority", epoch=2)
        again = albums.commit([put(Album(id="a"), Intent.CREATE)], op_id="op-2")
        assert ("one", Version(1, 2)) == (again["a"].values["name"], again["a"].version)
        assert {} == dict(albums.commit([Delete("b")], op_id="op-3"))

    def test_operations_of_what_is_not_newer_are_kept(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower")
        albums = collection(adapter, Album)
        albums.apply_if_newer([_one(1, 3)], epoch=1)
        late = versioned(Album(id="a", name="late"), Version(1, 2), "op-1")
        assert [False] == list(albums.apply_if_newer([late], epoch=1))
        assert {"a": {"op-1"}} == _operations(adapter, "a")

    def test_an_operation_is_owed_until_it_has_crossed(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority")
        albums = collection(adapter, Album)
        made = albums.commit([put(Album(id=key)) for key in "ab"], op_id="op-1")
        assert {"a": {"op-1"}, "b": {"op-1"}} == _owed(adapter, "abc")
        mark = Mark("albums", "a", made["a"].version)
        assert 1 == adapter.ledger.clear([mark], [Crossed("albums", "a", ["op-1"], epoch=1)])
        assert {"b": {"op-1"}} == _owed(adapter, "ab")
        assert {"a": {"op-1"}, "b": {"op-1"}} == _operations(adapter, "ab")
        albums.commit([put(Album(id="a"))], op_id="op-2")
        assert {"a": {"op-2"}, "b": {"op-1"}} == _owed(adapter, "ab")

    def test_what_came_from_the_other_side_is_not_owed_to_it(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority")
        albums = collection(adapter, Album)
        albums.commit([put(Album(id="a"))], op_id="op-1")
        govern(adapter, "*", "follower", epoch=2)
        albums.apply_if_newer([_one(2, 3, "op-1", "op-2"), _one(2, 2, "op-3")], epoch=2)
        govern(adapter, "*", "authority", epoch=3)
        assert {"a": {"op-1"}} == _owed(adapter, "a")
        assert {"a": {"op-1", "op-2", "op-3"}} == _operations(adapter, "a")

    def test_in_another_migration_all_of_them_are_owed(self, adapter: Adapter) -> None:
        govern(adapter, "*", "follower")
        albums = collection(adapter, Album)
        albums.apply_if_newer([_one(1, 2, "op-1")], epoch=1)
        govern(adapter, "*", "authority", epoch=2)
        albums.commit([put(Album(id="a"))], op_id="op-2")
        adapter.ledger.clear([], [Crossed("albums", "a", ["op-2"], epoch=2)])
        assert {} == _owed(adapter, "a")
        govern(adapter, "*", "authority", epoch=4, migration="m2")
        assert {"a": {"op-1", "op-2"}} == _owed(adapter, "a")

    @pytest.mark.parametrize(("epoch", "is_owed"), [(2, False), (3, False), (1, True), (4, True)])
    def test_what_crosses_in_the_epoch_of_another_migration_does_not_count(
        self, adapter: Adapter, epoch: int, is_owed: bool
    ) -> None:
        govern(adapter, "*", "authority", epoch=3)
        collection(adapter, Album).commit([put(Album(id="a"))], op_id="op-1")
        adapter.ledger.clear([], [Crossed("albums", "a", ["op-1"], epoch=epoch)])
        assert is_owed is bool(_owed(adapter, "a"))


def _operations(adapter: Adapter, keys: str) -> Mapping[Key, set[str]]:
    found = adapter.ledger.operations("albums", list(keys))
    return {key: set(ids) for key, ids in found.items() if ids}


def _owed(adapter: Adapter, keys: str) -> Mapping[Key, set[str]]:
    found = adapter.ledger.owed("albums", list(keys))
    return {key: set(ids) for key, ids in found.items() if ids}


def _one(epoch: int, seq: int, *op_ids: str) -> Versioned:
    return versioned(Album(id="a", name="sent"), Version(epoch, seq), *op_ids)
