"""Residue: what a record has beside its declared values stays with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fluxstore.adapter import Adapter, Capability
from fluxstore.records import Intent, Put, Record, Residue
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.fidelity import residues
from fluxstore.testing.conformance.support import (
    change,
    collection,
    document,
    everything_in,
    need,
    put,
    row,
    same,
)
from fluxstore.testing.entities import Album, Everything

FULL = Residue(
    extras={"note": {"by": ["x", 1.5, None]}, "": False},
    spelling={"released": "2026-01-02T08:34:05+05:30"},
    alias={"name": "title"},
    absent=("tracks",),
)
ALBUM = Album(id="a", name="Blue", released=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


class TestResidue:
    """Missing, null and "" are three things; extras, spelling, alias and absence are kept."""

    def test_missing_null_and_empty_are_three_things(self, adapter: Adapter) -> None:
        tested = collection(adapter, Everything)
        written: dict[str, dict[str, Any]] = {
            "missing": {"id": "missing"},
            "null": {"id": "null", "text": None, "words": None, "table": None},
            "empty": {"id": "empty", "text": "", "words": [], "table": {}},
        }
        tested.commit([Put(key, values) for key, values in written.items()])
        found = {key: dict(one.values) for key, one in tested.read(list(written)).items()}
        assert written == found
        assert written == {k: dict(r.values) for k, r in everything_in(adapter, Everything).items()}

    def test_a_change_makes_a_missing_field_be_there(self, adapter: Adapter) -> None:
        tested = collection(adapter, Everything)
        tested.commit([Put("x", {"id": "x"})])
        tested.commit([Put("x", {"text": None}, Intent.CHANGE)])
        assert {"id": "x", "text": None} == tested.read(["x"])["x"].values
        tested.commit([Put("x", {"whole": 1}, Intent.CHANGE)])
        assert {"id": "x", "text": None, "whole": 1} == tested.read(["x"])["x"].values

    def test_a_replacement_can_leave_a_field_out(self, adapter: Adapter) -> None:
        tested = collection(adapter, Everything)
        tested.commit([Put("x", {"id": "x", "text": "a", "words": ["b"]})])
        tested.commit([Put("x", {"id": "x", "whole": 1})])
        assert {"id": "x", "whole": 1} == tested.read(["x"])["x"].values

    @pytest.mark.parametrize("key", residues())
    def test_residue_comes_back(self, adapter: Adapter, key: str) -> None:
        values, residue = residues()[key]
        tested = collection(adapter, Everything)
        made = tested.commit([Put(key, values, residue=residue)])[key]
        read = tested.read([key])[key]
        scanned = everything_in(adapter, Everything)[key]
        for found in (made, read, scanned):
            assert same(values, dict(found.values))
            assert _document(values, residue) == document(Everything, found)

    def test_all_sorts_of_residue_come_back_together(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(ALBUM, residue=FULL)])
        assert _album(FULL) == document(Album, albums.read(["a"])["a"])

    def test_a_write_without_residue_keeps_what_is_there(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(ALBUM, residue=FULL)])
        albums.commit([put(ALBUM)])
        assert _album(FULL) == document(Album, albums.read(["a"])["a"])
        albums.commit([Put("a", {"name": "Green"}, Intent.CHANGE)])
        found = document(Album, albums.read(["a"])["a"])
        assert "Green" == found["fields"]["name"]
        assert _album(FULL) | {"fields": found["fields"]} == found

    def test_a_write_with_residue_replaces_it(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(ALBUM, residue=FULL)])
        albums.commit([put(ALBUM, residue=Residue(extras={"only": 1}))])
        assert _album(Residue(extras={"only": 1})) == document(Album, albums.read(["a"])["a"])
        albums.commit([Put("a", {}, Intent.CHANGE, Residue())])
        assert _album(Residue()) == document(Album, albums.read(["a"])["a"])

    def test_the_spelling_of_a_value_is_void_once_the_value_changes(self, adapter: Adapter) -> None:
        albums = collection(adapter, Album)
        albums.commit([put(ALBUM, residue=FULL)])
        later = datetime(2027, 1, 1, tzinfo=UTC)
        albums.commit([change(Album, "a", released=later)])
        found = document(Album, albums.read(["a"])["a"])
        assert "2027-01-01T00:00:00.000Z" == found["fields"]["released"]
        assert "title" == found["alias"]["name"]

    def test_residue_survives_closing(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            collection(adapter, Album).commit([put(ALBUM, residue=FULL)])
        with backend.opened() as adapter:
            assert _album(FULL) == document(Album, collection(adapter, Album).read(["a"])["a"])


def _document(values: dict[str, object], residue: Residue) -> object:
    return document(Everything, Record(values["id"], values, residue))


def _album(residue: Residue) -> dict[str, object]:
    return document(Album, Record("a", row(ALBUM), residue))
