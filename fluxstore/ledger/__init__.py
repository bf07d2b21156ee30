"""A ledger for adapters whose store has no transactions: a SQLite database beside the user's files.

``SidecarLedger`` is the contract's ``Ledger`` and more: pending changes, checkpoints, a queue of
writers that is fair between processes, group commit between threads.
"""

from fluxstore.ledger.database import flush, scratch, system_error, translated
from fluxstore.ledger.lock import HeldError, KernelLock
from fluxstore.ledger.pending import Checkpoint, Intent, Pending
from fluxstore.ledger.sidecar import SidecarLedger
from fluxstore.ledger.statements import statements
from fluxstore.ledger.writer import Transaction

__all__ = [
    "Checkpoint",
    "HeldError",
    "Intent",
    "KernelLock",
    "Pending",
    "SidecarLedger",
    "Transaction",
    "flush",
    "scratch",
    "statements",
    "system_error",
    "translated",
]
