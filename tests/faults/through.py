"""A file system that passes everything on to a folder: ``through.py FOLDER PLACE TYPE``.

The kernel knows it as ``fuse.TYPE``, so that a disk of this machine looks like one of another's.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuse import FUSE, FuseOSError, Operations

SEEN = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
ROOM = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize")


class Through(Operations):  # type: ignore[misc]
    """Each call is made on the folder."""

    def __init__(self, folder: str) -> None:
        """Pass on to *folder*."""
        self._folder = folder

    def __call__(self, name: str, path: str, *arguments: Any) -> Any:
        """Make the call *name*, an error of the folder's included."""
        if not hasattr(self, name):
            raise FuseOSError(errno.ENOSYS)
        try:
            return getattr(self, name)(self._folder + path, *arguments)
        except OSError as error:
            raise FuseOSError(error.errno) from error

    def getattr(self, path: str, _: int | None = None) -> dict[str, Any]:
        found = os.lstat(path)
        return {name: getattr(found, name) for name in SEEN}

    def statfs(self, path: str) -> dict[str, Any]:
        found = os.statvfs(path)
        return {name: getattr(found, name) for name in ROOM}

    def readdir(self, path: str, _: int) -> list[str]:
        return [".", "..", *(found.name for found in Path(path).iterdir())]

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags)

    def create(self, path: str, mode: int, _: object = None) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def read(self, path: str, size: int, offset: int, descriptor: int) -> bytes:
        return os.pread(descriptor, size, offset)

    def write(self, path: str, data: bytes, offset: int, descriptor: int) -> int:
        return os.pwrite(descriptor, data, offset)

    def truncate(self, path: str, length: int, _: int | None = None) -> None:
        os.truncate(path, length)

    def fsync(self, path: str, _: int, descriptor: int) -> None:
        os.fsync(descriptor)

    def release(self, path: str, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, path: str, new: str) -> None:
        Path(path).rename(self._folder + new)

    chmod: Callable[..., Any] = staticmethod(os.chmod)
    mkdir: Callable[..., Any] = staticmethod(os.mkdir)
    rmdir: Callable[..., Any] = staticmethod(os.rmdir)
    unlink: Callable[..., Any] = staticmethod(os.unlink)
    utimens: Callable[..., Any] = staticmethod(os.utime)


def main() -> None:
    """Serve until it is unmounted."""
    folder, place, kind = sys.argv[1:]
    FUSE(Through(folder), place, foreground=True, nothreads=True, subtype=kind, fsname="there")


if __name__ == "__main__":
    main()
