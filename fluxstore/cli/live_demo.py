"""``demo --live``: the records of an application move while its users are at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

from fluxstore.cli import studio
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.cli.telling import Teller
from fluxstore.errors import FluxstoreError, PluginLoadError

WAY = ("--from", "json", "--to", "postgres")
CLIENTS, REQUESTS_A_SECOND = 6, 40
START_SECONDS, END_SECONDS, LINE_SECONDS = 30.0, 60.0, 10.0
WRONG = ("failed", "lost", "returned", "stale")


class LiveStory(Teller):
    """Records that are written all the while: moved, moved back, moved again, and brought home."""

    def __init__(self, session: Session, folder: Path) -> None:
        """Begin in *folder*; ``PluginLoadError`` where the application cannot run."""
        missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
        if missing:
            raise PluginLoadError(
                f"demo --live runs a web application, and {missing[0]} is not installed",
                next_step="pip install 'fluxstore-core[demo]'",
            )
        super().__init__(session, folder)
        self.users: dict[str, Any] = {}
        """What the users have met: the last line that they told."""

    def tell(self, records: int, *, seed: int) -> None:
        """Tell all of it; ``FluxstoreError`` where a command ends otherwise than it should."""
        self.tell_all(
            [("An application's records, in JSON files", lambda: self._files(records, seed))]
        )
        with application(self.folder) as url, Users(url, self.folder) as users:
            self._users = users
            self.say("", f"the application serves {url}; {CLIENTS} users create, change, read and")
            self.say("delete tasks of their own, so each knows what every one of them must be")
            self.tell_all(
                (
                    ("Write to both sides", lambda: self._phases("dual_write", "backfill")),
                    ("Copy what is there already", lambda: self._command("migrate", *WAY)),
                    ("Compare, as they work", self._compare),
                    ("PostgreSQL takes over", lambda: self._phases("live")),
                    ("And back: the files are the authority again", self._back),
                    ("PostgreSQL takes over for good", lambda: self._phases("live", "complete")),
                    ("Even from there, a way back", self._back_from_the_end),
                    ("The users go home", self._go_home),
                )
            )
        self.tell_all([("Are both sides equal?", lambda: self.run("validate", *WAY))])

    def _files(self, records: int, seed: int) -> None:
        counts = studio.generate(Path("data"), records=records, seed=seed)
        studio.configure(self.folder)
        self.say(
            f"{self.folder / 'data'}: "
            + ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        )

    def _command(self, *arguments: str) -> None:
        self.run(*arguments)
        self._how_are_the_users()

    def _phases(self, *names: str) -> None:
        for name in names:
            self.run("phase", "set", name)
        self._how_are_the_users()

    def _compare(self) -> None:
        self.run("phase", "set", "shadow")
        self._command("validate", *WAY)

    def _back(self) -> None:
        self.run("rollback", "--force")
        self._command("validate", *WAY)

    def _back_from_the_end(self) -> None:
        self.run("phase", "set", "live")
        self.run("validate", *WAY)
        self._command("rollback", "--force")

    def _go_home(self) -> None:
        self.users = self._users.gone_home()
        self._tell_of_users()
        wrong = [name for name in WRONG if self.users.get(name)]
        if wrong or not self.users.get("final"):
            problems = "; ".join(self.users.get("problems", ())) or "they never came home"
            raise self.broken(f"the users noticed the move: {problems}")

    def _how_are_the_users(self) -> None:
        self.users = self._users.next_line()
        self._tell_of_users()

    def _tell_of_users(self) -> None:
        if self.users:
            counts = ", ".join(f"{self.users[name]} {name}" for name in WRONG)
            self.say(
                Styled(
                    f"users: {self.users['requests']:,} requests, {counts}; slowest write"
                    f" {self.users['slowest_write_ms'] / 1000:.2f} s",
                    "cyan",
                )
            )


@contextmanager
def application(folder: Path) -> Iterator[str]:
    """Serve Flux Studio from *folder* while the context lasts; yield its address."""
    log = folder / "application.log"
    with log.open("wb") as errors:
        process = _started(
            "flux_studio.web", "--config", "fluxstore.toml", "--port", "0", log=errors
        )
        try:
            url = _first_line(process)
            if not url:
                raise FluxstoreError("the application did not start", next_step=f"look into {log}")
            yield url
        finally:
            _ended(process)


class Users:
    """The load generator, a process of its own; its lines are read as they come."""

    def __init__(self, url: str, folder: Path) -> None:
        """Remember where the application is."""
        self._url, self._log = url, folder / "users.log"
        self._told = threading.Condition()
        self._lines: list[dict[str, Any]] = []

    def __enter__(self) -> Users:
        """Let the users come."""
        load = ("--clients", str(CLIENTS), "--rate", str(REQUESTS_A_SECOND))
        with self._log.open("wb") as errors:
            self._process = _started("flux_studio.load", self._url, *load, log=errors, talks=True)
        self._reader = threading.Thread(target=self._read, name="users", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send them home, whatever happened."""
        _ended(self._process)
        self._reader.join(LINE_SECONDS)

    def _read(self) -> None:
        for line in _out(self._process):
            with self._told:
                self._lines.append(json.loads(line))
                self._told.notify_all()

    def next_line(self) -> dict[str, Any]:
        """Return what they tell next: it covers everything until now."""
        with self._told:
            known = len(self._lines)
            self._told.wait_for(lambda: len(self._lines) > known + 1, LINE_SECONDS)
            return self._lines[-1] if self._lines else {}

    def gone_home(self) -> dict[str, Any]:
        """Let them look at everything once more, and return what they say in the end."""
        cast(IO[bytes], self._process.stdin).close()
        self._process.wait(END_SECONDS)
        self._reader.join(LINE_SECONDS)
        return self._lines[-1] if self._lines else {}


def _started(
    module: str, *arguments: str, log: IO[bytes], talks: bool = False
) -> subprocess.Popen[bytes]:
    """Start a module of Flux Studio; Ctrl-C here does not reach it."""
    path = os.pathsep.join(filter(None, (str(studio.place()), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )


def _out(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast(IO[bytes], process.stdout)


def _first_line(process: subprocess.Popen[bytes]) -> str:
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        return _out(process).readline().decode().strip()
    finally:
        timer.cancel()


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    until = time.monotonic() + LINE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
