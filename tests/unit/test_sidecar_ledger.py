"""The ledger beside files: what it keeps, who may write when, and what it does not believe."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxstore.adapter import Control, Cursor, Mark, Part
from fluxstore.entity import Entities, entity, entity_of
from fluxstore.errors import (
    BackendUnavailableError,
    LeaseError,
    StalePhaseError,
    UnreadableRecordError,
    UnsupportedError,
)
from fluxstore.ledger import Checkpoint, Intent, Pending, SidecarLedger, pending
from fluxstore.ledger.lock import KernelLock
from fluxstore.records import Problem, Reason, Rejected, Version


@entity("stones")
class Stone:
    id: str
    weight: int = 0


ENTITIES = Entities([entity_of(Stone)])
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
        ledger.submit(lambda tx, d=deleted: ledger.touch(tx, "stones", "a", epoch=4, deleted=d))

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
        lambda tx: ledger.remember(tx, op, "stones", {"a": None})
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


def test_a_writer_gives_up_in_time_and_says_who_holds_the_lock(tmp_path):
    ledger = open_ledger(tmp_path, lock_timeout_seconds=0.05)
    put(ledger, "a")
    holder = KernelLock(ledger.folder / "lock", what="lock")
    holder.acquire(1)

    with pytest.raises(BackendUnavailableError, match=f"held for 0.05 s by process {os.getpid()}"):
        put(ledger, "b")

    holder.release()
    put(ledger, "b")
    assert ["a", "b"] == waiting(ledger)
    ledger.close()


WRITER = """
import sys
from pathlib import Path
from fluxstore.entity import Entities
from fluxstore.ledger import Pending, SidecarLedger, pending

ledger = SidecarLedger(Path(sys.argv[1]), Entities())
for number in range(int(sys.argv[3])):
    row = Pending("stones", sys.argv[2] + str(number), b"", True)
    ledger.submit(lambda transaction: pending.put(transaction.connection, [row]))
ledger.close()
"""


def test_processes_take_turns(ledger, tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    children = [subprocess.Popen([*command, name, "100"]) for name in "abcd"]
    assert [0] * 4 == [child.wait(60) for child in children]

    assert 400 == len(waiting(ledger))


def test_a_forked_child_has_connections_of_its_own(ledger):
    put(ledger, "parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            put(ledger, "child")
            code = 0 if waiting(ledger) == ["parent", "child"] else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    put(ledger, "again")
    assert ["parent", "child", "again"] == waiting(ledger)


def test_read_only_nothing_is_written(tmp_path):
    writer = open_ledger(tmp_path)
    put(writer, "a")
    writer.close()
    before = {path.name: path.read_bytes() for path in (tmp_path / ".fluxstore").iterdir()}
    reader = open_ledger(tmp_path, read_only=True)

    assert ["a"] == waiting(reader)
    with pytest.raises(UnsupportedError, match="only to read"):
        put(reader, "b")
    reader.close()
    after = {path.name: path.read_bytes() for path in (tmp_path / ".fluxstore").iterdir()}
    assert before.items() <= after.items()


def spoil_pages(path):
    data = bytearray(path.read_bytes())
    data[4096 : 4096 + 2048] = b"\xff" * 2048
    path.write_bytes(data)


def put_back_an_older_copy(path):
    shutil.copy(path.with_name("older"), path)


SPOILT = {
    "bit flips": (spoil_pages, "damaged"),
    "cut": (lambda path: os.truncate(path, 5000), "damaged"),
    "zero length": (lambda path: os.truncate(path, 0), "is empty"),
    "deleted": (lambda path: path.unlink(), "is gone"),
    "no database": (lambda path: path.write_bytes(b"x" * 9000), "damaged"),
    "an older copy": (put_back_an_older_copy, "older copy"),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT)
def test_a_ledger_that_was_spoilt_is_noticed(spoil, words, tmp_path):
    ledger = open_ledger(tmp_path)
    put(ledger, "a")
    ledger.close()
    shutil.copy(ledger.path, ledger.path.with_name("older"))
    ledger.submit(ledger.next_generation)
    put(ledger, "b")
    ledger.close()

    spoil(ledger.path)

    with pytest.raises(UnreadableRecordError, match=words):
        waiting(open_ledger(tmp_path))
    with pytest.raises(UnreadableRecordError, match=words):
        put(open_ledger(tmp_path), "c")


def test_a_flipped_bit_in_a_change_is_noticed(ledger):
    put(ledger, "a", b"payload")
    ledger.close()
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("UPDATE pending SET payload = x'7061796c6f6164ff'")
    connection.close()

    with pytest.raises(UnreadableRecordError, match="damaged"):
        waiting(ledger)


def test_a_ledger_deleted_while_open_takes_no_more_writes(ledger):
    put(ledger, "a")
    ledger.path.unlink()

    with pytest.raises(UnreadableRecordError, match="deleted or replaced"):
        put(ledger, "b")


def test_a_maker_killed_before_the_end_leaves_no_ledger(ledger, tmp_path):
    ledger.folder.mkdir()
    (ledger.folder / "ledger.db.new").write_bytes(b"half")

    put(ledger, "a")

    assert ["a"] == waiting(ledger)
    assert not (ledger.folder / "ledger.db.new").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from fluxstore.entity import Entities
from fluxstore.errors import BackendUnavailableError
from fluxstore.ledger import Pending, SidecarLedger, pending

ledger = SidecarLedger(Path(sys.argv[1]), Entities())
put = lambda key, payload: ledger.submit(
    lambda tx: pending.put(tx.connection, [Pending("stones", key, payload, True)]))
put("before", b"")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    put("large", b"x" * 500_000)
except BackendUnavailableError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put("after", b"")
"""


def test_a_write_that_does_not_fit_has_no_effect_and_says_so(ledger, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert "nothing was changed" in done.stdout
    assert ["before", "after"] == waiting(ledger)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the fault")
@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_failing_fsync_ends_in_an_error_without_effect_or_in_success(when, ledger, tmp_path):
    put(ledger, "before")
    ledger.close()
    fault = f"inject=fsync,fdatasync:error=EIO:when={when}"
    strace = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", fault]
    command = [*strace, sys.executable, "-c", WRITER, str(tmp_path), "k", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode == 0) == ("k0" in waiting(ledger))
    assert done.returncode == 0 or "nothing was changed" in done.stderr
