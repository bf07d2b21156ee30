"""What goes wrong with a file: each has its named error, and none leaves anything behind."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from fluxstore.adapter import Capability, Use
from fluxstore.errors import (
    AccessError,
    BackendUnavailableError,
    ConfigError,
    FluxstoreError,
    UnreadableRecordError,
)
from fluxstore.filesystems import network_file_system
from fluxstore.query import Query
from fluxstore.records import Intent
from fluxstore.testing.conformance.support import change, collection, count, put, save, values_of
from fluxstore.testing.entities import Album, Book
from fluxstore_sqlite.failures import Where, no_file
from fluxstore_sqlite.settings import EntitySettings, Settings

NOBODY = 65534


def test_a_locked_file_is_unavailable_after_the_timeout_and_not_before(file, other):
    adapter = file.open(timeout=timedelta(seconds=0.2))
    save(adapter, Album(id="a"))
    blocker = other()
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(
        BackendUnavailableError, match=f"is locked by process {os.getpid()}"
    ) as caught:
        save(adapter, Album(id="b"))
    assert values_of(adapter, Album, "a")["name"] == ""
    blocker.execute("ROLLBACK")
    save(adapter, Album(id="b"))

    assert ("app", 7) == (caught.value.backend, caught.value.exit_code)
    assert 2 == count(adapter, Album)


def test_a_thread_that_waits_for_another_is_told_so(file):
    adapter = file.open(timeout=timedelta(seconds=0.2))
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with adapter.transaction():
            inside.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    try:
        with pytest.raises(BackendUnavailableError, match=r"other threads wrote for 0\.2 s"):
            save(adapter, Album(id="a"))
    finally:
        done.set()
        holder.join()


def test_a_process_that_waits_for_another_is_told_which(file):
    first, second = file.open(), file.open(timeout=timedelta(seconds=0.2))
    words = f"held for 0.2 s by process {os.getpid()}"

    with first.transaction(), pytest.raises(BackendUnavailableError, match=words) as caught:
        save(second, Album(id="a"))

    assert "app" == caught.value.backend


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 5000]
)
@pytest.mark.parametrize("use", list(Use))
def test_what_is_no_database_is_refused_when_it_is_opened(file, content, use):
    file.path.write_bytes(content)

    with pytest.raises(UnreadableRecordError, match=r"is no SQLite database|is damaged") as caught:
        file.open(use=use)

    assert str(file.path) == caught.value.file
    assert content == file.path.read_bytes()


def test_a_damaged_page_is_named_and_never_read_as_data(file):
    adapter = file.open()
    save(adapter, *(Book(id=f"{n:04}", title="x" * 3000) for n in range(100)))
    adapter.close()
    with file.path.open("r+b") as stream:
        stream.seek(file.path.stat().st_size // 2 // 4096 * 4096)
        stream.write(b"\xa5" * 4096 * 20)

    damaged = file.open(use=Use.SOURCE)
    with pytest.raises(UnreadableRecordError, match=r"app\.db.*is damaged"):
        collection(damaged, Book).find(Query())
    assert any("is damaged" in finding.problem for finding in damaged.examine())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "path of a file expected"),
        (":memory:", "not a database in memory"),
        ("file:app.db", "not a database in memory or a URI"),
        ("~/app.db", "without ~"),
        ("a\0b", "path of a file expected"),
    ],
)
def test_a_path_that_cannot_be_meant_is_refused(path, words):
    with pytest.raises(ValueError, match=words):
        Settings(path=path)


@pytest.mark.parametrize("path", ["/", ".", "../data"])
def test_a_folder_is_no_file(file, path):
    with pytest.raises(ConfigError, match="is no file"):
        file.open(path=path)


def test_a_disk_that_is_read_only_is_said_to_be_so():
    error = no_file(OSError(errno.EROFS, os.strerror(errno.EROFS)), Where("sqlite", "/there.db"))

    assert isinstance(error, AccessError)
    assert "/there.db cannot be written (Read-only file system)" in str(error)


def test_two_entities_in_one_table_are_refused(file):
    with pytest.raises(ConfigError, match="books and albums have the same table"):
        file.open(of={"albums": EntitySettings(table="BOOKS")})


def test_a_column_of_a_field_that_is_none_is_refused(file):
    with pytest.raises(ConfigError, match=r"no field 'tittle'.*title"):
        file.open(of={"books": EntitySettings(columns={"tittle": "x"})})


def test_a_file_that_goes_away_is_not_made_again_silently(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    for path in file.path.parent.iterdir():
        path.unlink()

    for work in (lambda: values_of(adapter, Album, "a"), lambda: save(adapter, Album(id="b"))):
        with pytest.raises(BackendUnavailableError, match="was there and is gone"):
            work()
    assert not file.path.exists()


def test_a_file_that_is_replaced_is_read_anew(file):
    adapter = file.open()
    save(adapter, Album(id="a", name="old"))
    adapter.close()
    shutil.copy(file.path, file.path.with_name("copy.db"))
    adapter = file.open()
    save(adapter, Album(id="a", name="new"))

    for suffix in ("-wal", "-shm"):
        file.path.with_name(f"app.db{suffix}").unlink()
    file.path.with_name("copy.db").replace(file.path)

    assert "old" == values_of(adapter, Album, "a")["name"]
    save(adapter, Album(id="b"))
    assert [("a", "old"), ("b", "")] == file.run("SELECT id, name FROM albums ORDER BY id")


def left_by_a_crash(file, folder):
    """Return what is found of *file* where every process was killed now."""
    folder.mkdir()
    for path in file.path.parent.glob("app.db*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, folder)
    with closing(sqlite3.connect(folder / "app.db")) as driver:
        assert [("ok",)] == driver.execute("PRAGMA integrity_check").fetchall()
        return [key for (key,) in driver.execute("SELECT id FROM albums ORDER BY id")]


def test_f69_a_log_that_was_removed_loses_no_acknowledged_write(file, tmp_path):
    adapter, other = file.open(), file.open()
    save(adapter, Album(id="a"))
    save(other, Album(id="b"))
    log = file.path.with_name("app.db-wal")
    log.unlink()
    save(adapter, Album(id="c"))
    assert ["a", "b", "c"] == left_by_a_crash(file, tmp_path / "first")

    assert values_of(other, Album, "c") is not None
    save(other, Album(id="d"))
    with adapter.transaction():
        save(adapter, Album(id="e"))
        log.unlink()
    assert ["a", "b", "c", "d", "e"] == left_by_a_crash(file, tmp_path / "second")
    assert 5 == count(other, Album) == count(adapter, Album)


BEGINS_ANEW = """
import sqlite3, sys
driver = sqlite3.connect(sys.argv[1], isolation_level=None)
driver.execute("CREATE TABLE other (x)")
print("begun", flush=True)
sys.stdin.read()
"""


def test_f69_a_log_that_was_removed_and_begun_anew_is_noticed(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    for suffix in ("-wal", "-shm"):
        file.path.with_name(f"app.db{suffix}").unlink()
    with subprocess.Popen(
        [sys.executable, "-c", BEGINS_ANEW, file.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as foreign:
        assert b"begun\n" == foreign.stdout.readline()
        words = "app.db-wal was removed or replaced while it was open.*validate"
        with pytest.raises(BackendUnavailableError, match=words):
            save(adapter, Album(id="b"))
        foreign.communicate()


FULL_DISK = """
import resource, signal, sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from fluxstore.adapter import Opening
from fluxstore.errors import BackendUnavailableError
from fluxstore.testing.conformance.support import save, count
from fluxstore.testing.entities import ENTITIES, Book
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
adapter = SqliteAdapter(Opening("app", Settings(path=path.name), ENTITIES, {}, path.parent))
save(adapter, Book(id="before"))
room = path.with_name("app.db-wal").stat().st_size + 20000
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    save(adapter, *(Book(id=str(n), title="x" * 4000) for n in range(100)))
except BackendUnavailableError as error:
    print("refused:", error)
print("kept:", count(adapter, Book))
adapter.close()
"""


def test_a_write_that_the_disk_does_not_take_is_refused_and_the_others_are_kept(file):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, file.path], capture_output=True, check=True, text=True
    )
    refused, kept = done.stdout.splitlines()

    assert "nothing was changed" in refused
    acknowledged = int(kept.removeprefix("kept: "))
    assert 1 < acknowledged < 100
    assert acknowledged == count(file.open(), Book)
    assert [("ok",)] == file.run("PRAGMA integrity_check")


@contextmanager
def rights(*modes: tuple[Path, int]) -> Iterator[None]:
    """Give files other modes, and be a user who is held to them, while the context lasts."""
    before = [(path, path.stat().st_mode) for path, _ in modes]
    user = os.geteuid()
    for path, mode in modes:
        path.chmod(mode)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        for path, mode in before:
            path.chmod(mode)


@pytest.fixture
def shared(file_in, reachable_folder):
    """A closed file with one record, in a folder that other users reach."""
    made = file_in(reachable_folder)
    save(made.open(), Album(id="a", name="one"))
    made.opened[-1].close()
    made.run("PRAGMA journal_mode = delete")
    return made


def test_a_file_that_may_only_be_read_is_read_and_its_writes_are_refused(shared):
    with rights((shared.path, 0o444), (shared.path.parent, 0o555)):
        adapter = shared.open()
        assert "one" == values_of(adapter, Album, "a")["name"]
        with pytest.raises(AccessError, match=r"app\.db cannot be written"):
            save(adapter, Album(id="b"))
        found = [finding.problem for finding in adapter.examine() if finding.blocks]

    assert ["cannot be written", "takes no journal beside it"] == found
    assert [("a",)] == shared.run("SELECT id FROM albums")


def test_a_file_that_may_not_be_read_is_a_matter_of_rights(shared):
    with rights((shared.path, 0o000)), pytest.raises(AccessError, match=r"app\.db"):
        shared.open()


def test_a_folder_that_may_not_be_entered_is_a_matter_of_rights(shared):
    with rights((shared.path.parent, 0o000)), pytest.raises(AccessError, match=r"app\.db"):
        shared.open()


def test_a_closed_adapter_says_so(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    adapter.close()
    adapter.close()

    for work in (
        lambda: values_of(adapter, Album, "a"),
        lambda: save(adapter, Album(id="b")),
        lambda: adapter.ledger.control("albums"),
        adapter.differences,
    ):
        with pytest.raises(BackendUnavailableError, match="is closed"):
            work()


def test_a_refused_commit_leaves_the_next_one_alone(file):
    adapter = file.open()
    save(adapter, Album(id="a"))
    albums = collection(adapter, Album)

    with pytest.raises(FluxstoreError):
        albums.commit([change(Album, "a", name="x"), put(Album(id="a"), Intent.CREATE)])
    save(adapter, Album(id="b"))

    assert [("a", ""), ("b", "")] == file.run("SELECT id, name FROM albums ORDER BY id")


def test_a_network_file_system_is_refused_unless_it_is_accepted(file, monkeypatch):
    monkeypatch.setattr("fluxstore_sqlite.adapter.network_file_system", lambda folder: "nfs4")

    with pytest.raises(ConfigError, match=r"network file system \(nfs4\).*network_files = true"):
        file.open()
    save(file.open(network_files=True), Album(id="a"))
    assert network_file_system(file.path) == ""


def test_a_setting_that_may_lose_data_is_told_by_doctor_and_not_called_durable(file):
    adapter = file.open(synchronous="normal")

    assert Capability.DURABLE not in adapter.capabilities
    assert any("power cut" in finding.problem for finding in adapter.examine())
    assert Capability.DURABLE in file.open().capabilities
