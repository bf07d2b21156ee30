"""Trying again where that is safe: what had no effect, and what is known by its op_id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg

from fluxstore.errors import BackendUnavailableError, ConstraintError, OutcomeUnknown
from fluxstore_postgres.connections import Connections
from fluxstore_postgres.failures import RETRIED, SilentServer, Undone, state_of

ATTEMPTS = 5
T = TypeVar("T")


def retried(connections: Connections, work: Callable[[], T], op_id: str | None = None) -> T:
    """Return what *work* returns, tried again where that is safe.

    After a deadlock nothing has happened. After a lost connection an operation with an id is
    repeated once the server has decided about the first attempt: if it had happened, it is known.
    A transaction that is open decides itself.
    """
    unknown: OutcomeUnknown | None = None
    for left in range(0 if connections.is_in_unit else ATTEMPTS - 1, -1, -1):
        try:
            return work()
        except OutcomeUnknown as error:
            unknown = error
            if not left or not op_id or not _is_decided(connections, error):
                raise
        except ConstraintError as error:
            if not left or not op_id or not _is_same_operation(error):
                raise
        except BackendUnavailableError as error:
            if left and _had_no_effect(error):
                continue
            if unknown is not None:  # of this attempt nothing came; of the first, who knows
                raise unknown from error
            raise
    raise AssertionError("the last attempt returns or raises")


def _is_decided(connections: Connections, error: OutcomeUnknown) -> bool:
    is_silent = isinstance(error.__cause__, SilentServer)
    return not is_silent and connections.is_lost_write_decided()


def _is_same_operation(error: ConstraintError) -> bool:
    """Tell whether the same operation is being done at the same moment."""
    cause = error.__cause__
    return isinstance(cause, psycopg.Error) and cause.diag.constraint_name == "ops_pkey"


def _had_no_effect(error: BackendUnavailableError) -> bool:
    return state_of(error) in RETRIED or isinstance(error.__cause__, Undone)
