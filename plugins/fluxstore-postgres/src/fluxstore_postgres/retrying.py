"""Trying again where that is safe: after a deadlock, and after a lost connection by its op_id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg

from fluxstore.errors import (
    BackendUnavailableError,
    ConstraintError,
    FluxstoreError,
    OutcomeUnknown,
)
from fluxstore_postgres.connections import Connections
from fluxstore_postgres.failures import RETRIED, SilentServer

ATTEMPTS = 5
T = TypeVar("T")


def retried(connections: Connections, work: Callable[[], T], op_id: str | None = None) -> T:
    """Return what *work* returns, tried again where that is safe.

    After a deadlock nothing has happened; after a lost connection an operation with an id may be
    repeated: if it had happened, it is known. A transaction that is open decides itself.
    """
    attempts = 1 if connections.is_in_unit else ATTEMPTS
    for _ in range(attempts - 1):
        try:
            return work()
        except (BackendUnavailableError, OutcomeUnknown, ConstraintError) as error:
            if not _may_repeat(error, op_id):
                raise
    return work()


def _may_repeat(error: FluxstoreError, op_id: str | None) -> bool:
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return False
    if isinstance(error, OutcomeUnknown):
        return bool(op_id) and not isinstance(cause, SilentServer)
    if isinstance(error, ConstraintError):  # the same operation, at the same moment
        return bool(op_id) and cause.diag.constraint_name == "ops_pkey"
    return cause.sqlstate in RETRIED
