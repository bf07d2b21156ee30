"""A private PostgreSQL of one project: made at first use, stopped when nobody uses it any more."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from fluxstore.errors import BackendUnavailableError
from fluxstore_postgres.embedded import places, processes
from fluxstore_postgres.embedded.accounts import Account, account_for
from fluxstore_postgres.embedded.binaries import Binaries, locate
from fluxstore_postgres.embedded.locks import POLL_SECONDS, Use, only_one

START_TIMEOUT_SECONDS = 60.0  # recovery after a crash may take its time
ROLE = "fluxstore"
DATABASE = "postgres"
LOG_BYTES_KEPT = 10 * 1024 * 1024

# No port is listened on, and no value of a record reaches the log (terse: no DETAIL lines).
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "cluster_name": "fluxstore",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "jit": "off",
    # By default a role's own schema comes first, and this role is called as the ledger's schema is.
    "search_path": "public",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@attrs.frozen
class ServerStatus:
    """What is known of an embedded server at one moment."""

    running: bool
    pid: int | None
    version: str
    data_folder: Path
    socket_folder: Path | None
    conninfo: str
    log: Path


class EmbeddedServer:
    """A PostgreSQL server of one's own, with its data below *data_folder*.

    ``start`` leaves it running until ``stop``; ``use`` keeps it running until the last user of it
    lets go. *durable* off trades the data's safety for speed, for tests that do not test safety;
    *settings* are further ones of postgresql.conf, put in force at the next start.
    """

    def __init__(
        self,
        data_folder: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = data_folder.absolute()
        self.durable = durable
        self.settings = SETTINGS | ({} if durable else NOT_DURABLE) | dict(settings or {})

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder (PGDATA)."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The file that the server's messages go to."""
        return self.home / "server.log"

    @cached_property
    def binaries(self) -> Binaries:
        """PostgreSQL's programs, of the version that the data was made by."""
        return locate(self._version_of_data())

    def start(self) -> str:
        """Start the server unless it runs, to stay until ``stop``, and return its conninfo."""
        with self._alone():
            running = self._running_server()
            (self.home / "kept").write_text(running.run)
        return conninfo(running.socket_folder)

    def use(self) -> tuple[str, Use]:
        """Start the server unless it runs; return its conninfo and a hold, for ``release``."""
        with self._alone():
            running = self._running_server()
            return conninfo(running.socket_folder), Use(self.home / "users.lock")

    def release(self, use: Use, *, remove: bool = False) -> None:
        """Give back a hold; the last one stops the server, unless ``start`` was asked for.

        With *remove* the last one deletes the data, too.
        """
        if not self.home.is_dir():
            use.release()
            return
        with self._alone():
            if use.release() and not self._is_kept():
                self._stop()
                if remove:
                    self._delete()

    def stop(self) -> None:
        """Stop the server, whoever uses it; nothing happens where none runs."""
        if self.home.is_dir():
            with self._alone():
                self._stop()

    def remove(self) -> None:
        """Stop the server and delete its data."""
        if self.home.is_dir():
            with self._alone():
                self._stop()
                self._delete()

    def status(self) -> ServerStatus:
        """Return what is known of the server now; nothing is started or made."""
        live = processes.live_postmaster(self.data)
        folder = live.socket_folder if live else None
        return ServerStatus(
            running=live is not None,
            pid=live.pid if live else None,
            version=self.binaries.version,
            data_folder=self.home,
            socket_folder=folder,
            conninfo=conninfo(folder) if folder else "",
            log=self.log,
        )

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def _alone(self) -> AbstractContextManager[None]:
        return only_one(self.home / "start.lock", lambda: places.make_home(self.home))

    def _delete(self) -> None:
        places.forget_socket_folder(self.home, account_for(self.data))
        places.forget(self.data)
        places.forget(self.home)

    def _version_of_data(self) -> str:
        version = self.data / "PG_VERSION"
        return version.read_text().strip() if version.exists() else ""

    def _is_kept(self) -> bool:
        kept, live = self.home / "kept", processes.live_postmaster(self.data)
        return kept.exists() and live is not None and kept.read_text() == live.run

    def _running_server(self) -> processes.Postmaster:
        if processes.live_postmaster(self.data) is None:
            account = account_for(self.data)
            programs = places.reachable(self.binaries, account)
            if not self.data.exists():
                self._make_data(programs, account)
            self._launch(programs, account)
        return self._ready_postmaster()

    def _make_data(self, programs: Binaries, account: Account) -> None:
        fresh = places.make_data_folder(self.home, account)
        command = [
            str(programs.program("initdb")),
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            f"--username={ROLE}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-instructions",
            *([] if self.durable else ["--no-sync"]),
        ]  # trust: only the socket folder's owner gets there
        if not self._run(command, account, PGDATA=str(fresh.resolve())):
            places.forget(fresh)
            raise self._failure("the embedded PostgreSQL could not be set up")
        fresh.rename(self.data)  # whole or not at all

    def _launch(self, programs: Binaries, account: Account) -> None:
        self._wait(lambda: not processes.leftovers(self.data), "an earlier server's children stay")
        processes.remove_stale_pid_file(self.data)
        self._limit_log()
        folder = places.make_socket_folder(self.home, account)
        settings = self.settings | {"unix_socket_directories": f'"{folder}"'}
        # PGDATA instead of --pgdata: pg_ctl would pass that through a shell unquoted.
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in settings.items())
        wait = ["--wait", f"--timeout={START_TIMEOUT_SECONDS:.0f}"]
        command = [str(programs.program("pg_ctl")), "start", "--silent", *wait, "-o", options]
        if not self._run(command, account, PGDATA=str(self.data.resolve())):
            raise self._failure("the embedded PostgreSQL did not start")

    def _stop(self) -> None:
        live = processes.live_postmaster(self.data)
        if live is None:
            return
        account = account_for(self.data)
        programs = places.reachable(self.binaries, account)
        wait = ["--wait", f"--timeout={START_TIMEOUT_SECONDS:.0f}"]
        command = [str(programs.program("pg_ctl")), "stop", "--silent", "--mode=fast", *wait]
        if not self._run(command, account, PGDATA=str(self.data.resolve())):
            raise self._failure("the embedded PostgreSQL did not stop")
        self._wait(lambda: not processes.leftovers(self.data), "the server's processes stay")
        places.forget(live.socket_folder)

    def _run(self, command: list[str], account: Account, **settings: str) -> bool:
        timeout = START_TIMEOUT_SECONDS + 30
        return processes.run_program(
            command, account=account, log=self.log, timeout_seconds=timeout, **settings
        )

    def _ready_postmaster(self) -> processes.Postmaster:
        self._wait(lambda: self._live_and_ready() is not None, "the server is not ready")
        if (found := self._live_and_ready()) is None:
            raise self._failure("the embedded PostgreSQL ended at once")
        return found

    def _live_and_ready(self) -> processes.Postmaster | None:
        live = processes.live_postmaster(self.data)
        return live if live is not None and live.is_ready else None

    def _wait(self, condition: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise self._failure(problem)
            time.sleep(POLL_SECONDS)

    def _limit_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_KEPT:
            self.log.rename(self.log.with_name("server.log.1"))

    def _failure(self, problem: str) -> BackendUnavailableError:
        said = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        telling = [line for line in said if re.search(r"FATAL|error:", line)]
        cause = re.sub(r".*(FATAL|error): +", "", telling[-1]) if telling else "no reason was given"
        return BackendUnavailableError(f"{problem}: {cause}", next_step=f"read {self.log}")


def conninfo(socket_folder: Path) -> str:
    """Return what libpq needs to reach the server behind *socket_folder*."""
    host = str(socket_folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"host='{host}' port=5432 user={ROLE} dbname={DATABASE}"
