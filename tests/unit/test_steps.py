"""Schema steps: what a folder of numbered SQL files must look like, and what is still to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxstore.errors import PlanError
from fluxstore.steps import pending, read_steps

ONE = "-- The first.\nCREATE TABLE one (id text);\n"


def folder_of(path: Path, **files: str | bytes) -> Path:
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        (path / f"{name}.sql").write_bytes(data)
    return path


def test_steps_come_in_the_order_of_their_numbers(tmp_path):
    folder_of(tmp_path, **{"0010_ten": ONE, "0002_two": ONE, "0001_one": ONE})
    (tmp_path / "README.md").write_text("not a step")

    assert ["0001_one.sql", "0002_two.sql", "0010_ten.sql"] == [
        step.name for step in read_steps(tmp_path)
    ]


def test_line_ends_do_not_change_a_checksum(tmp_path):
    folder_of(tmp_path, **{"0001_one": ONE})
    (before,) = read_steps(tmp_path)
    folder_of(tmp_path, **{"0001_one": ONE.replace("\n", "\r\n")})

    assert (before,) == read_steps(tmp_path)


def test_a_step_says_in_its_header_that_it_needs_no_transaction(tmp_path):
    alone = "-- An index.\n-- fluxstore: no transaction\nCREATE INDEX CONCURRENTLY i ON one (id);\n"
    folder_of(tmp_path, **{"0001_one": ONE, "0002_two": alone})

    assert [True, False] == [step.in_transaction for step in read_steps(tmp_path)]


def test_only_what_has_not_run_is_pending(tmp_path):
    folder_of(tmp_path, **{"0001_one": ONE, "0002_two": ONE})
    first, second = read_steps(tmp_path)

    assert (first, second) == pending((first, second), {})
    assert (second,) == pending((first, second), {first.name: first.checksum})
    assert () == pending((first, second), {s.name: s.checksum for s in (first, second)})


def test_a_step_edited_after_it_ran_is_refused_by_name(tmp_path):
    folder_of(tmp_path, **{"0001_one": ONE, "0002_two": ONE})
    applied = {step.name: step.checksum for step in read_steps(tmp_path)}
    folder_of(tmp_path, **{"0001_one": ONE + "-- more\n"})

    with pytest.raises(PlanError, match=r"0001_one\.sql was edited after it ran"):
        pending(read_steps(tmp_path), applied)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no schema steps"),
        ({"one": ONE}, "no name of a schema step"),
        ({"0001_One": ONE}, "no name of a schema step"),
        ({"0001_one": "CREATE TABLE one (id text);"}, "does not begin with a comment"),
        ({"0001_one": ""}, "does not begin with a comment"),
        ({"0001_one": b"-- \xff"}, "is not UTF-8 at byte 4"),
        ({"0001_one": "-- a\0b"}, "holds a NUL character"),
        ({"0001_one": ONE, "0001_two": ONE}, "two steps 0001"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_the_file_named(tmp_path, files, words):
    with pytest.raises(PlanError, match=words):
        read_steps(folder_of(tmp_path, **files))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(PlanError, match="cannot be read: No such file or directory"):
        read_steps(tmp_path / "none")
