"""Users at work: ``python -m flux_studio.load http://127.0.0.1:8000 --clients 8 --rate 100``.

Every client creates, changes, reads and deletes tasks of its own, so it knows what each of them
must be: an acknowledged write that is not there is *lost*, a deleted task that is back has
*returned*. Every second a line of JSON tells how it goes. At the end, after ``--seconds``, or when
standard input is closed, every task is looked up once more; exit code 1 where anything was wrong.
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60.0
STATUSES = ("todo", "in-progress", "review", "blocked", "completed")


@dataclass
class Tally:
    """What has come of all requests so far."""

    requests: int = 0
    writes: int = 0
    failed: int = 0
    lost: int = 0
    returned: int = 0
    stale: int = 0
    """Reads that answered something else than the last acknowledged write."""
    slowest_write_ms: float = 0.0
    problems: list[str] = field(default_factory=list)
    write_ms: list[float] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, kind: str, problem: str) -> None:
        """Count a request that went wrong."""
        with self._lock:
            setattr(self, kind, getattr(self, kind) + 1)
            self.problems[10:] = []
            self.problems.append(problem)

    def took(self, seconds: float, *, writes: bool) -> None:
        """Count a request that was answered."""
        with self._lock:
            self.requests += 1
            if writes:
                self.writes += 1
                self.write_ms.append(seconds * 1000)
                self.slowest_write_ms = max(self.slowest_write_ms, seconds * 1000)

    def told(self, *, final: bool = False) -> str:
        """Return everything as a line of JSON."""
        with self._lock:
            ordered = sorted(self.write_ms)
            p99 = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
            numbers = {name: getattr(self, name) for name in ("requests", "writes", *self.WRONG)}
            times = {"p99_write_ms": p99, "slowest_write_ms": self.slowest_write_ms}
            rounded = {name: round(value, 1) for name, value in times.items()}
            return json.dumps(
                {**numbers, **rounded, "problems": self.problems[:10], "final": final}
            )

    WRONG = ("failed", "lost", "returned", "stale")

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return not any(getattr(self, name) for name in self.WRONG)


class Client:
    """One user: a connection, tasks of its own, and what each of them must be."""

    def __init__(self, address: str, number: int, tally: Tally, *, seed: int) -> None:
        self._address = address
        self._tally = tally
        self._random = random.Random(f"{seed} {number}")  # noqa: S311 - nothing is secret here
        self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
        self._names = (f"load-{seed}-{number}-{count}" for count in range(1_000_000_000))
        self.expected: dict[str, dict[str, Any] | None] = {}
        """Task id to the fields that it must have; ``None``: it must not be there."""

    def step(self, projects: list[str]) -> None:
        """Do one thing that a user does, in one of *projects*."""
        project = self._random.choice(projects)
        mine = [name for name, fields in self.expected.items() if fields is not None]
        actions: tuple[Callable[[str], None], ...] = (self._change, self._change, self._look)
        if len(mine) < 5:
            self._create(project)
        elif self._random.random() < 0.15:
            self._delete(self._random.choice(mine))
        elif self._random.random() < 0.2:
            self._create(project)
        else:
            self._random.choice(actions)(self._random.choice(list(self.expected)[-50:]))

    def _create(self, project: str) -> None:
        fields = {"id": next(self._names), "title": "made under load", "status": "todo"}
        if self._write("POST", f"/projects/{project}/tasks", 201, fields):
            self.expected[fields["id"]] = fields

    def _change(self, name: str) -> None:
        known = self.expected[name]
        if known is None:
            return
        fields = {"status": self._random.choice(STATUSES), "title": f"t{self._random.random()}"}
        if self._write("PATCH", f"/tasks/{name}", 200, fields):
            self.expected[name] = {**known, **fields}

    def _delete(self, name: str) -> None:
        if self._write("DELETE", f"/tasks/{name}", 204, None):
            self.expected[name] = None

    def _look(self, name: str) -> None:
        self.check(name, lost="stale", returned="stale")

    def check(self, name: str, *, lost: str = "lost", returned: str = "returned") -> None:
        """Read a task and compare it with what it must be."""
        answer = self._asked("GET", f"/tasks/{name}", None)
        if answer is None:
            return
        status, found = answer
        expected = self.expected[name]
        if expected is None and status != 404:
            self._tally.add(returned, f"{name}: deleted, and there ({status})")
        elif expected is not None and status != 200:
            self._tally.add(lost, f"{name}: acknowledged, and not there ({status})")
        elif expected is not None and any(found[key] != value for key, value in expected.items()):
            self._tally.add(lost, f"{name}: not as it was acknowledged")

    def _write(self, method: str, path: str, wanted: int, fields: dict[str, Any] | None) -> bool:
        answer = self._asked(method, path, fields)
        if answer is not None and answer[0] != wanted:
            self._tally.add("failed", f"{method} {path}: {answer[0]} {answer[1]}")
        return answer is not None and answer[0] == wanted

    def _asked(self, method: str, path: str, fields: dict[str, Any] | None) -> Any:
        body = None if fields is None else json.dumps(fields)
        begun = time.perf_counter()
        try:
            self._connection.request(method, path, body, {"content-type": "application/json"})
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._tally.add("failed", f"{method} {path}: {error!r}")
            return None
        self._tally.took(time.perf_counter() - begun, writes=method != "GET")
        return response.status, json.loads(text) if text else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def projects_at(address: str) -> list[str]:
    """Return the ids of some projects that the application has."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/projects?limit=20")
        found = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return [one["id"] for one in found]


def work(client: Client, projects: list[str], pace: float, stop: threading.Event) -> None:
    """Let a client work, a step every *pace* seconds, until told to stop."""
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due = max(due + pace, time.monotonic() - 1.0)  # after a pause, do not make up for it all
        client.step(projects)


def stop_at_end_of_input(stop: threading.Event) -> None:
    """Tell everybody to stop once standard input is closed."""
    sys.stdin.read()
    stop.set()


def ended(seconds: float | None, stop: threading.Event) -> Iterator[None]:
    """Yield every second until the time is over, or standard input is closed."""
    if seconds is None:
        threading.Thread(target=stop_at_end_of_input, args=(stop,), daemon=True).start()
    until = None if seconds is None else time.monotonic() + seconds
    while not stop.wait(1.0) and (until is None or time.monotonic() < until):
        yield
    stop.set()


def main() -> int:
    """Put an application under load; return the exit code."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, all together")
    parser.add_argument("--seconds", type=float, help="without it: until standard input is closed")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    address = urlsplit(given.url).netloc
    tally, stop = Tally(), threading.Event()
    projects = projects_at(address)
    clients = [Client(address, n, tally, seed=given.seed) for n in range(given.clients)]
    threads = [
        threading.Thread(target=work, args=(one, projects, given.clients / given.rate, stop))
        for one in clients
    ]
    for thread in threads:
        thread.start()
    for _ in ended(given.seconds, stop):
        print(tally.told(), flush=True)
    for thread in threads:
        thread.join()
    for client in clients:
        for name in client.expected:
            client.check(name)
        client.close()
    print(tally.told(final=True), flush=True)
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
