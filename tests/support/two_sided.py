"""An application's store under the policy, and the trouble its follower can have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import attrs
from phase_changes import Note, Team

import fluxstore
from fluxstore import Plugins, Store, hookimpl
from fluxstore.errors import BackendUnavailableError, ConflictError
from fluxstore.testing.reference import ReferenceAdapter

T = TypeVar("T")
DEADLINE_SECONDS = 10.0

TABLES = {
    "reference": 'adapter = "reference"\npath = "{name}.state"\n',
    "troubled": 'adapter = "troubled"\npath = "{name}.state"\n',
    "json": 'adapter = "json"\npath = "{name}"\n',
    "sqlite": 'adapter = "sqlite"\npath = "{name}.db"\n',
    "postgres": 'adapter = "postgres"\ndsn = "{dsn}"\nschema = "side_{name}"\n',
}


class Trouble:
    """What keeps a follower from following; nothing at first."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.is_away = False
        self.delay_seconds = 0.0
        self.never = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.calls = 0

    def strike(self) -> None:
        self.calls += 1
        self.never.wait(self.delay_seconds)
        assert self.free.wait(DEADLINE_SECONDS)
        if self.error is not None:
            raise self.error

    def go_away(self) -> None:
        self.is_away, self.error = True, BackendUnavailableError("is away", backend="two")

    def come_back(self) -> None:
        self.is_away, self.error = False, None


def troubled(trouble: Trouble) -> type:
    """Return an adapter that has *trouble* when it is opened, when it is to follow, and when asked.

    A governed read is one of an authority; it is not struck by anything but being away.
    """

    class Troubled(ReferenceAdapter):
        name = "troubled"

        def __init__(self, opening: Any) -> None:
            if trouble.is_away:
                raise BackendUnavailableError("is away", backend=opening.backend)
            super().__init__(opening)
            for collection in self._collections.values():
                apply = collection.apply_if_newer
                collection.apply_if_newer = _after(trouble, apply)  # type: ignore[method-assign]
            self._away = {name: Away(one, trouble) for name, one in self._collections.items()}

        def collection(self, entity: Any) -> Any:
            return self._away[entity.name]

    return Troubled


class Away:
    """A collection whose governed reads fail while the backend is away."""

    def __init__(self, inner: Any, trouble: Trouble) -> None:
        self._inner, self._trouble = inner, trouble
        self.governed = SimpleNamespace(
            read=self._read("read"), find=self._read("find"), count=self._read("count")
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _read(self, name: str) -> Callable[[Any], Any]:
        def call(asked: Any) -> Any:
            if self._trouble.is_away:
                raise BackendUnavailableError("is away", backend="two")
            return getattr(self._inner.governed, name)(asked)

        return call


def _after(trouble: Trouble, call: Callable[..., T]) -> Callable[..., T]:
    def delayed(*given: Any, **named: Any) -> T:
        trouble.strike()
        return call(*given, **named)

    return delayed


class Heard:
    """A plugin that offers the adapters and entities of the tests, and hears the reports."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        self.trouble = trouble or Trouble()
        self.phases: list[tuple[str, str, int]] = []
        self.diverged: list[tuple[str, str, tuple[str, ...]]] = []

    @hookimpl
    def fluxstore_register_adapters(self, register: Callable[[str, Any], None]) -> None:
        register("reference", ReferenceAdapter)
        register("troubled", troubled(self.trouble))

    @hookimpl
    def fluxstore_register_entities(self, register: Callable[[type], None]) -> None:
        register(Note)
        register(Team)

    @hookimpl
    def fluxstore_phase_changed(self, entity: str, phase: str, epoch: int) -> None:
        self.phases.append((entity, phase, epoch))

    @hookimpl
    def fluxstore_diverged(self, entity: Any, key: str, fields: tuple[str, ...]) -> None:
        self.diverged.append((entity.name, key, fields))


@attrs.define
class Application:
    """A folder with two backends, and stores opened on it."""

    folder: Path
    one: str = "reference"
    two: str = "reference"
    dsn: str = ""
    policy: dict[str, Any] = attrs.field(factory=dict)
    heard: Heard | None = attrs.field(factory=Heard)
    tables: str = ""
    """More tables of the configuration."""

    def configure(self) -> Path:
        file = self.folder / "fluxstore.toml"
        if not file.exists():
            lines = []
            for name, kind in (("one", self.one), ("two", self.two)):
                if kind == "json":
                    (self.folder / name).mkdir(exist_ok=True)
                table = TABLES[kind].format(name=name, dsn=self.dsn)
                lines.append(f"[backends.{name}]\n{table}")
            own = "".join(f"{key} = {value!r}\n" for key, value in self.policy.items())
            lines.append(f'[policy]\nadapter = "phases"\nsource = "one"\ntarget = "two"\n{own}')
            lines.append(self.tables)
            file.write_text("\n".join(lines), "utf-8")
        return file

    @contextmanager
    def open(self) -> Iterator[Store]:
        plugins = Plugins.load()
        plugins.add(self.heard or Heard(), name="heard")
        with fluxstore.open(self.configure(), plugins=plugins) as store:
            yield store


def wait_until(holds: Callable[[], Any], *, seconds: float = DEADLINE_SECONDS) -> None:
    """Return once *holds* is true; an assertion fails where it does not become so in time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not become true in time"
        time.sleep(0.01)


@attrs.define
class Load:
    """Threads that append to notes of their own; each reads what it was told before."""

    store: Store
    workers: Sequence[str]
    stop: threading.Event = attrs.field(factory=threading.Event)
    acknowledged: list[tuple[str, str]] = attrs.field(factory=list)
    backwards: list[str] = attrs.field(factory=list)
    failures: list[BaseException] = attrs.field(factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._run, args=(name,)) for name in self.workers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def go_on(self, times: int = 10) -> None:
        """Return once as many more writes were acknowledged, or one failed."""
        count = len(self.acknowledged)
        wait_until(lambda: self.failures or len(self.acknowledged) >= count + times)

    def judge(self) -> None:
        assert [] == self.failures
        assert [] == self.backwards
        for worker in self.workers:
            told = [entry for name, entry in self.acknowledged if name == worker]
            assert told == self.store[Note].get(worker).log

    def _run(self, worker: str) -> None:
        try:
            self.store[Note].create(Note(id=worker))
            for number in count():
                if self.stop.is_set():
                    return
                self._append(worker, f"{worker}:{number}")
        except Exception as error:  # noqa: BLE001 - told by ``judge``
            self.failures.append(error)

    def _append(self, worker: str, entry: str) -> None:
        notes = self.store[Note]
        before = notes.get(worker)
        notes.update(worker, log=[*before.log, entry], expect=before)
        self.acknowledged.append((worker, entry))
        if entry not in notes.get(worker).log:
            self.backwards.append(entry)


def append_in_process(application: Application, worker: str, times: int) -> list[str]:
    """Append to a note of its own and to one that all share; return what was acknowledged."""
    with application.open() as store:
        store[Note].create(Note(id=worker))
        for number in range(times):
            entry = f"{worker}:{number}"
            for key in (worker, "shared"):
                append(store, key, entry)
    return [f"{worker}:{number}" for number in range(times)]


def append(store: Store, key: str, entry: str) -> None:
    """Append *entry* to a note, reading it again for as long as others were faster."""
    while True:
        before = store[Note].get(key)
        try:
            store[Note].update(key, log=[*before.log, entry], expect=before)
        except ConflictError:
            continue
        return
