"""Several processes on one store: start them, hand each its work, collect what they say.

A worker is a fresh interpreter (no fork: threads, locks and connections are not inherited), and
reads its work from standard input. It ends with the test, whatever happens.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import attrs

from fluxstore.adapter import Adapter, Collection, Control
from fluxstore.codec import Codec
from fluxstore.entity import entity_of
from fluxstore.errors import (
    BackendUnavailableError,
    ConflictError,
    ConstraintError,
    RecordExistsError,
    SealedError,
    StalePhaseError,
)
from fluxstore.records import Intent, Key, Put, Version
from fluxstore.testing.backend import Backend
from fluxstore.testing.entities import Album, Counter, Person

_COMMAND = (sys.executable, "-c", "from fluxstore.testing.processes import serve; serve()")
Job = Callable[..., Any]
PATIENCE_SECONDS = 30
"""How long a worker waits for what another is to do."""


class WorkerError(AssertionError):
    """A worker failed or did not end; the message holds what it wrote."""


def run(job: Job, arguments: Sequence[tuple[Any, ...]], *, timeout_seconds: float) -> list[Any]:
    """Call ``job(*each)`` in a process each, all at once; return what the calls returned.

    *job* is a module's function; arguments and answers are pickled. Raises ``WorkerError``.
    """
    workers = [_start() for _ in arguments]
    try:
        for worker, each in zip(workers, arguments, strict=True):
            assert worker.stdin is not None
            worker.stdin.write(pickle.dumps((sys.path, pickle.dumps((job, each)))))
            worker.stdin.close()
            worker.stdin = None  # communicate() would flush it
        return [_answer(worker, timeout_seconds) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def _start() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=pipe)


def _answer(worker: subprocess.Popen[bytes], timeout_seconds: float) -> Any:
    try:
        answer, complaints = worker.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise WorkerError(f"a worker did not end within {timeout_seconds:g} s") from error
    if worker.returncode != 0:
        raise WorkerError(complaints.decode(errors="replace"))
    return pickle.loads(answer)  # noqa: S301 - our own worker wrote it


def serve() -> None:
    """Do the work that standard input names, and write its answer to standard output."""
    path, work = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - our parent's
    sys.path[:] = path  # what the work names is found where the parent found it
    job, arguments = pickle.loads(work)  # noqa: S301 - our parent's
    sys.stdout.buffer.write(pickle.dumps(job(*arguments)))


@attrs.frozen
class Appends:
    """What a worker was told when it appended: (key, entry) in its own order, and refusals met."""

    acknowledged: tuple[tuple[str, str], ...]
    conflicts: int


def append(backend: Backend, worker: str, keys: tuple[str, ...], times: int) -> Appends:
    """Append *times* entries of *worker* to counters chosen at random, each once it is accepted."""
    with backend.opened() as adapter:
        return append_to(adapter.collection(entity_of(Counter)), worker, keys, times)


def append_to(counters: Collection, worker: str, keys: tuple[str, ...], times: int) -> Appends:
    """Do the work of ``append`` on an open collection."""
    choose, acknowledged, conflicts = Random(worker), [], 0
    for n in range(times):
        key, entry = choose.choice(keys), f"{worker}:{n}"
        while not _appended(counters, key, entry):
            conflicts += 1
        acknowledged.append((key, entry))
    return Appends(tuple(acknowledged), conflicts)


def _appended(counters: Collection, key: Key, entry: str) -> bool:
    values = counters.read([key])[key].values
    changed = {"count": values["count"] + 1, "log": [*values["log"], entry]}
    try:
        counters.commit([Put(key, changed, Intent.CHANGE)], expect={key: values})
    except (ConflictError, BackendUnavailableError):
        return False
    return True


def create(backend: Backend, worker: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Create an album of every key that nobody else created before; return which they were."""
    mine = []
    with backend.opened() as adapter:
        albums = adapter.collection(entity_of(Album))
        for key in keys:
            values = Codec.of(albums.entity).row(Album(id=key, name=worker))
            try:
                albums.commit([Put(key, values, Intent.CREATE)])
            except RecordExistsError:
                continue
            mine.append(key)
    return tuple(mine)


def claim(backend: Backend, worker: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Give each e-mail to a person of this worker's own; return those that nobody had taken."""
    mine = []
    with backend.opened() as adapter:
        people = adapter.collection(entity_of(Person))
        for name in names:
            person = Person(id=f"{worker} {name}", email=f"{name}@x")
            try:
                people.commit([Put(person.id, Codec.of(people.entity).row(person))])
            except ConstraintError:
                continue
            mine.append(name)
    return tuple(mine)


def raise_epochs(adapter: Adapter, worker: str, last: int) -> list[int]:
    """Raise the epoch of ``albums`` until *last*; return the epochs that this worker began."""
    mine = []
    while (control := adapter.ledger.control("albums")) is None or control.epoch < last:
        following = Control(1 if control is None else control.epoch + 1, "follower", "x", worker)
        if adapter.ledger.set_control("albums", control, following, patience_seconds=60):
            mine.append(following.epoch)
    return mine


def race_for_epochs(backend: Backend, worker: str, last: int) -> list[int]:
    """Do the work of ``raise_epochs`` on an adapter of this process's own."""
    with backend.opened() as adapter:
        return raise_epochs(adapter, worker, last)


def write_while_open(adapter: Adapter, worker: str) -> dict[Key, Version]:
    """Write counters, own ones and a shared one, until refused; return what was acknowledged."""
    counters = adapter.collection(entity_of(Counter))
    acknowledged: dict[Key, Version] = {}
    number, until = 0, time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        number += 1
        own = Counter(id=f"{worker}:{number}")
        values = Codec.of(counters.entity).row(own)
        shared = Put("shared", {"log": [own.id]}, Intent.CHANGE)
        for change in (Put(own.id, values, Intent.CREATE), shared):
            try:
                made = counters.commit([change])
            except (SealedError, StalePhaseError):
                return acknowledged
            acknowledged[change.key] = made[change.key].version
    raise WorkerError(f"writes were let through for {PATIENCE_SECONDS} s")


def write_until_sealed(backend: Backend, worker: str) -> dict[Key, Version]:
    """Do the work of ``write_while_open`` on an adapter of this process's own."""
    with backend.opened() as adapter:
        return write_while_open(adapter, worker)
