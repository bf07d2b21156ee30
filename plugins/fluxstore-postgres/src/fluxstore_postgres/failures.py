"""The one table from PostgreSQL's errors to fluxstore's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from fluxstore.errors import (
    AccessError,
    BackendError,
    BackendUnavailableError,
    ConfigError,
    ConstraintError,
    FluxstoreError,
    OutcomeUnknown,
    SealedError,
    StalePhaseError,
    UnreadableRecordError,
)

RETRIED = frozenset({"40001", "40P01"})
"""Serialization failures and deadlocks: nothing happened, and the next attempt may go through."""

IN_THE_WAY = frozenset({"55P03", "40P01"})
"""A lock was not to be had in time, or only in a circle."""


@attrs.frozen
class Constraint:
    """One of a table's rules: ``unique``, ``reference`` or ``check``, and its fields."""

    rule: str
    fields: tuple[str, ...]


@attrs.frozen
class Where:
    """What a statement was about, for messages."""

    backend: str
    entity: str = ""
    key: object = None
    constraints: Mapping[str, Constraint] = attrs.field(factory=dict, repr=False)
    """By ``table.constraint``, and by ``.constraint`` for copies of tables."""
    columns: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Column name to field name."""

    def field_of(self, column: str | None) -> tuple[str, ...]:
        """Return the field that a column holds."""
        return (self.columns.get(column, column),) if column else ()


class SilentServer(psycopg.OperationalError):
    """The server did not answer in time and was given up: it may still do what it was told."""


class Undone(psycopg.OperationalError):
    """The connection died while committing, and the server says that nothing came of it."""


SIGN_IN = "check user, password and database of the dsn"
VERIFY = "who the server is cannot be verified: check host and sslrootcert of the dsn"
Make = Callable[[psycopg.Error, Where], FluxstoreError]


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection died: what was under way may have happened or not."""
    return isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate in LOST
    )


def state_of(error: FluxstoreError) -> str:
    """Return the server's own code of a translated error, or an empty string."""
    cause = error.__cause__
    return (cause.sqlstate or "") if isinstance(cause, psycopg.Error) else ""


def outcome(
    error: psycopg.Error, where: Where, *, is_open: bool, op_id: str = ""
) -> FluxstoreError:
    """Return what a failure means for a write: *open* where it may have happened after all."""
    if not is_open or not is_lost(error) or error.sqlstate in SAID_NO:
        return translated(error, where)
    return OutcomeUnknown(
        f"the connection to {where.backend} failed while a write was under way: {_line(error)}",
        entity=where.entity,
        op_id=op_id,
        next_step=(
            "repeat it with the same op_id: it has one effect"
            if op_id
            else "read the record, then decide"
        ),
    )


def translated(error: BaseException, where: Where) -> FluxstoreError:
    """Return the error of ours that says what *error* means; the caller raises it ``from`` that."""
    if isinstance(error, FluxstoreError):
        return error
    if isinstance(error, PoolTimeout | TooManyRequests):
        return _unavailable("every connection of the pool is in use", where, "raise pool.max")
    if isinstance(error, PoolClosed):
        return _unavailable("is closed", where, "")
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return _of_state(error.sqlstate)(error, where)
    if isinstance(error, psycopg.DataError):
        return _unreadable(error, where)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError):
        return _no_connection(error, where)
    return BackendError(f"{type(error).__name__}: {_line(error)}", **_facts(where))


def _facts(where: Where) -> dict[str, Any]:
    return {"backend": where.backend, "entity": where.entity, "key": where.key}


def _line(error: BaseException) -> str:
    """Return the first line of what the driver says; it never holds a password."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or _line(error)).strip()


def _unavailable(problem: str, where: Where, next_step: str) -> FluxstoreError:
    return BackendUnavailableError(problem, next_step=next_step, **_facts(where))


def _unreadable(error: psycopg.Error, where: Where) -> FluxstoreError:
    return UnreadableRecordError(
        f"a stored value is beyond what Python can hold: {_line(error)}",
        **_facts(where),
    )


def _broken(rule: str, words: str) -> Make:
    def make(error: psycopg.Error, where: Where) -> FluxstoreError:
        name = error.diag.constraint_name or ""
        known = where.constraints.get(f"{error.diag.table_name}.{name}")
        known = known or where.constraints.get(f".{name}")  # of a copy of the table
        fields = known.fields if known else where.field_of(error.diag.column_name)
        what = ", ".join(fields) or name
        return ConstraintError(
            f"{what}: {words}" if what else words,
            rule=known.rule if known else rule,
            fields=fields,
            **_facts(where),
        )

    return make


def _no_connection(error: BaseException, where: Where) -> FluxstoreError:
    """Return why no connection came about; libpq tells its reasons in words only."""
    said = _line(error).removeprefix("connection failed: ")
    for words, make in CONNECTING:
        if re.search(words, said):
            return make(said, where)
    return _unavailable(f"the connection failed: {said}", where, "try again")


def _refused(next_step: str) -> Callable[[str, Where], FluxstoreError]:
    return lambda said, where: AccessError(f"{where.backend}: {said}", next_step=next_step)


def _misconfigured(said: str, where: Where) -> FluxstoreError:
    return ConfigError(said, key=f"backends.{where.backend}.dsn")


def _wait(problem: str, next_step: str = "try again") -> Make:
    return lambda error, where: _unavailable(f"{problem}: {_said(error)}", where, next_step)


def _access(error: psycopg.Error, where: Where) -> FluxstoreError:
    return AccessError(
        f"{where.backend}: {_said(error)}",
        next_step="`fluxstore doctor` prints the SQL for an administrator",
    )


def _sign_in(error: psycopg.Error, where: Where) -> FluxstoreError:
    return AccessError(f"{where.backend}: {_said(error)}", next_step=SIGN_IN)


def _no_database(error: psycopg.Error, where: Where) -> FluxstoreError:
    return ConfigError(_said(error), key=f"backends.{where.backend}.dsn")


def _no_table(error: psycopg.Error, where: Where) -> FluxstoreError:
    return ConfigError(
        f"{where.entity or where.backend}: {_said(error)}",
        key=f"backends.{where.backend}",
        next_step="`fluxstore schema diff` shows what is missing",
    )


def _sealed(error: psycopg.Error, where: Where) -> FluxstoreError:
    return SealedError(f"writes wait for a cutover to end: {_said(error)}", entity=where.entity)


def _stale(error: psycopg.Error, where: Where) -> FluxstoreError:
    return StalePhaseError(
        _said(error),
        entity=where.entity,
        next_step="read the phase again and write to the authority",
    )


def _other(error: psycopg.Error, where: Where) -> FluxstoreError:
    return BackendError(f"{_said(error)} (SQLSTATE {error.sqlstate})", **_facts(where))


CONNECTING: tuple[tuple[str, Callable[[str, Where], FluxstoreError]], ...] = (
    ("authentication failed|no password supplied|role .* does not exist", _refused(SIGN_IN)),
    ("no pg_hba.conf entry|permission denied for database", _refused(SIGN_IN)),
    ("certificate|does not support SSL|SSL error|root.crt|sslrootcert", _refused(VERIFY)),
    ("database .* does not exist|could not translate host name", _misconfigured),
)
# Codes of the PostgreSQL manual, appendix A; a class (two characters) stands for all of its codes.
STATES: Mapping[str, Make] = {
    "23505": _broken("unique", "unique values expected, another record has them"),
    "23503": _broken("reference", "a record that is there expected"),
    "23001": _broken("reference", "other records refer to this one"),
    "23502": _broken("check", "a value expected, null found"),
    "23514": _broken("check", "a value that the table's check allows expected"),
    "23P01": _broken("unique", "values that exclude no other record's expected"),
    "22": _broken("check", "a value that fits the column expected"),
    "54000": _broken("check", "a value short enough for its index expected"),
    "40001": _wait("other transactions were in the way"),
    "40P01": _wait("other transactions were in the way"),
    "55P03": _wait("a lock was not to be had in time"),
    "57014": _wait("no answer within the statement timeout"),
    "57P": _wait("the server is stopping or starting"),
    "08": _wait("the connection failed"),
    "53": _wait("the server is out of a resource"),
    "58": _wait("the server met a failure of its system", "look at the server's log"),
    "25P03": _wait("a transaction was open for too long while nothing happened in it"),
    "25006": _wait("the database takes no writes", "is this a standby, or a read-only role?"),
    "28": _sign_in,
    "3D000": _no_database,
    "42501": _access,
    "42P01": _no_table,
    "42703": _no_table,
    "3F000": _no_table,
    # raised by our own functions (sql/capture.sql)
    "FX001": _sealed,
    "FX002": _stale,
}
SAID_NO = frozenset({"57P01", "57P03"})
"""The server said that it ends the connection, before it did what it was asked."""
LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "08000", "08003", "08006"})


def _of_state(state: str) -> Make:
    for known in (state, state[:3], state[:2]):
        if known in STATES:
            return STATES[known]
    return _other
