"""An adapter that takes no part in live migrations passes the kit by two bases alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fluxstore.adapter import Capability, Control, Opening, Unfenced, UnfencedLedger
from fluxstore.entity import entity_of
from fluxstore.errors import UnsupportedError
from fluxstore.records import Version, Versioned
from fluxstore.testing.conformance import (
    Backend,
    TestBooks,
    TestControl,
    TestFollowing,
    TestLedgerLasts,
    TestMerge,
    TestTransactions,
    TestVerbs,
    TestWithoutFencing,
    adapter,
)
from fluxstore.testing.entities import Album
from fluxstore.testing.reference import ReferenceAdapter, Settings
from fluxstore.testing.reference.collection import ReferenceCollection
from fluxstore.testing.reference.ledger import ReferenceLedger

__all__ = [
    "TestBooks",
    "TestControl",
    "TestFollowing",
    "TestLedgerLasts",
    "TestMerge",
    "TestTransactions",
    "TestVerbs",
    "TestWithoutFencing",
    "adapter",
]


class PlainCollection(Unfenced, ReferenceCollection):
    """A collection without a fence."""


class PlainLedger(UnfencedLedger, ReferenceLedger):
    """A ledger that keeps nothing of live migrations."""


class PlainAdapter(ReferenceAdapter):
    """A backend in memory that can be migrated offline only."""

    capabilities = ReferenceAdapter.capabilities - {Capability.FENCING, Capability.ATOMIC_LEDGER}

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self.capabilities = PlainAdapter.capabilities - {Capability.DURABLE}
        self.ledger = PlainLedger(self.memory)
        self._collections = {
            one.name: PlainCollection(one, self.entities, self.memory)
            for one in self.entities.values()
        }


@pytest.fixture
def backend(tmp_path):
    return Backend(PlainAdapter, Settings(), tmp_path)


ASKED: dict[str, Callable[[Any], Any]] = {
    "governed reads": lambda one: one.collection(entity_of(Album)).governed,
    "apply_if_newer": lambda one: one.collection(entity_of(Album)).apply_if_newer(
        [Versioned("a", Version(1, 1), None)]
    ),
    "set_control": lambda one: one.ledger.set_control("*", None, Control(1, "sealed", "x", "m")),
    "set_fact": lambda one: one.ledger.set_fact("name", 1),
}


@pytest.mark.parametrize("what", ASKED)
def test_what_it_does_not_offer_is_refused_with_the_way_out(adapter, what):
    with pytest.raises(UnsupportedError, match="migrate offline") as caught:
        ASKED[what](adapter)
    assert "fencing" == caught.value.capability


def test_what_it_does_not_keep_is_empty(adapter):
    ledger = adapter.ledger
    assert ({}, None, {}, {}) == (
        ledger.controls(), ledger.control("albums"),
        ledger.versions("albums", ["a"]), ledger.operations("albums", ["a"]),
    )  # fmt: skip
    assert ((), 0, 0, None) == (
        ledger.marks("albums", 9), ledger.backlog("albums").marks, ledger.clear([]),
        ledger.fact("name"),
    )  # fmt: skip
