"""The ledger beside files: what it keeps, who may write when, and what it does not believe."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxstore.adapter import Control, Cursor, Mark, Part
from fluxstore.entity import Entities, entity, entity_of
from fluxstore.errors import (
    LeaseError,
    StalePhaseError,
)
from fluxstore.ledger import Checkpoint, Intent, Pending, SidecarLedger, pending
from fluxstore.records import Problem, Reason, Rejected, Version


@entity("stones")
class Stone:
    id: str
    weight: int = 0


ENTITIES = Entities([entity_of(Stone)])
DUAL = Control(4, "authority", "dual_write", "m1")
AUTHORITY = Control(1, "authority", "dual_write", "m1")


def open_ledger(folder, **options):
    return SidecarLedger(folder, ENTITIES, **options)


@pytest.fixture
def ledger(tmp_path):
    made = open_ledger(tmp_path)
    yield made
    made.close()


def put(ledger, key, payload=b"{}", **facts):
    row = Pending("stones", key, payload, True, **facts)
    ledger.submit(lambda transaction: pending.put(transaction.connection, [row]))


def waiting(ledger, since=0):
    with ledger.reading() as connection:
        return [row.key for row in pending.since(connection, since)] if connection else None


def test_nothing_is_made_before_the_first_write(ledger, tmp_path):
    assert not ledger.exists()
    assert (None, [], None) == (
        ledger.control("stones"),
        ledger.marks("stones", 9),
        waiting(ledger),
    )
    assert [] == list(tmp_path.iterdir())


def test_control_is_compared_and_set(ledger):
    assert ledger.set_control("*", None, AUTHORITY)
    assert not ledger.set_control("*", None, Control(2, "sealed", "shadow", "m1"))
    assert AUTHORITY == ledger.control("stones")

    own = Control(3, "archived", "complete", "m1")
    assert ledger.set_control("stones", None, own)
    assert (own, AUTHORITY) == (ledger.control("stones"), ledger.control("others"))


def test_a_write_is_let_through_at_the_authority_only(ledger):
    assert ledger.submit(lambda tx: ledger.fence(tx, "stones")) is None
    ledger.set_control("*", None, AUTHORITY)
    assert AUTHORITY == ledger.submit(lambda tx: ledger.fence(tx, "stones"))

    ledger.set_control("*", AUTHORITY, Control(2, "follower", "live", "m1"))
    with pytest.raises(StalePhaseError, match="follower in epoch 2"):
        ledger.submit(lambda tx: ledger.fence(tx, "stones"))


def test_versions_grow_and_leave_marks_that_clear_only_while_they_are_the_same(ledger):
    for deleted in (False, True):
        ledger.submit(lambda tx, d=deleted: ledger.touch(tx, "stones", {"a": d}, DUAL))

    version = Version(4, 3, True)
    assert {"a": version} == ledger.versions("stones", ["a", "b"])
    assert ledger.versions("stones", ["a"])["a"].deleted
    assert [Mark("stones", "a", version)] == ledger.marks("stones", 5)
    assert 0 == ledger.clear([Mark("stones", "a", Version(4, 2))])
    assert 1 == ledger.clear([Mark("stones", "a", version)])
    assert [] == ledger.marks("stones", 5)


def test_an_operation_is_recognised_for_as_long_as_it_may_be_repeated(tmp_path):
    ledger = open_ledger(tmp_path, op_retention_seconds=-1)
    repeated = lambda op: ledger.submit(  # noqa: E731
        lambda tx: ledger.is_repeated(tx, op, "stones", ["a"])
    )
    remember = lambda op: ledger.submit(  # noqa: E731
        lambda tx: ledger.remember(tx, "stones", {"a": None}, [op])
    )
    remember("first")
    assert not repeated("first")  # swept at once: its time is up
    remember("second")
    assert repeated("second")
    ledger.close()


def test_cursors_quarantine_and_parts_come_back_as_they_were_given(tmp_path):
    cursor = Cursor("m1", "stones", "here", "f1", {"read": 3})
    rejected = [Rejected(Problem("stones", Reason.NUL, "text", key="k", file="f"), b"\x00raw")]
    parts = [Part("stones", "order", 0, ["b", "a"]), Part("stones", "wrapper", 0, {"v": [1.5]})]
    ledger = open_ledger(tmp_path)
    ledger.submit(lambda tx: ledger.save_cursor(tx, cursor))
    ledger.set_quarantine("stones", rejected)
    assert 2 == ledger.save_parts("stones", iter(parts))
    ledger.close()

    ledger = open_ledger(tmp_path)
    assert cursor == ledger.cursor("m1", "stones")
    assert rejected == ledger.quarantine("stones")
    assert parts == list(ledger.parts("stones"))
    ledger.drop_cursors("m1")
    assert ledger.cursor("m1", "stones") is None
    ledger.close()


def test_parts_are_written_only_where_they_differ(ledger):
    pieces = [Part("stones", "order", number, [str(number)]) for number in range(40)]
    ledger.save_parts("stones", pieces)

    assert 0 == ledger.save_parts("stones", pieces)
    changed = [*pieces[:20], Part("stones", "order", 20, ["new"])]
    assert 1 + 19 == ledger.save_parts("stones", changed)
    assert changed == list(ledger.parts("stones"))


def test_a_lease_excludes_others_and_names_the_holder(ledger, tmp_path):
    other = open_ledger(tmp_path)
    with ledger.lease("migrate"):
        with pytest.raises(LeaseError, match=f"process {os.getpid()}"), other.lease("migrate"):
            pass
        with other.lease("relay"):
            pass
    with other.lease("migrate"):
        pass
    other.close()


def test_pending_changes_checkpoints_and_intents_are_kept_with_each_other(ledger):
    put(ledger, "a", b"1")
    put(ledger, "b", b"2")
    put(ledger, "a", b"3", born=1)
    checkpoint = Checkpoint("f.json", 1, "id", "digest", 2)
    intent = Intent("f.json", ".f.tmp", 7, 8, "digest", 3)

    def work(transaction):
        pending.set_checkpoint(transaction.connection, checkpoint)
        pending.set_intent(transaction.connection, intent)
        pending.drop(transaction.connection, ["stones"], 2)

    ledger.submit(work)
    with ledger.reading() as connection:
        (row,) = pending.since(connection, 0)
        assert Pending("stones", "a", b"3", True, 1, None, None, 3) == row
        assert [row] == pending.of_keys(connection, "stones", ["a", "b"])
        assert [row] == pending.new(connection, "stones", 0, 5)
        assert {"f.json": checkpoint} == pending.checkpoints(connection)
        assert {"f.json": intent} == pending.intents(connection)
        assert (1, 3) == pending.count(connection, "stones")


def test_a_commit_of_another_is_noticed(ledger, tmp_path):
    other = open_ledger(tmp_path)
    put(ledger, "a")
    before = ledger.version()
    assert before == ledger.version()

    put(other, "b")

    assert before != ledger.version()
    other.close()


def test_one_failing_write_undoes_nothing_but_itself(ledger):
    barrier = threading.Barrier(8)

    def write(number):
        barrier.wait(10)

        def work(transaction):
            pending.put(transaction.connection, [Pending("stones", str(number), b"", True)])
            if number % 2:
                raise ValueError(number)

        ledger.submit(work)

    with ThreadPoolExecutor(8) as pool:
        failed = [type(job.exception()) for job in [pool.submit(write, n) for n in range(8)]]

    assert [type(None), ValueError] * 4 == failed
    assert ["0", "2", "4", "6"] == sorted(waiting(ledger))


def test_threads_share_commits(ledger):
    put(ledger, "first")
    commits, inside = [], threading.Event()

    def work(transaction):
        if not any(value is transaction for value in commits):
            commits.append(transaction)
        inside.wait(10)

    with ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(ledger.submit, work)]
        while not commits:
            pass
        jobs += [pool.submit(ledger.submit, work) for _ in range(15)]
        while len(ledger._writer._waiting) < 15:
            pass
        inside.set()
        for job in jobs:
            job.result(10)

    assert 2 == len(commits)


def test_a_thread_may_have_a_transaction_to_itself(ledger):
    def fail():
        with ledger.alone():
            put(ledger, "a")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert [] == waiting(ledger)

    with ledger.alone():
        put(ledger, "a")
        assert ["a"] == waiting(ledger)
        with ThreadPoolExecutor(1) as pool:
            assert [] == pool.submit(waiting, ledger).result(10)
        put(ledger, "b")
    assert ["a", "b"] == waiting(ledger)
