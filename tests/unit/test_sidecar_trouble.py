"""The ledger in trouble: held locks, many processes, forks, damage, full and failing disks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from fluxstore.entity import Entities
from fluxstore.errors import BackendUnavailableError, UnreadableRecordError, UnsupportedError
from fluxstore.ledger import KernelLock, Pending, SidecarLedger, pending


def open_ledger(folder, **options):
    return SidecarLedger(folder, Entities(), **options)


@pytest.fixture
def ledger(tmp_path):
    made = open_ledger(tmp_path)
    yield made
    made.close()


def put(ledger, key, payload=b"{}"):
    row = Pending("stones", key, payload, fresh=True)
    ledger.submit(lambda transaction: pending.put(transaction.connection, [row]))


def waiting(ledger):
    with ledger.reading() as connection:
        return [row.key for row in pending.since(connection, 0)] if connection else None


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
    assert before == after


def test_a_reader_hears_who_begins_to_write(ledger, tmp_path):
    put(ledger, "a")
    ledger.close()
    reader = open_ledger(tmp_path, read_only=True)
    assert ["a"] == waiting(reader)

    put(ledger, "b")
    assert ["a", "b"] == waiting(reader)
    ledger.close()
    assert ["a", "b"] == waiting(reader)
    reader.close()


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
