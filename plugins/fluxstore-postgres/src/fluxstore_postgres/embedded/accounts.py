"""Which user of the machine runs the server: PostgreSQL refuses root, so root steps down."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import attrs

from fluxstore.errors import AccessError

PREFERRED = "postgres"
OWN = "fluxstore"


@attrs.frozen
class Account:
    """A user of the machine; ``steps_down`` where processes must be started as somebody else."""

    name: str
    uid: int
    gid: int
    steps_down: bool

    def process_options(self) -> dict[str, Any]:
        """Return what ``subprocess`` needs to start a process as this user."""
        if not self.steps_down:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can(self, access: str, path: Path) -> bool:
        """Tell whether the user may read (``r``), write (``w``) or enter and run (``x``) a path.

        The user is asked, not the mode bits: parents, access lists and mounts have a say too.
        """
        probe = ["/bin/sh", "-c", f'test -{access} "$1"', "sh", str(path)]
        return subprocess.run(probe, check=False, cwd="/", **self.process_options()).returncode == 0

    def give(self, path: Path) -> None:
        """Make the user the owner of *path*, where somebody else may give it away."""
        if self.steps_down:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account:
    """Return who runs the server of *data*: its owner, else ``postgres``, else a user of our own.

    Raises AccessError where an ordinary user meets somebody else's data.
    """
    owner = data.stat().st_uid if data.exists() else None
    own = os.geteuid()
    if own == 0:
        return _account(_owner_or_system_user(owner), steps_down=True)
    if owner not in {None, own}:
        problem = f"the embedded data in {data} belongs to user {_name(owner or 0)}"
        raise AccessError(problem, next_step="run as that user, or use a folder of your own")
    return _account(_by_uid(own), steps_down=False)


def _by_uid(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError as error:
        problem = f"PostgreSQL needs a user with a name, and user {uid} has none"
        raise AccessError(problem, next_step="add the user to the user database") from error


def _account(user: pwd.struct_passwd, *, steps_down: bool) -> Account:
    return Account(user.pw_name, user.pw_uid, user.pw_gid, steps_down)


def _owner_or_system_user(owner: int | None) -> pwd.struct_passwd:
    if owner:
        return _by_uid(owner)
    for name in (PREFERRED, OWN):
        if (user := _known(name)) is not None:
            return user
    return _created(OWN)


def _known(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _created(name: str) -> pwd.struct_passwd:
    # A name in the user database is needed: initdb refuses to run for a bare number.
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    options = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    if program is not None:
        subprocess.run([program, *options], check=False, stdin=subprocess.DEVNULL)
    if (user := _known(name)) is None:
        raise AccessError(
            "PostgreSQL refuses to run as root and no other user could be made for it",
            next_step=f"create a system user called {name}, or run as an ordinary user",
        )
    return user


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
