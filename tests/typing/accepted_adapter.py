"""A checker holds adapters to the whole contract: these are adapters, collections, ledgers."""

from __future__ import annotations

from typing import Any

from fluxstore.adapter import Adapter, Collection, Control, Ledger, Reads, Unfenced, UnfencedLedger
from fluxstore.testing.reference import ReferenceAdapter
from fluxstore.testing.reference.collection import ReferenceCollection
from fluxstore.testing.reference.ledger import ReferenceLedger


def collection(one: ReferenceCollection) -> Collection:
    return one


def ledger(one: ReferenceLedger) -> Ledger:
    return one


def adapter(one: ReferenceAdapter) -> Adapter:
    return one


class Plain(Unfenced, ReferenceCollection):
    """Without a fence: what live migrations ask for is answered by the first base."""


class PlainLedger(UnfencedLedger, ReferenceLedger):
    """Without a fence, too."""


def plain(one: Plain, other: PlainLedger) -> tuple[Collection, Ledger]:
    return one, other


def live(one: Collection, ledger: Ledger) -> Reads:
    controls: dict[str, Control] = dict(ledger.controls())
    held: bool = ledger.set_control("*", controls.get("*"), None, purge=True, patience_seconds=1.0)
    waiting: tuple[int, float] = (ledger.backlog("*").marks, ledger.backlog("*").seconds)
    fact: Any = ledger.fact(f"{held} {waiting}")
    ledger.set_fact("fact", fact)
    return one.governed


def classes() -> list[type[Adapter]]:
    return [ReferenceAdapter]
