"""Several processes on one file: killed ones, forked ones, waiting ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from fluxstore.errors import BackendUnavailableError, LeaseError
from fluxstore.testing.conformance.support import count, everything_in, save, values_of
from fluxstore.testing.entities import Album, Book

WRITES_UNTIL_KILLED = """
import sys
from pathlib import Path
from fluxstore.adapter import Opening
from fluxstore.testing.conformance.support import save
from fluxstore.testing.entities import ENTITIES, Book
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings

path = Path(sys.argv[1])
adapter = SqliteAdapter(Opening("app", Settings(path=path.name), ENTITIES, {}, path.parent))
number = 0
while True:
    with adapter.transaction():
        save(adapter, *(Book(id=f"{number:06}-{part}", title="x" * 500) for part in range(3)))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_writer_leaves_every_acknowledged_write_and_no_half_one(file):
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITES_UNTIL_KILLED, file.path],
            stdout=subprocess.PIPE,
            text=True,
        )
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        acknowledged += map(int, writer.stdout.read().split())
        writer.wait()
        writer.stdout.close()

        adapter = file.open()
        keys = set(everything_in(adapter, Book))
        adapter.close()
        assert {f"{number:06}-{part}" for number in acknowledged for part in range(3)} <= keys
        assert 0 == len(keys) % 3
        file.run("DELETE FROM books")


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_works_on_its_own_and_leaves_the_parents_connections_alone(file):
    adapter = file.open()
    save(adapter, Album(id="parent", name="before"))
    with adapter.transaction():
        save(adapter, Album(id="open", name="not yet"))
        child = os.fork()
        if child == 0:
            _report(lambda: values_of(adapter, Album, "parent")["name"] == "before")
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert "not yet" == values_of(adapter, Album, "open")["name"]
    child = os.fork()
    if child == 0:
        _report(lambda: save(adapter, Album(id="child")) is None and count(adapter, Album) == 3)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    save(adapter, Album(id="after"))
    assert 4 == count(adapter, Album)


def _report(holds) -> None:
    """End this forked process with 0 where *holds* does."""
    code = 1
    try:
        code = 0 if holds() else 1
    finally:
        os._exit(code)


def test_a_stopped_writer_keeps_others_waiting_for_their_timeout_only(file):
    save(file.open(), Album(id="a"))
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_KILLED, file.path], stdout=subprocess.PIPE, text=True
    )
    try:
        writer.stdout.readline()
        adapter = file.open(timeout=timedelta(seconds=0.3))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            writer.send_signal(signal.SIGSTOP)
            try:
                save(adapter, Album(id="b"))
            except BackendUnavailableError:
                break
            writer.send_signal(signal.SIGCONT)
            writer.stdout.readline()
        else:
            pytest.fail("the writer was never stopped inside a transaction")
        assert values_of(adapter, Album, "a") is not None
        writer.send_signal(signal.SIGCONT)
        save(file.open(), Album(id="c"))
    finally:
        writer.kill()
        writer.communicate()


def test_writers_of_one_process_and_of_others_take_turns(file):
    one, other = file.open(), file.open()
    save(one, Book(id="start"))
    done: dict[str, int] = {"one": 0, "other": 0}

    def write(name: str, adapter) -> None:
        for number in range(60):
            save(adapter, Book(id=f"{name} {number}"))
            done[name] += 1
            if max(done.values()) == 60:
                seen.append(min(done.values()))

    seen: list[int] = []
    threads = [
        threading.Thread(target=write, args=pair) for pair in (("one", one), ("other", other))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 121 == count(one, Book)
    assert seen[0] >= 15


def test_a_lease_says_who_holds_it_and_leaves_no_file(file):
    adapter, elsewhere = file.open(), file.open()
    save(adapter, Album(id="a"))

    with (
        adapter.ledger.lease("migrate/../x"),
        pytest.raises(LeaseError) as caught,
        elsewhere.ledger.lease("migrate/../x"),
    ):
        pass
    adapter.close()
    elsewhere.close()

    assert f"process {os.getpid()}" == caught.value.holder
    assert {"app.db"} == file.beside()
