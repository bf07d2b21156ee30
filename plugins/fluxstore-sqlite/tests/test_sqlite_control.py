"""Control of a SQLite file: changed between writers, with what goes and comes with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import attrs
import pytest
from ruled import DUAL, FOLLOWER, govern

from fluxstore.adapter import Batch, Control, Cursor
from fluxstore.errors import LeaseError
from fluxstore.testing.conformance.support import (
    everything_in,
    save,
    values_of,
)
from fluxstore.testing.entities import Album, Person

# control under writers


WRITES = """
import sys
from pathlib import Path
from fluxstore.adapter import Opening
from fluxstore.testing.conformance.support import save
from fluxstore.testing.entities import ENTITIES, Album
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings

path = Path(sys.argv[1])
adapter = SqliteAdapter(Opening("app", Settings(path=path.name), ENTITIES, {}, path.parent))
with adapter.transaction():
    save(adapter, Album(id="inside"))
    print("inside", flush=True)
    sys.stdin.read()
"""


def test_f13_a_paused_writer_is_named_and_nothing_is_changed(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    govern(adapter, DUAL)
    sealed = Control(2, "sealed", "shadow", "m1")
    command = [sys.executable, "-c", WRITES, str(file.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        try:
            assert b"inside\n" == writer.stdout.readline()
            writer.send_signal(signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(LeaseError, match=f"process {writer.pid}") as caught:
                adapter.ledger.set_control("*", DUAL, sealed, patience_seconds=0.5)
            assert time.monotonic() - started < 5
            assert f"process {writer.pid}" == caught.value.holder
            assert DUAL == adapter.ledger.control("*")
        finally:
            writer.send_signal(signal.SIGCONT)
            writer.communicate()
    assert adapter.ledger.set_control("*", DUAL, sealed)
    assert {"a", "inside"} == set(everything_in(adapter, Album))


def test_a_program_that_knows_sqlite_only_is_named_too(file, other):
    adapter = file.open()
    save(adapter, Album(id="a"))
    blocker = other()
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(LeaseError, match="nothing was changed") as caught:
        adapter.ledger.set_control("*", None, DUAL, patience_seconds=0.3)
    blocker.execute("ROLLBACK")

    assert f"process {os.getpid()}" == caught.value.holder
    assert adapter.ledger.set_control("*", None, DUAL)


def test_writers_get_through_while_control_waits(file, other):
    adapter = file.open()
    save(adapter, Album(id="a"))
    inside, done = threading.Event(), threading.Event()
    outcomes: list[object] = []

    def hold():
        with adapter.transaction():
            inside.set()
            done.wait(10)

    def change():
        outcomes.append(adapter.ledger.set_control("*", None, DUAL, patience_seconds=20))

    threads = [threading.Thread(target=hold), threading.Thread(target=change)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    done.set()
    save(adapter, Album(id="b"))
    for thread in threads:
        thread.join(30)

    assert [True] == outcomes
    assert {"a", "b"} == set(everything_in(adapter, Album))


def test_purging_forgets_what_the_record_governs(file):
    adapter = file.open()
    govern(adapter, DUAL)
    govern(adapter, DUAL, "people")
    save(adapter, Album(id="a"), Person(id="p"))
    for name in ("albums", "people"):
        batch = Batch([], cursor=Cursor("m1", name, "1", "f"))
        govern(adapter, FOLLOWER, name)
        adapter.collection(adapter._tables.entities[name]).merge(batch)
    govern(adapter, None, "albums")
    adapter.ledger.set_fact("kept", {"x": [1, None]})

    assert adapter.ledger.set_control("*", DUAL, None, purge=True)

    assert {"people": FOLLOWER} == adapter.ledger.controls()
    assert [] == list(adapter.ledger.marks("albums", 9))
    assert {} == adapter.ledger.versions("albums", ["a"])
    assert None is adapter.ledger.cursor("m1", "albums")
    assert {"p"} == set(adapter.ledger.versions("people", ["p"]))
    assert None is not adapter.ledger.cursor("m1", "people")
    assert {"x": [1, None]} == adapter.ledger.fact("kept")
    assert "" == values_of(adapter, Album, "a")["name"]


def test_the_backlog_is_as_old_as_the_oldest_mark(file):
    adapter = file.open()
    govern(adapter, DUAL)
    save(adapter, Album(id="a"), Album(id="b"))
    file.run("UPDATE _fluxstore_outbox SET at = at - 100 WHERE key = 'a'")
    save(adapter, Album(id="a", name="again"))

    backlog = adapter.ledger.backlog("albums")
    assert 2 == backlog.marks
    assert 100 <= backlog.seconds < 160
    assert ["b", "a"] == [mark.key for mark in adapter.ledger.marks("albums", 9)]
    assert (0, 0.0) == attrs.astuple(adapter.ledger.backlog("people"))
