"""``demo``: the whole story, told to the end, with nothing left running and nothing touched."""

from __future__ import annotations

import json

import pytest
from shell import environment, fluxstore

from fluxstore_postgres.embedded import EmbeddedServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]
SECONDS = 60
STORY = ["init", "assess", "migrate", "validate", "validate", "repair", "repair", "validate"]


def test_the_story_is_told_to_its_end(reachable_folder):
    folder = reachable_folder / "demo"
    ran = fluxstore("demo", "--into", folder, "--records", "1000", folder=reachable_folder)

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert "" == ran.stderr
    assert "every document is what it was before the loss" in ran.stdout
    assert all(
        word in ran.stdout for word in ("What happened", "Where to look", "What to try next")
    )
    assert not EmbeddedServer(folder / ".fluxstore" / "postgres").status().running


def test_every_step_is_a_command_with_its_exit_code(reachable_folder):
    ran = fluxstore("demo", "--into", "demo", "--records", "300", "--json", folder=reachable_folder)
    told = json.loads(ran.stdout)
    steps = [(one["command"].split()[1], one["exit_code"]) for one in told["steps"]]

    assert [*STORY, "rollback"] == [name for name, _ in steps]
    assert [0, 0, 0, 0, 5, 5, 0, 0, 0] == [code for _, code in steps]
    assert SECONDS > told["seconds"]


def test_the_users_database_is_not_its_business(reachable_folder):
    theirs = environment(DATABASE_URL="postgresql://me:pw@127.0.0.1:1/mine?connect_timeout=1")
    ran = fluxstore(
        "demo", "--into", "demo", "--records", "300", folder=reachable_folder, env=theirs
    )

    assert 0 == ran.returncode, ran.stdout + ran.stderr


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    ran = fluxstore("demo", "--into", "mine", folder=tmp_path)

    assert 2 == ran.returncode
    assert ["file"] == [path.name for path in (tmp_path / "mine").iterdir()]
