"""The one table from SQLite's errors to fluxstore's."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from fluxstore.errors import (
    AccessError,
    BackendError,
    BackendUnavailableError,
    ConfigError,
    ConstraintError,
    FluxstoreError,
    LeaseError,
    UnreadableRecordError,
)
from fluxstore_sqlite.opening import may

_COLUMNS = re.compile(r"(?:UNIQUE|NOT NULL) constraint failed: (.+)")
_CHECK = re.compile(r"CHECK constraint failed: (.+)")
_TYPE = re.compile(r"cannot store \w+ value in \w+ column [^.]+\.(.+)")


@attrs.frozen
class Where:
    """What a statement was about, for messages."""

    backend: str
    file: str
    entity: str = ""
    key: object = None
    fields: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    """Column name to field name."""


class BusyError(BackendUnavailableError):
    """Others have written for longer than the caller would wait."""

    holder = "another process"

    def as_lease(self, seconds: float) -> LeaseError:
        """Return what a change of control raises when its patience is over."""
        return LeaseError(
            f"writing was tried for {seconds:g} s, {self.problem}",
            holder=self.holder,
            next_step=self.next_step,
        )


Make = Callable[[sqlite3.Error, Where], FluxstoreError]


def translated(error: sqlite3.Error, where: Where) -> FluxstoreError:
    """Return the error of ours that says what *error* means; the caller raises it ``from`` that."""
    name = code_name(error)
    for known, make in CODES.items():
        if name.startswith(known):
            return make(error, where)
    return _statement(error, where)


def no_file(error: OSError, where: Where) -> FluxstoreError:
    """Return the error of ours for a file or folder that the system does not give."""
    words = error.strerror or str(error)
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return _no_rights(words, where)
    return BackendUnavailableError(
        f"{where.file}: {words}", backend=where.backend, next_step="is its folder there?"
    )


def code_name(error: sqlite3.Error) -> str:
    """Return SQLite's name of an error, ``SQLITE_BUSY_SNAPSHOT`` say; empty where it has none."""
    name = getattr(error, "sqlite_errorname", None) or ""
    # Python knows no name for what a STRICT table's types refuse (SQLITE_CONSTRAINT_DATATYPE).
    return "SQLITE_CONSTRAINT_DATATYPE" if _TYPE.match(str(error)) else name


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection held the lock for too long."""
    return code_name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def may_be_whole(error: sqlite3.Error) -> bool:
    """Tell whether a commit that failed so may be in the ``-wal`` file, its flush alone missing.

    A write that failed, or found no room, was that of a page at the latest with which it would
    have become whole.
    """
    return not is_busy(error) and code_name(error) not in ("SQLITE_FULL", "SQLITE_IOERR_WRITE")


def is_taken(error: sqlite3.Error) -> bool:
    """Tell whether another record has the unique values that were to be written."""
    return code_name(error) in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def columns_of(error: sqlite3.Error) -> tuple[str, ...]:
    """Return the columns that a refusal names."""
    text = str(error)
    if found := _COLUMNS.match(text):
        return tuple(part.partition(".")[2] for part in found[1].split(", "))
    found = _CHECK.match(text) or _TYPE.match(text)
    return (found[1],) if found else ()


def _broken(rule: str, words: str) -> Make:
    def make(error: sqlite3.Error, where: Where) -> FluxstoreError:
        fields = tuple(where.fields.get(name, name) for name in columns_of(error))
        what = ", ".join(fields)
        return ConstraintError(
            f"{what}: {words}" if what else words,
            backend=where.backend,
            entity=where.entity,
            key=where.key,
            rule=rule,
            fields=fields,
        )

    return make


def _wait(problem: str, next_step: str) -> Make:
    return lambda error, where: BackendUnavailableError(
        f"{where.file}: {problem} ({error})",
        backend=where.backend,
        entity=where.entity,
        next_step=next_step,
    )


def _not_to_be_trusted(problem: str) -> Make:
    return lambda error, where: UnreadableRecordError(
        f"{problem} ({error})",
        backend=where.backend,
        entity=where.entity,
        file=where.file,
        next_step="nothing was changed; restore a backup, or look at it with `sqlite3 .recover`",
    )


def _half_done(error: sqlite3.Error, where: Where) -> FluxstoreError:
    return UnreadableRecordError(
        f"a writer died in the middle of a commit, which must be undone first ({error})",
        backend=where.backend,
        file=where.file,
        next_step="open it once where writing is allowed: `sqlite3 FILE .tables`",
    )


def _no_rights(error: sqlite3.Error | str, where: Where) -> FluxstoreError:
    return AccessError(
        f"{where.backend}: {where.file} cannot be written ({error}); nothing was changed",
        next_step="give this user the right to write the file and its folder",
    )


def _cannot_open(error: sqlite3.Error, where: Where) -> FluxstoreError:
    if Path(where.file).exists() and not may(where.file, os.R_OK):
        return AccessError(
            f"{where.backend}: {where.file} cannot be read ({error})",
            next_step="give this user the right to read the file",
        )
    return BackendUnavailableError(
        f"{where.file} cannot be opened ({error})",
        backend=where.backend,
        next_step="is its folder there, and may this user write it?",
    )


def _statement(error: sqlite3.Error, where: Where) -> FluxstoreError:
    text = str(error)
    if text.startswith(("no such table", "no such column", "table ")):
        return ConfigError(
            f"{where.entity or where.file}: {text}",
            key=f"backends.{where.backend}",
            next_step="`fluxstore schema diff` shows what is missing",
        )
    if "malformed JSON" in text:
        return _not_to_be_trusted("a column holds what is no JSON")(error, where)
    if "Could not decode to UTF-8" in text:
        return _not_to_be_trusted("a column holds text that is not UTF-8")(error, where)
    return _other(error, where)


def _other(error: sqlite3.Error, where: Where) -> FluxstoreError:
    return BackendError(
        f"{where.file}: {error} ({code_name(error) or type(error).__name__})",
        backend=where.backend,
        entity=where.entity,
        key=where.key,
    )


# https://www.sqlite.org/rescode.html; a name stands for all extended codes that begin with it.
CODES: Mapping[str, Make] = {
    "SQLITE_CONSTRAINT_UNIQUE": _broken(
        "unique", "unique values expected, another record has them"
    ),
    "SQLITE_CONSTRAINT_PRIMARYKEY": _broken("unique", "a key of its own expected"),
    "SQLITE_CONSTRAINT_ROWID": _broken("unique", "a key of its own expected"),
    "SQLITE_CONSTRAINT_FOREIGNKEY": _broken("reference", "a record that is there expected"),
    "SQLITE_CONSTRAINT_NOTNULL": _broken("check", "a value expected, null found"),
    "SQLITE_CONSTRAINT_DATATYPE": _broken("check", "a value that fits the column expected"),
    "SQLITE_CONSTRAINT": _broken("check", "a value that the table's check allows expected"),
    "SQLITE_MISMATCH": _broken("check", "a value that fits the column expected"),
    "SQLITE_TOOBIG": _broken("check", "a value that SQLite can hold expected"),
    "SQLITE_BUSY": _wait("is locked by another process", "nothing was changed; try again"),
    "SQLITE_LOCKED": _wait("is locked by another connection", "nothing was changed; try again"),
    "SQLITE_FULL": _wait("the disk is full", "nothing was changed; make room and try again"),
    "SQLITE_IOERR": _wait("the disk failed", "look at the system's log; nothing was changed"),
    "SQLITE_NOMEM": _wait("memory ran out", "nothing was changed; try again"),
    "SQLITE_INTERRUPT": _wait("was interrupted", "nothing was changed; try again"),
    "SQLITE_READONLY_ROLLBACK": _half_done,
    "SQLITE_READONLY_RECOVERY": _half_done,
    "SQLITE_READONLY": _no_rights,
    "SQLITE_PERM": _no_rights,
    "SQLITE_AUTH": _no_rights,
    "SQLITE_CANTOPEN": _cannot_open,
    "SQLITE_CORRUPT": _not_to_be_trusted("is damaged"),
    "SQLITE_NOTADB": _not_to_be_trusted("is no SQLite database"),
    "SQLITE_FORMAT": _not_to_be_trusted("is no SQLite database"),
    "SQLITE_ERROR": _statement,
}
