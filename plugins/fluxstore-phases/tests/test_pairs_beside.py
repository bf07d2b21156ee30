"""The whole way and back under a running application, for every pair of kinds of backends."""

from __future__ import annotations

import threading
import time

import attrs
import pytest
from phase_changes import KINDS, Note, Team, ends, marks, postgres, records, texts, walk
from two_sided import Application, Load, append_in_process, wait_until

from fluxstore import entity_of
from fluxstore.codec import Codec
from fluxstore.errors import BackendUnavailableError, GateError, LeaseError
from fluxstore.testing import processes
from fluxstore_phases.phases import Side

SOURCE, TARGET = Side.SOURCE, Side.TARGET
PAIRS = (
    ("reference", "sqlite"),
    ("json", "sqlite"),
    ("sqlite", "json"),
    ("json", "postgres"),
    ("postgres", "json"),
    ("sqlite", "postgres"),
)


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request):
    return request.param


@pytest.fixture
def dsn(request, pair):
    return request.getfixturevalue("postgres_dsn") if "postgres" in pair else ""


@pytest.fixture
def application(tmp_path, pair, dsn):
    made = Application(tmp_path, *pair, dsn=dsn)
    made.configure()
    return made


@pytest.fixture
def sides(tmp_path, pair, dsn):
    one, two = [postgres(dsn) if kind == "postgres" else KINDS[kind] for kind in pair]
    with ends(tmp_path, one=one, two=two) as both:
        yield both.sides()


def settled(sides):
    wait_until(lambda: not marks(sides, sides.standing("*").holder))


def teams(sides, side):
    page = sides.adapter(side).collection(entity_of(Team)).scan(None, 100)
    same = Codec.of(entity_of(Team)).record_bytes
    return {record.key: same(record) for record in page.records}


def test_all_phases_there_and_back_under_load(application, sides):
    with application.open() as store:
        load = Load(store, ["w0", "w1"])
        with load.running():
            load.go_on()
            for number in (1, 3, 4, 3, 4, 5, 4, 3, 1, 0):
                walk(sides, number)
                load.go_on()
        load.judge()


def test_what_is_written_at_one_side_is_equal_at_the_other(application, sides):
    walk(sides, 3)
    with application.open() as store:
        store[Team].create(Team(id="a", name="A"))
        store[Team].update("a", name="B")
        store[Note].create(Note(id="gone"))
        store[Note].delete("gone")
        with store.transaction():
            store[Team].create(Team(id="b"))
            store[Note].create(Note(id="n", log=["1"]))
        settled(sides)
        assert teams(sides, SOURCE) == teams(sides, TARGET)
        assert records(sides, SOURCE) == records(sides, TARGET)
        walk(sides, 4)
        store[Team].update("a", name="C")
        store[Note].update("n", log=["1", "2"])
        settled(sides)
        assert teams(sides, SOURCE) == teams(sides, TARGET)
        assert records(sides, SOURCE) == records(sides, TARGET)
        assert {"n"} == set(texts(sides, SOURCE))


def test_several_processes_follow_a_cutover(application, sides):
    walk(sides, 3)
    jobs = attrs.evolve(application, heard=None)
    with application.open() as store:
        store[Note].create(Note(id="shared"))
    told = changing(sides, jobs)
    with application.open() as store:
        shared = store[Note].get("shared").log
        for worker, entries in told.items():
            assert entries == store[Note].get(worker).log
            assert entries == [entry for entry in shared if entry.startswith(f"{worker}:")]
        settled(sides)
        assert records(sides, SOURCE) == records(sides, TARGET)


def insist(sides, number):
    """Walk, again where a backend was too busy to be had, as an operator would."""
    until = time.monotonic() + 60
    while True:
        try:
            return walk(sides, number)
        except (GateError, LeaseError, BackendUnavailableError):
            if time.monotonic() > until:
                raise


def changing(sides, application):
    """Cut over and back while three processes append; return what each was told."""
    workers = ["p0", "p1", "p2"]
    answers = []
    arguments = [(application, worker, 25) for worker in workers]
    thread = threading.Thread(
        target=lambda: answers.extend(
            processes.run(append_in_process, arguments, timeout_seconds=90)
        )
    )
    thread.start()
    wait_until(lambda: "p0" in texts(sides, SOURCE), seconds=30)
    insist(sides, 4)
    insist(sides, 3)
    thread.join()
    return dict(zip(workers, answers, strict=True))
