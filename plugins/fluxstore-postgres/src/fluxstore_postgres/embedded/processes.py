"""Processes of an embedded server: running its programs, and telling whether it is alive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs

from fluxstore_postgres.embedded.accounts import Account
from fluxstore_postgres.embedded.places import open_private


@attrs.frozen
class Postmaster:
    """What ``postmaster.pid`` says of a server (PostgreSQL manual, "Database File Layout")."""

    pid: int
    started: str
    socket_folder: Path
    is_ready: bool

    @property
    def run(self) -> str:
        """One run of the server, told apart from a later one with a recycled pid."""
        return f"{self.pid} {self.started}"


def clean_environment(**settings: str) -> dict[str, str]:
    """Return our environment without ``PG*``, which would steer the server's programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"} | settings


def run_program(
    command: list[str], *, account: Account, log: Path, timeout_seconds: float, **settings: str
) -> bool:
    """Run a program as *account* with its output in *log*; tell whether it ended well.

    The output goes to a file: a postmaster inherits it, and a pipe would never come to its end.
    A session of its own keeps Ctrl-C in the terminal away from it.
    """
    descriptor = open_private(log)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=clean_environment(**settings),
            timeout=timeout_seconds,
            check=False,
            start_new_session=True,
            umask=0o077,
            **account.process_options(),
        )
    finally:
        os.close(descriptor)
    return done.returncode == 0


def live_postmaster(data: Path) -> Postmaster | None:
    """Return the server that runs on *data*, or None; a recycled pid and a zombie are none."""
    noted = _noted(data)
    return noted if noted is not None and _is_server_of(noted.pid, data) else None


def remove_stale_pid_file(data: Path) -> None:
    """Remove a pid file whose pid is alive as something else: the server would refuse to start.

    One whose pid is gone stays: PostgreSQL looks after its children and its shared memory itself.
    """
    noted = _noted(data)
    if noted is not None and _exists(noted.pid) and not _is_server_of(noted.pid, data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def leftovers(data: Path) -> list[int]:
    """Return pids of processes that still stand in *data*: children of a killed postmaster."""
    pids = [int(each.name) for each in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stands_in(pid, data)]


def _noted(data: Path) -> Postmaster | None:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        is_ready = lines[7:8] != [] and lines[7].strip() == "ready"
        return Postmaster(abs(int(lines[0])), lines[2], Path(lines[4]), is_ready)
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None  # none, or a start that has not got so far


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_server_of(pid: int, data: Path) -> bool:
    if not sys.platform.startswith("linux"):
        return _ps_shows_postgres(pid)
    return _stands_in(pid, data)


def _stands_in(pid: int, data: Path) -> bool:
    # Every process of a server stands in its data folder; a zombie stands nowhere.
    process = Path(f"/proc/{pid}")
    try:
        is_postgres = (process / "comm").read_text().startswith("postgres")
        return is_postgres and (process / "cwd").readlink() == data.resolve()
    except OSError:
        return False  # ended meanwhile, or another user's


def _ps_shows_postgres(pid: int) -> bool:
    columns = ["ps", "-o", "stat=,comm=", "-p", str(pid)]
    line = subprocess.run(columns, capture_output=True, text=True, check=False).stdout.strip()
    return "postgres" in line and not line.startswith("Z")
