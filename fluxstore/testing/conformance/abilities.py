"""Abilities: what is declared is there, and does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from fluxstore.adapter import (
    Adapter,
    Batch,
    Capability,
    HasBackup,
    HasSchema,
    HasSnapshot,
    Part,
    Use,
)
from fluxstore.entity import entity_of
from fluxstore.errors import PlanError
from fluxstore.query import Query
from fluxstore.records import Delete, Residue
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    change,
    collection,
    count,
    elsewhere,
    everything_in,
    keys,
    need,
    put,
    record,
    row,
    save,
    values_of,
)
from fluxstore.testing.entities import ENTITIES, Album, Area, Person, Site

PATIENCE_SECONDS = 30
PROTOCOLS = {
    Capability.SCHEMA: HasSchema,
    Capability.BACKUP: HasBackup,
    Capability.SNAPSHOT: HasSnapshot,
}


class TestDeclarations:
    """Capabilities and protocols agree."""

    @pytest.mark.parametrize("capability", PROTOCOLS, ids=lambda one: one.value)
    def test_what_is_declared_is_there(self, adapter: Adapter, capability: Capability) -> None:
        need(adapter, capability)
        assert isinstance(adapter, PROTOCOLS[capability])

    def test_a_fencing_adapter_has_an_atomic_ledger(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)
        assert Capability.ATOMIC_LEDGER in adapter.capabilities

    def test_the_class_declares_at_least_what_an_instance_has(self, adapter: Adapter) -> None:
        declared: frozenset[Capability] = getattr(type(adapter), "capabilities", frozenset())
        assert adapter.capabilities <= declared

    def test_an_examination_finds_nothing_that_blocks(self, adapter: Adapter) -> None:
        assert [] == [one for one in adapter.examine() if one.blocks and not one.offline]


class TestSnapshot:
    """A thread's reads in a snapshot are of one moment, whatever others write."""

    def test_reads_are_of_one_moment(self, adapter: Adapter) -> None:
        need(adapter, Capability.SNAPSHOT)
        save(adapter, Album(id="a", name="before"), Album(id="b"))
        albums = collection(adapter, Album)
        with cast(HasSnapshot, adapter).snapshot():
            before = everything_in(adapter, Album)
            elsewhere(lambda: save(adapter, Album(id="a", name="after"), Album(id="c")))
            elsewhere(lambda: albums.commit([Delete("b")]))
            assert before == everything_in(adapter, Album) == dict(albums.read(["a", "b", "c"]))
            assert ["a", "b"] == keys(adapter, Album, Query())
            assert 2 == count(adapter, Album)
        assert ["a", "c"] == keys(adapter, Album, Query())
        assert row(Album(id="a", name="after")) == values_of(adapter, Album, "a")

    def test_the_ledger_is_of_that_moment_too(self, adapter: Adapter) -> None:
        need(adapter, Capability.SNAPSHOT)
        part = Part("albums", "wrapper", 0, {"n": 1})
        with cast(HasSnapshot, adapter).snapshot():
            assert [] == list(adapter.ledger.parts("albums"))
            elsewhere(lambda: adapter.ledger.save_parts("albums", [part]))
            assert [] == list(adapter.ledger.parts("albums"))
        assert [part] == list(adapter.ledger.parts("albums"))


class TestPlaces:
    """Where records have places, a scan goes by them."""

    def test_a_scan_goes_by_the_order_that_was_saved(self, backend: Backend) -> None:
        with backend.opened(use=Use.TARGET) as adapter:
            need(adapter, Capability.PLACES)
            entities = [entity_of(Area)]
            adapter.prepare(entities)
            collection(adapter, Area).merge(Batch([record(Area(id=name)) for name in "abcd"]))
            adapter.ledger.save_parts("areas", [Part("areas", "order", 0, list("cadb"))])
            adapter.complete(entities)
        with backend.opened() as adapter:
            assert list("cadb") == list(everything_in(adapter, Area))

    def test_a_changed_record_keeps_its_place_and_a_new_one_comes_last(
        self, adapter: Adapter
    ) -> None:
        need(adapter, Capability.PLACES)
        save(adapter, *(Area(id=name) for name in "cab"))
        collection(adapter, Area).commit([change(Area, "c", parent_id="a"), put(Area(id="0"))])
        assert ["c", "a", "b", "0"] == list(everything_in(adapter, Area))


class TestBackup:
    """A backup brings everything back as it was."""

    def test_everything_is_as_it_was(self, backend: Backend, tmp_path: Path) -> None:
        residue = Residue(extras={"n": [1, None]})
        with backend.opened() as adapter:
            need(adapter, Capability.BACKUP)
            save(adapter, Area(id="a"), Site(id="s", area_id="a"), Person(id="p", email="a@x"))
            collection(adapter, Album).commit([put(Album(id="x", name="old"), residue=residue)])
            before = {name: everything_in(adapter, ENTITIES[name].cls) for name in ENTITIES}
            made = cast(HasBackup, adapter).backup(_folder(tmp_path))
            assert made.exists()
            collection(adapter, Area).commit([Delete("a")])
            save(adapter, Album(id="x", name="new"), Album(id="y"))
        with backend.opened() as adapter:
            cast(HasBackup, adapter).restore(made)
        with backend.opened() as adapter:
            after = {name: everything_in(adapter, ENTITIES[name].cls) for name in ENTITIES}
        assert before == after

    def test_two_backups_are_two(self, backend: Backend, tmp_path: Path) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.BACKUP)
            save(adapter, Album(id="x"))
            folder = _folder(tmp_path)
            made = [cast(HasBackup, adapter).backup(folder) for _ in range(2)]
        assert made[0] != made[1]
        assert all(one.exists() and folder in one.parents for one in made)


def _folder(parent: Path) -> Path:
    folder = parent / "backups"
    folder.mkdir()
    return folder


class TestSchema:
    """Tables can be shown and compared; numbered steps run once."""

    def test_what_the_entities_need_is_shown_and_once_made_does_not_differ(
        self, adapter: Adapter
    ) -> None:
        need(adapter, Capability.SCHEMA)
        schema = cast(HasSchema, adapter)
        assert all(name in schema.ddl() for name in ENTITIES)
        adapter.prepare(list(ENTITIES.values()))
        adapter.complete(list(ENTITIES.values()))
        assert [] == list(schema.differences())

    def test_steps_run_once_and_an_edited_one_is_refused(
        self, adapter: Adapter, tmp_path: Path
    ) -> None:
        need(adapter, Capability.SCHEMA)
        schema, steps = cast(HasSchema, adapter), tmp_path / "steps"
        steps.mkdir()
        first, second = steps / "0001_first.sql", steps / "0002_second.sql"
        first.write_text("-- a table\nCREATE TABLE step_one (id integer);\n", "utf-8")
        second.write_text("-- another\nCREATE TABLE step_two (id integer);\n", "utf-8")
        assert [first.name, second.name] == list(schema.apply_steps(steps, dry_run=True))
        assert [first.name, second.name] == list(schema.apply_steps(steps))
        assert [] == list(schema.apply_steps(steps))
        first.write_text("-- a table\nCREATE TABLE step_one (id text);\n", "utf-8")
        with pytest.raises(PlanError, match="0001_first"):
            schema.apply_steps(steps)
