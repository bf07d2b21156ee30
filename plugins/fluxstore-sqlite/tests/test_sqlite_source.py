"""A file opened as a source: nothing beside it is made, and nothing of it is missed."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from fluxstore.adapter import Use
from fluxstore.errors import (
    BackendUnavailableError,
    ConfigError,
    UnreadableRecordError,
    UnsupportedError,
)
from fluxstore.testing.conformance.support import collection, everything_in, save, values_of
from fluxstore.testing.entities import Album, Book


@pytest.fixture
def filled(file):
    adapter = file.open()
    save(adapter, Album(id="a", name="one"), Album(id="b", name="two"))
    adapter.close()
    return file


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_reading_a_source_leaves_every_byte_and_every_file_as_it_was(filled, journal):
    filled.run(f"PRAGMA journal_mode = {journal}")
    before, files = filled.path.read_bytes(), filled.beside()

    source = filled.open(use=Use.SOURCE)
    assert {"a", "b"} == set(everything_in(source, Album))
    assert source.examine() is not None
    during = filled.beside()
    source.close()

    assert (files, files) == (during, filled.beside())
    assert before == filled.path.read_bytes()


def test_a_source_takes_no_writes(filled):
    source = filled.open(use=Use.SOURCE)

    with pytest.raises(UnsupportedError, match="read only"):
        save(source, Album(id="c"))
    with pytest.raises(UnsupportedError), source.transaction():
        pass
    with pytest.raises(UnsupportedError):
        source.prepare([])


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_what_others_write_meanwhile_is_seen(filled, other, journal):
    filled.run(f"PRAGMA journal_mode = {journal}")
    source = filled.open(use=Use.SOURCE)
    assert values_of(source, Album, "a")["name"] == "one"

    writer = other()
    writer.execute("UPDATE albums SET name = 'during' WHERE id = 'a'")
    assert values_of(source, Album, "a")["name"] == "during"
    writer.execute("UPDATE albums SET name = 'after' WHERE id = 'a'")
    writer.close()

    assert values_of(source, Album, "a")["name"] == "after"


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_reader_of_a_busy_source_sees_whole_commits_only(filled, other, journal):
    filled.run(f"PRAGMA journal_mode = {journal}")
    writer, stop = other(), threading.Event()
    writer.execute("PRAGMA busy_timeout = 5000")
    source = filled.open(use=Use.SOURCE)

    def look() -> None:
        while not stop.is_set():
            names = {one.values["name"] for one in everything_in(source, Album).values()}
            torn.extend([names] if len(names) > 1 and names != {"one", "two"} else [])

    torn: list[set[str]] = []
    reader = threading.Thread(target=look)
    reader.start()
    for n in range(100):
        writer.execute(f"UPDATE albums SET name = 'n{n}'")
    stop.set()
    reader.join()

    assert [] == torn
    assert values_of(source, Album, "b")["name"] == "n99"


def test_a_snapshot_of_a_quiet_source_is_given_up_where_it_is_written_to(filled, other):
    source = filled.open(use=Use.SOURCE)

    with source.snapshot():
        before = everything_in(source, Album)
        assert before == everything_in(source, Album)
        writer = other()
        writer.execute("UPDATE albums SET name = 'during'")
        with pytest.raises(BackendUnavailableError, match="was changed while it was read"):
            values_of(source, Album, "a")
    with source.snapshot():
        assert values_of(source, Album, "a")["name"] == "during"
        writer.execute("UPDATE albums SET name = 'after'")
        assert values_of(source, Album, "b")["name"] == "during"


def test_a_missing_file_is_refused_when_it_is_opened(file):
    with pytest.raises(ConfigError, match=r"app\.db: no such file"):
        file.open(use=Use.SOURCE)
    assert set() == file.beside()


def test_an_empty_file_is_no_database(file):
    file.path.touch()
    with pytest.raises(UnreadableRecordError, match=r"empty \(0 bytes\)"):
        file.open(use=Use.SOURCE)


def test_a_missing_table_is_an_error_and_not_an_empty_one(file):
    file.run("CREATE TABLE something (id TEXT)")
    source = file.open(use=Use.SOURCE)
    books = collection(source, Book)

    for ask in (lambda: books.scan(None, 1), lambda: books.read(["a"]), books.size):
        with pytest.raises(ConfigError, match="no table books"):
            ask()


DIES_WHILE_IT_COMMITS = """
import os, sqlite3, sys
driver = sqlite3.connect(sys.argv[1], isolation_level=None)
driver.execute("PRAGMA cache_size = 1")
driver.execute("BEGIN")
driver.execute("UPDATE albums SET name = hex(randomblob(20000))")
os._exit(0)
"""


def test_what_a_killed_writer_left_half_done_is_never_read(filled):
    filled.run("PRAGMA journal_mode = delete")
    subprocess.run([sys.executable, "-c", DIES_WHILE_IT_COMMITS, filled.path], check=True)
    assert "app.db-journal" in filled.beside()
    before = filled.path.read_bytes()

    with pytest.raises(UnreadableRecordError, match="a writer died in the middle"):
        filled.open(use=Use.SOURCE)
    assert before == filled.path.read_bytes()

    filled.run("SELECT count(*) FROM albums")
    assert "one" == values_of(filled.open(use=Use.SOURCE), Album, "a")["name"]
