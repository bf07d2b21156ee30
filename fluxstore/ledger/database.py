"""The ledger's SQLite file: made whole or not at all, opened with care, its errors translated."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from fluxstore.errors import (
    AccessError,
    BackendError,
    BackendUnavailableError,
    FluxstoreError,
    UnreadableRecordError,
)
from fluxstore.ledger.statements import statements

FORMAT = 1
_CHECKED_BYTES = 16 * 1024 * 1024
_BUSY_SECONDS = 5.0
_WITNESS = re.compile(r"fluxstore ledger ([0-9a-f]{32}) generation (\d{1,19}) *\n", re.ASCII)
SQL = statements("fluxstore.ledger", "sidecar.sql")
SCHEMA = resources.files("fluxstore.ledger").joinpath("schema.sql").read_text("utf-8")


def untrusted(path: Path, problem: str) -> UnreadableRecordError:
    """Return the error for a ledger that must not be believed."""
    return UnreadableRecordError(
        f"the ledger {problem}, so changes that are not yet in the files may be lost with it",
        file=str(path),
        next_step="put the ledger back from a backup, or move its folder away to go on with the"
        " files as they are",
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors, and the system's, as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise translation(path, error) from error
    except OSError as error:
        raise system_error(path, error) from error


def translation(path: Path, error: sqlite3.Error) -> FluxstoreError:
    """Return the error of ours that says what SQLite's *error* means."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return untrusted(path, f"is damaged ({error})")
    return _told(path, *_ERRORS.get(code, (BackendError, f"SQLite says: {error}", "")))


def system_error(path: Path, error: OSError) -> FluxstoreError:
    """Return the error of ours that says what the system's *error* means."""
    code = _CODES.get(error.errno or 0)
    if code is None:
        return _told(path, BackendUnavailableError, error.strerror or str(error), "try again")
    return _told(path, *_ERRORS[code])


def _told(path: Path, kind: type[FluxstoreError], problem: str, next_step: str) -> FluxstoreError:
    return kind(f"{path}: {problem}", next_step=next_step)


_CODES = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EFBIG: sqlite3.SQLITE_FULL,
    errno.EIO: sqlite3.SQLITE_IOERR,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.EACCES: sqlite3.SQLITE_READONLY,
    errno.EPERM: sqlite3.SQLITE_READONLY,
}
_ERRORS: dict[int, tuple[type[FluxstoreError], str, str]] = {
    sqlite3.SQLITE_FULL: (
        BackendUnavailableError,
        "no space left on the device; nothing was changed",
        "free some space, then try again",
    ),
    sqlite3.SQLITE_IOERR: (
        BackendUnavailableError,
        "the disk failed (input/output error); nothing was changed",
        "look at the disk and at the system's log, then try again",
    ),
    sqlite3.SQLITE_READONLY: (
        AccessError,
        "may not be written; nothing was changed",
        "give this user the right to write there",
    ),
    sqlite3.SQLITE_PERM: (AccessError, "may not be opened", "give this user the right to it"),
    sqlite3.SQLITE_CANTOPEN: (
        BackendUnavailableError,
        "cannot be opened; nothing was changed",
        "look at its rights and at the disk",
    ),
    sqlite3.SQLITE_BUSY: (
        BackendUnavailableError,
        "is locked by another program; nothing was changed",
        "close what has it open, then try again",
    ),
    sqlite3.SQLITE_NOMEM: (BackendUnavailableError, "no memory left", "try again"),
}


def make(path: Path) -> None:
    """Make the ledger at *path*, whole or not at all; the caller holds the ledger's lock."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    name = uuid.uuid4().hex
    with translated(path):
        connection = sqlite3.connect(fresh, isolation_level=None)
        try:
            connection.executescript(SQL["set_up_new"])
            connection.execute(SQL["begin_write"])
            for statement in _statements(SCHEMA):
                connection.execute(statement)
            connection.executemany(
                SQL["set_meta"],
                [("id", name), ("format", FORMAT), ("generation", 0), ("purges", 0)],
            )
            connection.execute(SQL["commit"])
            connection.execute(SQL["begin_log"])
        finally:
            connection.close()
        flush(fresh)
        fresh.rename(path)
        flush(path.parent)
        write_witness(path, name, 0)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, which ``executescript`` would run each by itself."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def flush(path: Path) -> None:
    """Make a file's content, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def witness_of(path: Path) -> Path:
    """Return the small file that notices a ledger deleted or put back from an older copy."""
    return path.with_suffix(".id")


def write_witness(path: Path, name: str, generation: int) -> None:
    """Say beside the ledger which one it is and how far it has come, in one write."""
    text = f"fluxstore ledger {name} generation {generation:<19}\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(witness_of(path), flags, 0o666)
    try:
        os.pwrite(descriptor, text.encode("ascii"), 0)
    finally:
        os.close(descriptor)


def read_witness(path: Path) -> tuple[str, int] | None:
    """Return the ledger's id and generation as the witness knows them; ``None`` without one."""
    try:
        text = witness_of(path).read_text("ascii", "replace")
    except FileNotFoundError:
        return None
    if not text:  # its maker died before the first byte
        return None
    found = _WITNESS.match(text)
    if found is None:
        raise untrusted(witness_of(path), "has a witness that cannot be read")
    return found[1], int(found[2])


def exists(path: Path) -> bool:
    """Tell whether there is a ledger; ``UnreadableRecordError`` where there was one."""
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError:
        if read_witness(path) is not None:
            raise untrusted(path, "is gone though its witness is there") from None
        return False
    except PermissionError as error:
        raise system_error(path, error) from error
    if size_bytes == 0:
        raise untrusted(path, "is empty")
    return True


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Return a connection to a ledger that has been looked at."""
    with translated(path):
        connection = _opened(path, read_only=read_only)
        try:
            connection.executescript(SQL["set_up"])
            _verify(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _opened(path: Path, *, read_only: bool) -> sqlite3.Connection:
    quoted = path.absolute().as_uri()
    mode = "?mode=ro" if read_only else "?mode=rw"
    if read_only and not has_log(path):
        mode += "&immutable=1"  # nobody is writing, and even a reader would make files otherwise
    return sqlite3.connect(
        quoted + mode,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_SECONDS,
    )


def has_log(path: Path) -> bool:
    """Tell whether a log is beside the ledger: somebody writes to it, or died doing so."""
    return path.with_name(f"{path.name}-wal").exists()


def _verify(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size <= _CHECKED_BYTES:
        (verdict,) = connection.execute(SQL["check"]).fetchone()
        if verdict != "ok":
            raise untrusted(path, f"is damaged ({verdict})")
    witness = read_witness(path)  # before the ledger: it may only be behind
    try:
        meta = dict(connection.execute(SQL["all_meta"]).fetchall())
    except sqlite3.OperationalError as error:
        raise untrusted(path, f"is not one of ours ({error})") from error
    if meta.get("format") != FORMAT:
        raise untrusted(path, f"has format {meta.get('format')}, this program knows {FORMAT}")
    _compare(path, witness, meta["id"], meta["generation"])


def _compare(path: Path, witness: tuple[str, int] | None, name: str, generation: int) -> None:
    if witness is None:  # its maker died before writing it, or somebody tidied up
        return
    if witness[0] != name:
        raise untrusted(path, "is another one than its witness says")
    if witness[1] > generation:
        raise untrusted(path, "is an older copy than its witness says")


def scratch(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    """Return a private copy of a ledger (``None``: an empty one), inside a transaction.

    It is gone when it is closed.
    """
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    if connection is not None:
        connection.backup(copy)
    else:
        copy.executescript(SCHEMA)
    copy.execute(SQL["begin_read"])
    return copy
