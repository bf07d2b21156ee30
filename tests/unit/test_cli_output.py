"""Small parts of the command line: tables, encodings, numbers in words, exit codes, questions."""

from __future__ import annotations

import io
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from fluxstore.cli import asking, exits, files, flags, history, options, render, status
from fluxstore.cli.precautions import exposed_secret
from fluxstore.cli.progress import Lines
from fluxstore.errors import UsageError
from fluxstore.migration.progress import Progress

PROGRESS = Progress("copy", "tasks", 1200, 3.0, 400.0, 0.25, 9.0)


class Stream(io.StringIO):
    encoding = "ascii"

    def isatty(self) -> bool:
        return False


def test_a_table_stands_in_columns_where_there_is_room(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    assert ["name  count", "a     1,234", "b         –"] == render.table(
        ("name", "count"), [["a", 1234], ["b", None]]
    )


def test_a_table_stacks_where_there_is_none(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    rows = [["a" * 10, "b" * 15]]

    assert ["a" * 10, f"  second: {'b' * 15}"] == render.table(("first", "second"), rows)


def test_a_table_without_rows_is_nothing():
    assert [] == render.table(("a",), [])


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("a → b…", "utf-8", "a → b…"),
        ("a → b…", "ascii", "a -> b..."),
        ("é", "ascii", "\\xe9"),
        ("é", "latin-1", "é"),
        ("→ 名", "latin-1", "-> \\u540d"),
        ("x", None, "x"),
    ],
)
def test_text_fits_any_encoding(text, encoding, shown):
    assert shown == render.plain(text, encoding)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_words(seconds, words):
    assert words == render.duration(seconds)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (1023, "1023 B"), (4200, "4.1 KiB"), (2**31, "2.0 GiB"), (2**42, "4.0 TiB")],
)
def test_sizes_are_words(number, words):
    assert words == render.size(number)


@pytest.mark.parametrize(
    ("codes", "code"),
    [((), 0), ((0, 5, 4), 4), ((4, 6, 5), 6), ((3, 7), 7), ((8, 7), 8), ((3, 5), 5), ((2, 3), 3)],
)
def test_the_worst_of_several_exit_codes_is_given(codes, code):
    assert code == exits.worst(codes)


def test_every_exit_code_has_a_meaning():
    assert set(exits.WORST_FIRST) | {exits.INTERRUPTED, exits.TERMINATED} == set(exits.MEANINGS)


def test_a_question_needs_somebody_to_answer(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)

    with pytest.raises(UsageError, match="--force"):
        asking.confirm("Replace", yes=False, option="--force")
    asking.confirm("Replace", yes=True, option="--force")


@pytest.mark.parametrize(
    ("read", "dual", "phase"),
    [
        ("", "", "off"),
        ("false", "0", "off"),
        ("0", "true", "dual_write"),
        ("TRUE", "yes", "live"),
    ],
)
def test_two_flags_mean_a_phase(read, dual, phase):
    assert phase == flags.phase({flags.READ: read, flags.DUAL: dual})


def test_the_fourth_combination_of_flags_is_refused():
    """Regression 4."""
    with pytest.raises(UsageError, match="nobody would see"):
        flags.phase({flags.READ: "true"})


def test_a_flag_that_is_neither_true_nor_false_is_refused():
    with pytest.raises(UsageError, match="write true or false"):
        flags.phase({flags.READ: "maybe"})


def test_files_are_written_together_or_not_at_all(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    other.write_text("mine")

    with pytest.raises(UsageError, match="other: already there"):
        files.write_together({one: "1", other: "2"})
    assert not one.exists()
    assert "mine" == other.read_text()


def test_what_is_replaced_is_kept(tmp_path):
    path = tmp_path / "one"
    for text in ("first", "second", "third"):
        files.write_together({path: text}, force=True)

    assert "third" == path.read_text()
    assert ["first", "second"] == [(tmp_path / f"one.old{n}").read_text() for n in (1, 2)]


def test_the_same_text_again_is_no_change(tmp_path):
    path = tmp_path / "one"
    files.write_together({path: "text"})
    before = path.stat()

    assert [f"{path}: unchanged"] == files.write_together({path: "text"})
    assert (before.st_ino, before.st_mtime_ns) == (path.stat().st_ino, path.stat().st_mtime_ns)


def test_a_written_file_has_usual_rights(tmp_path):
    files.write_whole(tmp_path / "one", "text")
    umask = os.umask(0)
    os.umask(umask)

    assert 0o666 & ~umask == stat.S_IMODE((tmp_path / "one").stat().st_mode)


@pytest.mark.parametrize(
    ("line", "exposed"),
    [
        ('dsn = "postgres://me:secret@host/db"', True),
        ('dsn = "host=x password=secret"', True),
        ('password = "secret"', True),
        ('dsn = "${DATABASE_URL}"', False),
        ('dsn = "postgres://me:${PW}@host/db"', False),
        ('dsn = "host=x password=${PW}"', False),
        ('# password = "secret"', False),
        ('path = "passwords"', False),
    ],
)
def test_a_password_in_an_open_file_is_noticed(tmp_path, line, exposed):
    file = tmp_path / "fluxstore.toml"
    file.write_text(f"entities = []\n{line}\n")
    file.chmod(0o644)

    assert exposed == bool(exposed_secret(file))
    file.chmod(0o600)
    assert "" == exposed_secret(file)


def test_progress_is_one_line_with_rate_and_time_left():
    stream = Stream()
    Lines(stream, 0, over_each_other=False).tell(PROGRESS)

    assert "copy tasks, 1,200 records, 400/s, 25%, 9.0 s left\n" == stream.getvalue()


def test_progress_keeps_quiet_in_between():
    stream = Stream()
    Lines(stream, 60, over_each_other=False).tell(PROGRESS)

    assert "" == stream.getvalue()


def test_progress_over_itself_leaves_an_empty_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Stream()
    lines = Lines(stream, 0, over_each_other=True)
    lines.tell(PROGRESS)
    lines.end()

    assert "\rcopy tasks, 1,200 r\r                   \r" == stream.getvalue()


def test_what_was_done_is_remembered(tmp_path):
    made = history.Event("migrate", "a-to-b-1", "a", "b", datetime.now(UTC), 0, "3 records read")
    earlier = history.Event(
        "assess", "a-to-b-1", "a", "b", datetime.now(UTC) - timedelta(hours=1), 0, "0 problems"
    )
    history.remember(tmp_path, earlier)
    history.remember(tmp_path, made)
    (tmp_path / history.FOLDER / "history" / "spoilt.json").write_text("{")

    assert [made, earlier] == history.events(tmp_path)


def test_every_remembered_outcome_has_a_next_step():
    for (command, code), step in status._AFTER.items():
        assert code in exits.MEANINGS
        assert step.format(command=command, options="--from a --to b", target="b")


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_help_rows_fit_the_terminal(columns):
    rows = [("--from BACKEND", "The source of a migration; default: what the policy says.")]

    assert all(len(line) <= columns for line in options._definitions(rows, columns))
