"""Pairs of backends: what is copied from one to another is the same there, and copied once."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisDeprecationWarning

from fluxstore.adapter import Adapter, Batch, Capability, Merged, Use
from fluxstore.codec import Codec
from fluxstore.entity import entity_of
from fluxstore.records import Delete, Put, Record, Residue
from fluxstore.testing import strategies
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.fidelity import CODEC, EXAMPLES, RANDOM_ELSEWHERE, residues
from fluxstore.testing.conformance.inside import inside
from fluxstore.testing.conformance.support import (
    collection,
    document,
    everything_in,
    put,
    record,
    said,
    same,
)
from fluxstore.testing.entities import (
    Album,
    Area,
    ByIdent,
    ByMoment,
    ByNumber,
    Everything,
    Person,
    Place,
    Room,
    Site,
    Track,
)
from fluxstore.testing.samples import KEYS, SAMPLES

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLASSES = (
    Everything, Area, Site, Room, Person, Place, Album, Track, ByNumber, ByIdent, ByMoment,
)  # fmt: skip
"""The classes that are copied, parents first."""


def assert_pair(source: Backend, target: Backend) -> None:
    """Copy every value that a record can have from *source* to *target*, and compare.

    Both begin empty. What is compared: values to the last bit, missing fields, documents with
    their spelling, extras, aliases, absent arrays, what files have beside their records. A second
    copy then writes nothing.
    """
    written = {cls: _records(cls) for cls in CLASSES}
    with source.opened() as adapter:
        for cls, records in written.items():
            collection(adapter, cls).commit(
                [Put(one.key, one.values, residue=one.residue) for one in records]
            )
    with source.opened(use=Use.SOURCE) as one, target.opened(use=Use.TARGET) as other:
        first = copy(one, other, CLASSES)
        assert sum(map(len, written.values())) == first.written
        for cls, records in written.items():
            _compare(cls, records, one, other)
            beside = said(other.ledger.parts(entity_of(cls).name))
            assert [part for part in _parts(one, cls) if part not in beside] == []
        again = copy(one, other, CLASSES)
        assert (0, first.written) == (again.written, again.unchanged)
    with target.opened() as adapter:
        _assert_put_keeps_inside(adapter)


def _assert_put_keeps_inside(adapter: Adapter) -> None:
    """Write back what an application sees of a record, and find what nobody declared."""
    tested = collection(adapter, Everything)
    before = tested.read(["inside"])["inside"]
    after = tested.commit([put(CODEC.instance(before.values))])["inside"]
    told = [inside(CODEC.encode(one.values)) for one in (before, after)]
    assert told[0] == told[1]
    assert any(told[0])


def assert_any_record_crosses(source: Backend, target: Backend) -> None:
    """Copy records that hypothesis makes up from *source* to *target*, and compare."""
    entity = entity_of(Everything)
    made = st.lists(
        st.tuples(strategies.instances(entity), strategies.extras()),
        max_size=8,
        unique_by=lambda one: one[0].id,
    )
    with source.opened() as one, target.opened() as other:

        @settings(EXAMPLES, max_examples=15)
        @given(made)
        def check(drawn: list[tuple[Everything, dict[str, Any]]]) -> None:
            records = [record(each, Residue(extras=extras)) for each, extras in drawn]
            for adapter in (one, other):
                gone = [Delete(key) for key in everything_in(adapter, Everything)]
                collection(adapter, Everything).commit(gone)
            puts = [Put(each.key, each.values, residue=each.residue) for each in records]
            collection(one, Everything).commit(puts)
            before = _parts(one, Everything)
            copy(one, other, (Everything,))
            beside = said(other.ledger.parts(entity_of(Everything).name))
            same = [part for part in _parts(one, Everything) if part in before]  # written meanwhile
            assert [part for part in same if part[0] != "order" and part not in beside] == []
            _compare(Everything, records, one, other)

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", RANDOM_ELSEWHERE, HypothesisDeprecationWarning)
            check()


def copy(source: Adapter, target: Adapter, classes: Sequence[type]) -> Merged:
    """Copy all records of *classes* and what is beside them, as an offline copy does."""
    entities = [entity_of(cls) for cls in classes]
    target.prepare(entities)
    total = Merged()
    for cls in classes:
        cursor, more = None, True
        while more:
            page = collection(source, cls).scan(cursor, 50)
            merged = collection(target, cls).merge(Batch(page.records))
            assert () == tuple(merged.refused) == tuple(page.rejected)
            total = attrs.evolve(
                total,
                written=total.written + merged.written,
                unchanged=total.unchanged + merged.unchanged,
            )
            cursor, more = page.cursor, page.cursor is not None
        name = entity_of(cls).name
        target.ledger.save_parts(name, source.ledger.parts(name))
    target.complete(entities)
    return total


def _compare(cls: type, written: list[Record], source: Adapter, target: Adapter) -> None:
    codec = Codec.of(entity_of(cls))
    sent, arrived = everything_in(source, cls), everything_in(target, cls)
    assert {one.key for one in written} == sent.keys() == arrived.keys()
    for one in written:
        for found in (sent[one.key], arrived[one.key]):
            assert same(dict(one.values), dict(found.values)), one.key
            assert document(cls, one) == document(cls, found), one.key
            assert codec.record_bytes(one) == codec.record_bytes(found), one.key
    if Capability.PLACES in source.capabilities & target.capabilities:
        assert list(sent) == list(arrived)


def _parts(adapter: Adapter, cls: type) -> list[Any]:
    """Return what a file of *cls* has beside its records."""
    return said(adapter.ledger.parts(entity_of(cls).name))


def _records(cls: type) -> list[Record]:
    if cls is Everything:
        return [*_samples(), *(Record(key, *one) for key, one in residues().items())]
    if cls is Album:
        return [*_albums()]
    return [record(one) for one in INSTANCES if type(one) is cls]


def _samples() -> Iterable[Record]:
    for name, values in SAMPLES.items():
        for n, value in enumerate(values):
            yield record(Everything(id=f"sample {name} {n}", **{name: value}))


def _albums() -> Iterable[Record]:
    for key in KEYS:
        yield record(Album(id=key, name=f"of {key}"), Residue(extras={"key": key}))
    yield Record("missing", {"id": "missing"})
    spelling = {"released": "2026-01-02T08:34:05+05:30"}
    yield record(Album(id="spelt", released=MOMENT), Residue(spelling=spelling))
    yield record(Album(id="alias", name="Blue"), Residue(alias={"name": "title"}))
    yield record(Album(id="alone", name="Blue"), Residue(absent=("tracks",)))


INSTANCES: tuple[object, ...] = (
    *(Area(id=key, parent_id=parent) for key, parent in (("a", None), ("b", "a"), ("c", "c"))),
    *(Site(id=f"s{n}", area_id="b") for n in range(3)),
    *(Room(id=f"r{n}", site_id="s1") for n in range(60)),
    Person(id="boss", first="A", last="B", email="a@x", age=0),
    *(Person(id=f"p{n}", boss_id="boss", email=f"p{n}@x") for n in range(3)),
    *(Place(room_id=f"r{n}", person_id="p1", since=date(2026, 1, 1)) for n in range(60)),
    *(Track(id=f"t{n}", album_id="spelt" if n % 2 else "a/b", name=f"{n}") for n in range(60)),
    *(ByNumber(id=n, name=str(n)) for n in (-1, 0, 5, 2**63 - 1)),
    *(ByIdent(id=UUID(int=n)) for n in (0, 5, 2**128 - 1)),
    *(ByMoment(day=date(2026, 1, n), moment=MOMENT, truth=n > 1) for n in (1, 2, 3)),
)
