"""A checker holds adapters to the whole contract: these are adapters, collections, ledgers."""

from __future__ import annotations

from fluxstore.adapter import Adapter, Collection, Ledger
from fluxstore.testing.reference import ReferenceAdapter
from fluxstore.testing.reference.collection import ReferenceCollection
from fluxstore.testing.reference.ledger import ReferenceLedger


def collection(one: ReferenceCollection) -> Collection:
    return one


def ledger(one: ReferenceLedger) -> Ledger:
    return one


def adapter(one: ReferenceAdapter) -> Adapter:
    return one


def classes() -> list[type[Adapter]]:
    return [ReferenceAdapter]
