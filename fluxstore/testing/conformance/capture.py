"""Writes of clients that know nothing of fluxstore: captured, or refused where writes are.

``Backend.foreign`` says how such a client runs a statement. Tables and columns are named as the
kit's entities and fields are.
"""

from __future__ import annotations

from typing import Any

import pytest

from fluxstore.adapter import Adapter, Capability, Role
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    everything_in,
    govern,
    need,
    save,
)
from fluxstore.testing.entities import Album, Area, Desk, Room, Site

NEW = "INSERT INTO albums (id, name) VALUES ('new', 'foreign')"
CHANGED = "UPDATE albums SET name = 'foreign' WHERE id = 'a'"
GONE = "DELETE FROM albums WHERE id = 'a'"
RENAMED = "UPDATE albums SET id = 'b' WHERE id = 'a'"
GONE_WITH_OTHERS = "DELETE FROM areas WHERE id = 'a'"


class TestCapture:
    """What other clients write is captured while this side is the authority, else refused."""

    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter, backend: Backend) -> None:
        need(adapter, Capability.CAPTURE)
        assert backend.foreign is not None, "a test of CAPTURE needs Backend(foreign=...)"
        save(adapter, Album(id="a", name="ours"))

    @pytest.mark.parametrize(
        ("statement", "versions"),
        [
            (NEW, {"new": (1, False)}),
            (CHANGED, {"a": (2, False)}),
            (GONE, {"a": (2, True)}),
            (RENAMED, {"a": (2, True), "b": (1, False)}),
        ],
        ids=["insert", "update", "delete", "another key"],
    )
    def test_a_write_gets_a_version_and_a_mark(
        self, adapter: Adapter, backend: Backend, statement: str, versions: Any
    ) -> None:
        govern(adapter, "*", "authority", epoch=3)
        _run(backend, statement)
        found = adapter.ledger.versions("albums", ["a", "b", "new"])
        assert versions == {key: (one.seq, one.deleted) for key, one in found.items()}
        assert {3} == {one.epoch for one in found.values()}
        assert found == {mark.key: mark.version for mark in adapter.ledger.marks("albums", 9)}
        touched = adapter.ledger.touched("albums", 0, 9)
        assert set(found) == {one.key for one in touched}
        assert len(found) == len({one.number for one in touched})

    def test_what_a_cascade_did_is_captured(self, adapter: Adapter, backend: Backend) -> None:
        save(adapter, Area(id="a"), Site(id="s", area_id="a"), Room(id="r", site_id="s"))
        save(adapter, Desk(id="d", room_id="r"))
        govern(adapter, "*", "authority")
        _run(backend, GONE_WITH_OTHERS)
        ledger = adapter.ledger
        marks = [m for name in ("areas", "sites", "rooms", "desks") for m in ledger.marks(name, 9)]
        assert [("a", True), ("s", True), ("r", True), ("d", False)] == [
            (mark.key, mark.version.deleted) for mark in marks
        ]

    @pytest.mark.parametrize("role", ["follower", "sealed", "committing", "archived"])
    def test_where_writes_are_refused_others_are_too(
        self, adapter: Adapter, backend: Backend, role: Role
    ) -> None:
        govern(adapter, "*", role)
        for statement in (NEW, CHANGED, GONE):
            with pytest.raises(Exception):  # noqa: B017, PT011 - a driver's own, whichever it is
                _run(backend, statement)
        assert {"a": "ours"} == {
            key: one.values["name"] for key, one in everything_in(adapter, Album).items()
        }
        assert {} == dict(adapter.ledger.versions("albums", ["a", "new"]))

    def test_without_control_nothing_is_in_its_way(
        self, adapter: Adapter, backend: Backend
    ) -> None:
        own = govern(adapter, "*", "authority")
        assert adapter.ledger.set_control("*", own, None)
        for statement in (NEW, CHANGED):
            _run(backend, statement)
        assert [] == list(adapter.ledger.marks("albums", 9))
        names = [one.values["name"] for one in everything_in(adapter, Album).values()]
        assert ["foreign"] * 2 == names
        _run(backend, GONE)
        assert {"new"} == set(everything_in(adapter, Album))


def _run(backend: Backend, statement: str) -> None:
    assert backend.foreign is not None
    backend.foreign(backend, statement)
