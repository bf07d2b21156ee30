"""Backups: whole, verified, taken while others write, and put back in one piece."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from fluxstore.adapter import HasBackup
from fluxstore.errors import BackendUnavailableError, UnreadableRecordError
from fluxstore.testing.conformance.support import count, everything_in, save, values_of
from fluxstore.testing.entities import Album, Book


def test_a_backup_is_a_database_of_its_own_with_every_record(file, tmp_path):
    adapter = file.open()
    assert isinstance(adapter, HasBackup)
    save(adapter, Album(id="a", name="one"), Book(id="b"))

    made = adapter.backup(tmp_path / "backups")

    assert [made] == list((tmp_path / "backups").iterdir())
    with closing(sqlite3.connect(made)) as driver:
        assert ("delete",) == driver.execute("PRAGMA journal_mode").fetchone()
        assert [("a", "one")] == driver.execute("SELECT id, name FROM albums").fetchall()


def test_two_backups_have_names_of_their_own(file, tmp_path):
    adapter = file.open()
    save(adapter, Album(id="a"))

    assert 2 == len({adapter.backup(tmp_path / "backups") for _ in range(2)})


def test_a_backup_taken_among_writes_holds_one_moment(file, tmp_path):
    adapter = file.open()
    save(adapter, Album(id="n", name="0"), Book(id="n", title="0"))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with adapter.transaction():
                save(adapter, Album(id="n", name=str(number)), Book(id="n", title=str(number)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [adapter.backup(tmp_path / "backups") for _ in range(5)]
    finally:
        stop.set()
        writer.join()

    for path in made:
        with closing(sqlite3.connect(path)) as driver:
            (name,) = driver.execute("SELECT name FROM albums").fetchone()
            assert (name,) == driver.execute("SELECT title FROM books").fetchone()


def test_restoring_replaces_everything_for_everybody(file, tmp_path):
    adapter, elsewhere = file.open(), file.open()
    save(adapter, Album(id="a", name="one"))
    made = adapter.backup(tmp_path / "backups")
    save(adapter, Album(id="a", name="two"), Album(id="b"), Book(id="new"))
    assert 2 == count(elsewhere, Album)

    adapter.restore(made)

    assert {"a"} == set(everything_in(elsewhere, Album))
    assert "one" == values_of(adapter, Album, "a")["name"]
    assert 0 == count(adapter, Book)
    save(elsewhere, Album(id="c"))
    assert [("a",), ("c",)] == file.run("SELECT id FROM albums ORDER BY id")


def test_a_backup_is_restored_where_there_is_no_file_any_more(file, tmp_path):
    adapter = file.open()
    save(adapter, Album(id="a", name="one"))
    made = adapter.backup(tmp_path / "backups")
    adapter.close()
    file.path.unlink()

    adapter = file.open()
    adapter.restore(made)

    assert "one" == values_of(adapter, Album, "a")["name"]


def test_a_backup_that_is_not_good_is_refused_and_nothing_is_changed(file, tmp_path):
    adapter = file.open()
    save(adapter, Album(id="a"))
    made = adapter.backup(tmp_path / "backups")
    damaged = made.with_name("damaged.db")
    damaged.write_bytes(made.read_bytes()[:4096] + b"\xa5" * 8192 + made.read_bytes()[12288:])

    for path, words in ((damaged, "the backup is not good"), (tmp_path / "none", "no such backup")):
        with pytest.raises(UnreadableRecordError, match=words):
            adapter.restore(path)
    assert 1 == count(adapter, Album)


def test_where_there_is_nothing_there_is_no_backup(file, tmp_path):
    with pytest.raises(BackendUnavailableError, match="nothing to back up"):
        file.open().backup(tmp_path / "backups")
    assert not (tmp_path / "backups").exists()


def test_a_folder_that_cannot_be_made_is_named(file, tmp_path):
    adapter = file.open()
    save(adapter, Album(id="a"))
    (tmp_path / "backups").write_text("a file")

    with pytest.raises(BackendUnavailableError):
        adapter.backup(tmp_path / "backups")
