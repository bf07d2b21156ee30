"""A signal in the middle of a write: whatever it held is let go of, however unlucky the moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import fluxstore

INTERRUPTS = 300
ENTITIES = """
from fluxstore import entity

@entity("notes")
class Note:
    id: str
    text: str = ""
"""
BACKENDS = {
    "json": 'path = "data"\n',
    "sqlite": 'path = "notes.db"\ntimeout = "5s"\n',
    "postgres": 'dsn = "{postgres_dsn}"\npool = {{ max = 4, timeout = "5s" }}\n',
}


class Interrupted(BaseException):
    """What the signal raises: Ctrl-C would end the tests."""


class Interruptible:
    """Calls of this thread that a signal may end; another thread sends it all the time."""

    def __init__(self) -> None:
        self.count = 0
        self._is_calling = False

    def call(self, act: Callable[[], object]) -> None:
        with suppress(Interrupted):
            try:
                self._is_calling = True
                act()
            finally:
                self._is_calling = False

    def _interrupt(self, *_: object) -> None:
        if self._is_calling:
            self._is_calling = False
            self.count += 1
            raise Interrupted

    @contextmanager
    def signalled(self) -> Iterator[None]:
        over, here = threading.Event(), threading.get_ident()

        def send() -> None:
            while not over.wait(0.02):
                signal.pthread_kill(here, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, self._interrupt)
        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield
        finally:
            over.set()
            sender.join()
            signal.signal(signal.SIGUSR1, before)


@pytest.fixture(params=["json", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[fluxstore.Store]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.json").write_text("[]")
    (tmp_path / "entities.py").write_text(ENTITIES)
    settings = BACKENDS[request.param]
    if request.param == "postgres":
        settings = settings.format(postgres_dsn=request.getfixturevalue("postgres_dsn"))
    table = f'[backends.{request.param}]\nadapter = "{request.param}"\n{settings}'
    (tmp_path / "fluxstore.toml").write_text(f'entities = ["entities"]\n{table}')
    with fluxstore.open(tmp_path / "fluxstore.toml") as opened:
        yield opened


@contextmanager
def others_at_work(store: fluxstore.Store) -> Iterator[list[BaseException]]:
    """Have other threads write, and note what fails."""
    notes, over, failed = store["notes"], threading.Event(), list[BaseException]()

    def work(key: str) -> None:
        try:
            while not over.is_set():
                notes.put(notes.entity.cls(id=key))
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(f"other{n}",)) for n in range(15)]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


def test_an_interrupt_leaves_nothing_held(store: fluxstore.Store) -> None:
    notes, interruptible = store["notes"], Interruptible()
    made = notes.entity.cls(id="mine")
    with others_at_work(store) as failed, interruptible.signalled():
        while interruptible.count < INTERRUPTS and not failed:
            interruptible.call(lambda: notes.put(made))

    assert [] == failed
    notes.put(notes.entity.cls(id="last", text="there"))
    assert "there" == notes.get("last").text
