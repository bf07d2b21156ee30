"""The whole contract for backends: ``Adapter``, ``Collection``, ``Ledger``, ``Capability``.

Verbs are few and plural: one record is a batch of one, and a missing key is absent from an answer.
A record inside is a mapping of plain values (``fluxstore.codec``); what a backend cannot hold in
typed columns travels as ``Residue``. Optional abilities are a ``Capability`` and a small protocol;
asking for one that is not declared raises ``UnsupportedError``.
"""

from fluxstore.adapter.contract import (
    Adapter,
    Collection,
    HasBackup,
    HasSchema,
    HasSnapshot,
    Ledger,
    Reads,
)
from fluxstore.adapter.facts import (
    Backlog,
    Batch,
    Capability,
    Control,
    Crossed,
    Cursor,
    Finding,
    Mark,
    Merged,
    Opening,
    Page,
    Part,
    Role,
    Size,
    Touch,
    Use,
)
from fluxstore.adapter.unfenced import Unfenced, UnfencedLedger

__all__ = [
    "Adapter",
    "Backlog",
    "Batch",
    "Capability",
    "Collection",
    "Control",
    "Crossed",
    "Cursor",
    "Finding",
    "HasBackup",
    "HasSchema",
    "HasSnapshot",
    "Ledger",
    "Mark",
    "Merged",
    "Opening",
    "Page",
    "Part",
    "Reads",
    "Role",
    "Size",
    "Touch",
    "Unfenced",
    "UnfencedLedger",
    "Use",
]
