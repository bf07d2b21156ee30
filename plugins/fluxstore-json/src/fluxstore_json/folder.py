"""The backend's folder, and the rule that nothing outside it is read, made or changed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from fluxstore.errors import ConfigError, UnreadableRecordError
from fluxstore.filesystems import network_file_system


class Folder:
    """A folder of JSON files."""

    def __init__(self, path: Path) -> None:
        """Keep the folder at *path*, which need not be there yet."""
        self.path = path

    def resolved(self, file: str) -> Path:
        """Return where *file* really is; ``UnreadableRecordError`` if that is outside."""
        real = Path(os.path.realpath(self.path / file))
        self._refuse_outside(real, file)
        return real

    def open(self, file: str) -> int | None:
        """Return a descriptor to read *file*, ``None`` if it is not there."""
        real = self.resolved(file)
        try:
            # O_NONBLOCK: opening a FIFO must not wait for somebody to write to it
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.refused(file, _WORDS.get(error.errno or 0, str(error))) from error
        try:
            self._refuse_outside(_place_of(descriptor, real), file)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise self.refused(file, "a file expected, something else found")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _refuse_outside(self, real: Path, file: str) -> None:
        if not real.is_relative_to(os.path.realpath(self.path)):
            raise self.refused(file, "leads out of the backend's folder, so it is not touched")

    def refused(self, file: str, problem: str, next_step: str = "") -> UnreadableRecordError:
        """Return the refusal of a whole file."""
        return UnreadableRecordError(problem, file=self.shown(file), next_step=next_step)

    def shown(self, file: str) -> str:
        """Return *file* as messages name it."""
        return str(self.path / file)

    def network(self) -> str:
        """Return the network file system that the folder is on, or an empty string."""
        return network_file_system(self.path)


_WORDS = {
    errno.EACCES: "this user may not read it",
    errno.EPERM: "this user may not read it",
    errno.ELOOP: "a symbolic link that leads nowhere",
    errno.EIO: "the disk failed while it was opened",
}


def _place_of(descriptor: int, real: Path) -> Path:
    """Return what was opened, should a link have been put in the way meanwhile."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:  # no /proc: the check before opening must do
        return real


def checked_folder(path: str, base: Path) -> Path:
    """Return the folder that a configuration names; ``ConfigError`` for what cannot be meant."""
    if not path.strip() or "\0" in path:
        raise ConfigError("a folder expected", key="path")
    made = base / path
    if path.strip() in {"~", "~/"} or Path(os.path.realpath(made)) == Path("/"):
        raise ConfigError(
            f"{path} cannot be a folder of records",
            key="path",
            next_step="name a folder of its own",
        )
    if path.startswith("~/"):
        made = Path(path).expanduser()
    if made.exists() and not made.is_dir():
        raise ConfigError(
            f"{made} is no folder", key="path", next_step="name the folder, and the files below it"
        )
    return made


def checked_file(name: str, entity: str) -> str:
    """Return a file's name; ``ConfigError`` for one that leads out of the folder."""
    path = Path(name)
    leads_out = path.is_absolute() or ".." in path.parts or path.parts[:1] in ((), (".fluxstore",))
    if not name or "\0" in name or leads_out:
        raise ConfigError(
            f"{name!r} is no file in the backend's folder",
            key=f"entities.{entity}.file",
            next_step="name a file in or below it",
        )
    return str(path)
