"""The faulty adapter fails where it is told to, before or after, and nowhere else."""

from __future__ import annotations

import pytest

from fluxstore.adapter import Control
from fluxstore.entity import entity_of
from fluxstore.errors import BackendUnavailableError
from fluxstore.query import Query
from fluxstore.records import Put
from fluxstore.testing.entities import Album, Area
from fluxstore.testing.faults import Fault, FaultyAdapter

GONE = BackendUnavailableError("gone")
ALBUMS, AREAS = entity_of(Album), entity_of(Area)


@pytest.fixture
def real(reference_backend):
    with reference_backend.opened() as adapter:
        yield adapter


def put(key):
    return [Put(key, {"id": key})]


def keys(adapter):
    return [one.key for one in adapter.collection(ALBUMS).find(Query()).records]


def test_without_faults_everything_passes(real):
    adapter = FaultyAdapter(real)

    adapter.collection(ALBUMS).commit(put("a"))
    with adapter.transaction():
        adapter.collection(ALBUMS).commit(put("b"))

    assert ["a", "b"] == keys(adapter) == keys(real)
    assert {"commit": 2, "transaction": 1, "find": 1} == adapter.calls
    assert real.capabilities == adapter.capabilities
    assert ALBUMS == adapter.collection(ALBUMS).entity
    assert adapter.collection(ALBUMS) is adapter.collection(ALBUMS)


def test_a_fault_strikes_before_the_call_it_names(real):
    albums = FaultyAdapter(real, Fault("commit", GONE, call=2)).collection(ALBUMS)

    albums.commit(put("a"))
    with pytest.raises(BackendUnavailableError):
        albums.commit(put("b"))
    albums.commit(put("c"))

    assert ["a", "c"] == keys(real)


def test_a_fault_after_the_call_is_a_lost_answer(real):
    albums = FaultyAdapter(real, Fault("commit", GONE, after=True)).collection(ALBUMS)

    with pytest.raises(BackendUnavailableError):
        albums.commit(put("a"))

    assert ["a"] == keys(real)


def test_a_fault_without_a_number_strikes_every_time(real):
    adapter = FaultyAdapter(real, Fault("read", GONE, call=None))

    for _ in range(3):
        with pytest.raises(BackendUnavailableError):
            adapter.collection(ALBUMS).read(["a"])
    adapter.faults.clear()

    assert {} == adapter.collection(ALBUMS).read(["a"])
    assert 4 == adapter.calls["read"]


def test_a_fault_of_one_entity_counts_its_calls_only(real):
    adapter = FaultyAdapter(real, Fault("commit", GONE, call=2, entity="albums"))

    adapter.collection(AREAS).commit(put("a"))
    adapter.collection(ALBUMS).commit(put("a"))
    adapter.collection(AREAS).commit(put("b"))
    with pytest.raises(BackendUnavailableError):
        adapter.collection(ALBUMS).commit(put("b"))


def test_verbs_of_the_ledger_and_the_adapter_can_fail_too(real):
    adapter = FaultyAdapter(real, Fault("ledger.set_control", GONE), Fault("close", GONE))

    with pytest.raises(BackendUnavailableError):
        adapter.ledger.set_control("*", None, Control(1, "authority", "off", "m"))
    with pytest.raises(BackendUnavailableError):
        adapter.close()
    assert None is real.ledger.control("albums")
    adapter.close()


def test_governed_reads_have_faults_of_their_own(real):
    adapter = FaultyAdapter(real, Fault("governed.read", GONE))
    albums = adapter.collection(ALBUMS)

    assert {} == albums.read(["a"])
    with pytest.raises(BackendUnavailableError):
        albums.governed.read(["a"])
    assert {} == albums.governed.read(["a"])
    assert {"read": 1, "governed.read": 2} == adapter.calls
