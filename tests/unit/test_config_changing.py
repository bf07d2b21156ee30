"""One value of the configuration is changed, and nothing else in the file."""

from __future__ import annotations

import stat
import tomllib

import pytest

from fluxstore.config.changing import change

TEXT = """\
# what we move
entities = ["entities"]   # beside this file

[policy]
adapter = "phases"
phase = "off"             # desired
source = "json"

[policy.entities.tasks]   # goes ahead
phase = "shadow"
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "fluxstore.toml"
    path.write_text(TEXT, "utf-8")
    return path


def test_the_value_changes_and_every_comment_stays(file):
    assert change(file, ("policy", "phase"), "dual_write")

    assert TEXT.replace('"off" ', '"dual_write" ') == file.read_text("utf-8")


def test_a_value_that_is_there_already_writes_nothing(file):
    before = file.stat()

    assert not change(file, ("policy", "phase"), "off")
    assert before == file.stat()


def test_a_table_that_is_missing_is_made(file):
    change(file, ("policy", "entities", "notes", "phase"), "live")

    entities = tomllib.loads(file.read_text("utf-8"))["policy"]["entities"]
    assert {"tasks": {"phase": "shadow"}, "notes": {"phase": "live"}} == entities


def test_the_table_of_a_project_is_found(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "x"\n\n[tool.fluxstore.policy]\nphase = "off"\n')
    change(project, ("policy", "phase"), "live")

    assert "live" == tomllib.loads(project.read_text())["tool"]["fluxstore"]["policy"]["phase"]


def test_secrets_stay_readable_by_their_owner_only(file):
    file.chmod(0o600)
    change(file, ("policy", "phase"), "live")

    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_a_link_stays_a_link(file, tmp_path):
    link = tmp_path / "linked.toml"
    link.symlink_to(file)
    change(link, ("policy", "phase"), "live")

    assert link.is_symlink()
    assert 'phase = "live"' in file.read_text("utf-8")
