"""A file replaced by another in one step, so that whoever looks finds the old or the new one."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import xxhash

from fluxstore.ledger import flush, system_error
from fluxstore_json.folding import Copy, Piece
from fluxstore_json.opened import OpenFile, identity_of

_BUFFER_BYTES = 1024 * 1024
_SUFFIX = ".fluxstore"
_NOREPLACE, _EXCHANGE = 1, 2
_AT_FDCWD = -100
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}


@attrs.frozen
class Written:
    """A temporary file, durable, that is to take a file's place."""

    path: Path
    inode: int
    size: int
    identity: str
    digest: str


def write(target: Path, pieces: Iterable[Piece], base: OpenFile | None) -> Written:
    """Write *pieces* to a new file beside *target*; nothing of it is left after an error."""
    path = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise system_error(target, error) from error
    try:
        try:
            return _filled(path, descriptor, pieces, base)
        finally:
            os.close(descriptor)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        if isinstance(error, OSError):
            raise system_error(target, error) from error
        raise


def _filled(path: Path, descriptor: int, pieces: Iterable[Piece], base: OpenFile | None) -> Written:
    digest, offset = xxhash.xxh3_128(), 0
    for data in _buffered(_texts(pieces, base)):
        digest.update(data)
        _write_all(descriptor, data, offset)
        offset += len(data)
    if base is not None:
        _resemble(descriptor, base)
    os.fsync(descriptor)
    status = os.fstat(descriptor)
    identity = identity_of(status)
    return Written(path, status.st_ino, status.st_size, identity, digest.hexdigest())


def _texts(pieces: Iterable[Piece], base: OpenFile | None) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, Copy):
            yield from base.pieces(piece.start, piece.end) if base is not None else ()
        else:
            yield piece


def _buffered(texts: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= _BUFFER_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, memoryview(data)[done:], offset + done)


def _resemble(descriptor: int, base: OpenFile) -> None:
    """Give the new file the old one's mode and, where this user may, its owner."""
    status, own = os.fstat(base.descriptor), os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, status.st_mode & 0o7777)


def take_place(temporary: Path, target: Path, *, is_new: bool) -> bool:
    """Put *temporary* in the place of *target*; tell whether the old file is now *temporary*.

    ``FileExistsError`` where *is_new* and there is a file after all.
    """
    flag = _NOREPLACE if is_new else _EXCHANGE
    if _rename(temporary, target, flag):
        return not is_new
    if is_new:
        os.link(temporary, target)
        temporary.unlink()
    else:
        temporary.replace(target)
    return False


def _rename(source: Path, target: Path, flag: int) -> bool:
    """Rename with a flag; ``False`` where this system or file system does not know it."""
    call = _renameat2()
    if call is None:
        return False
    done = call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag)
    if done == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(target))


@cache
def _renameat2() -> Any:
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def leftovers(target: Path) -> list[Path]:
    """Return temporary files beside *target* that a process left when it died."""
    prefix = f".{target.name}."
    try:
        return [
            path
            for path in target.parent.iterdir()
            if path.name.startswith(prefix) and path.name.endswith(_SUFFIX)
        ]
    except FileNotFoundError:
        return []


def durable(folder: Path) -> None:
    """Make what was renamed in *folder* durable."""
    flush(folder)
