"""Folders of an embedded server: its home, its data, its socket, and a copy of its programs.

``home`` (``.fluxstore/postgres`` beside the TOML) holds ``data``, ``server.log`` and our locks.
Where root steps down to a user who cannot reach ``home``, ``data`` is a link to a folder that
user can reach; nobody's parent folders are opened to others for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from fluxstore.errors import AccessError, ConfigError
from fluxstore_postgres.embedded.accounts import Account
from fluxstore_postgres.embedded.binaries import Binaries

STATE = Path("/var/lib/fluxstore")
OURS = frozenset(
    {"data", "data.new", "server.log", "server.log.1", "start.lock", "users.lock", "kept"}
)
BOX = "fluxpg-data-"
ORPHAN_SECONDS = 3600.0
SOCKET_PATH_BYTES = 107  # sun_path of unix(7), less its final NUL
SOCKET_NAME_BYTES = len("/.s.PGSQL.5432.lock")


def make_home(home: Path) -> None:
    """Make the home folder, refusing one that holds anything else."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = {each.name for each in home.iterdir()}
    except OSError as error:
        problem = f"{home}, the folder of the embedded PostgreSQL: {error.strerror}"
        raise AccessError(problem, next_step="run as its owner, or use another folder") from error
    if strangers := sorted(held - OURS):
        raise ConfigError(
            f"{home} is to hold the embedded PostgreSQL, and holds {', '.join(strangers[:3])}",
            next_step="name an empty folder",
        )


def make_data_folder(home: Path, account: Account) -> Path:
    """Make an empty folder for initdb that *account* owns and can reach, and return its path."""
    fresh = home / "data.new"
    forget(fresh)
    if account.steps_down:
        home.chmod(0o711)  # ours: the user passes through, and sees nothing
    if account.can("x", home):
        fresh.mkdir(mode=0o700)
    else:
        fresh.symlink_to(_elsewhere(home, account))
    account.give(fresh.resolve())
    return fresh


def forget(data: Path) -> None:
    """Remove a data folder and, where it is a link, what it leads to."""
    if data.is_symlink():
        shutil.rmtree(data.resolve().parent, ignore_errors=True)
        data.unlink()
    elif data.exists():
        shutil.rmtree(data)


def open_private(path: Path) -> int:
    """Open a file of ours for appending; it belongs to the owner of its folder."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except PermissionError as error:
        problem = f"the embedded PostgreSQL in {path.parent} belongs to another user"
        raise AccessError(problem, next_step="run as that user") from error
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def socket_folder(home: Path, account: Account) -> Path:
    """Return where the server's socket is to be: a short path, always the same for one home."""
    digest = hashlib.blake2b(os.fsencode(home.resolve()), digest_size=5).hexdigest()
    name = f"fluxpg-{account.uid}-{digest}"
    return _socket_base(account, len(name)) / name


def make_socket_folder(home: Path, account: Account) -> Path:
    """Return an empty socket folder that only *account* may enter.

    To be called where no server runs: what a killed one left there would stop the next one, whose
    check believes a zombie and a recycled pid.
    """
    folder = socket_folder(home, account)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_private(folder, account):  # somebody else took the name
            folder = Path(tempfile.mkdtemp(prefix="fluxpg-", dir=folder.parent))
    for left in folder.iterdir():
        left.unlink()
    account.give(folder)
    return folder


def forget_socket_folder(home: Path, account: Account) -> None:
    """Remove the socket folder that a killed server left behind."""
    folder = socket_folder(home, account)
    if folder.exists() and _is_private(folder, account):
        shutil.rmtree(folder)


def reachable(binaries: Binaries, account: Account) -> Binaries:
    """Return *binaries*, or a copy of them that *account* can run."""
    if account.can("x", binaries.program("postgres")):
        return binaries
    target = STATE / "binaries" / f"{binaries.source}-{binaries.version}"
    if not target.exists():
        _copy(binaries, target)
    return Binaries(
        target / binaries.folder.relative_to(binaries.root),
        binaries.source,
        binaries.version,
        target,
        tuple(target / part.relative_to(binaries.root) for part in binaries.parts),
    )


def _copy(binaries: Binaries, target: Path) -> None:
    _make_state(target.parent)
    unfinished = Path(tempfile.mkdtemp(prefix="copying-", dir=target.parent))
    for part in binaries.parts:
        leave_out = shutil.ignore_patterns("*.a", "include", "doc", "pgxs", "pkgconfig")
        place = unfinished / part.relative_to(binaries.root)
        shutil.copytree(part, place, symlinks=True, ignore=leave_out)
    unfinished.chmod(0o755)
    try:
        unfinished.rename(target)  # whole or not at all
    except OSError:
        shutil.rmtree(unfinished)
        if not target.exists():
            raise


def _elsewhere(home: Path, account: Account) -> Path:
    """Make a folder for data that *account* can reach; a file beside it says whose they are."""
    box = Path(tempfile.mkdtemp(prefix=BOX, dir=_reachable_base(home, account)))
    box.chmod(0o711)
    (box / "origin").write_text(str(home / "data"))
    (box / "data").mkdir(mode=0o700)
    return box / "data"


def _reachable_base(home: Path, account: Account) -> Path:
    # What lives among temporary files stays among them: nobody would look for it elsewhere.
    if any(home.resolve().is_relative_to(base) for base in _temporary_folders()):
        base = next(each for each in _temporary_folders() if account.can("x", each))
        _forget_orphans(base)
        return base
    return _make_state(STATE / "postgres")


def _forget_orphans(base: Path) -> None:
    """Remove temporary data whose project is gone; younger ones may still be in the making."""
    for box in base.glob(f"{BOX}*"):
        try:
            own = box.lstat().st_uid == os.geteuid() and box.is_dir()
            old = time.time() - box.lstat().st_mtime > ORPHAN_SECONDS
            origin = Path((box / "origin").read_text()) if own and old else None
        except OSError:
            continue  # somebody else removes it, or made it
        if origin is not None and origin.resolve() != (box / "data").resolve():
            shutil.rmtree(box, ignore_errors=True)


def _make_state(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise AccessError(
            f"{folder} cannot be made: {error.strerror}",
            next_step="move the project where PostgreSQL's user can reach it",
        ) from error
    return folder


def _socket_base(account: Account, name_bytes: int) -> Path:
    room = SOCKET_PATH_BYTES - SOCKET_NAME_BYTES - name_bytes - 1
    for base in _temporary_folders():
        if len(os.fsencode(base)) <= room and account.can("x", base):
            return base
    raise AccessError(
        f"no temporary folder has a path short enough for a socket that {account.name} can reach",
        next_step="set TMPDIR to a short path such as /tmp",
    )


def _temporary_folders() -> list[Path]:
    named = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    return [each for each in dict.fromkeys(named) if each.is_dir()]


def _is_private(folder: Path, account: Account) -> bool:
    found = folder.lstat()
    owned = found.st_uid in {account.uid, os.geteuid()}
    return owned and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
