"""Plugins and configurations that are not as they should be.

``C04`` and so on are rows of the design's table of bad input.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from shell import environment, fluxstore, install_plugin
from trouble import CONFIG, one_line, troubled_project


@pytest.fixture
def project(tmp_path) -> Path:
    return troubled_project(tmp_path)


def test_a_backend_that_is_not_installed_gives_3_and_how_to_get_it(project):
    """C04"""
    ran = fluxstore("migrate", "--from", "one", "--to", "two", folder=project)

    assert 3 == ran.returncode
    assert "pip install fluxstore-nowhere" in one_line(ran.stderr)
    assert "installed: " in ran.stderr
    assert "sqlite" in ran.stderr


@pytest.mark.parametrize("command", ["assess", "migrate", "doctor", "schema show"])
def test_no_configuration_gives_3(tmp_path, command):
    """C05"""
    ran = fluxstore(*command.split(), folder=tmp_path)

    assert 3 == ran.returncode
    assert "fluxstore init" in one_line(ran.stderr)


@pytest.mark.parametrize(
    "source",
    ["raise RuntimeError('broken')", "import sys; sys.exit(3)", "import time; time.sleep(60)"],
    ids=["raises", "exits", "hangs"],
)
def test_a_broken_plugin_costs_one_warning(tmp_path, source):
    """C18"""
    install_plugin(tmp_path / "site", "broken", source)
    env = environment(PYTHONPATH=str(tmp_path / "site"))
    ran = fluxstore("plugins", folder=tmp_path, env=env)

    assert 0 == ran.returncode
    assert "plugin broken of fluxstore-broken does not load" in one_line(ran.stderr)
    assert "postgres" in ran.stdout


def test_two_plugins_of_one_name_are_both_named_and_neither_wins(tmp_path, project):
    """C19"""
    source = (
        "from fluxstore import hookimpl\n"
        "@hookimpl\n"
        "def fluxstore_register_adapters(register):\n    register('nowhere', object)\n"
    )
    for distribution in ("fluxstore-here", "fluxstore-there"):
        install_plugin(tmp_path / "site", "nowhere", source, distribution=distribution)
    env = environment(PYTHONPATH=str(tmp_path / "site"))
    ran = fluxstore("migrate", "--from", "one", "--to", "two", folder=project, env=env)

    assert 3 == ran.returncode
    assert "fluxstore-here" in one_line(ran.stderr)
    assert "fluxstore-there" in ran.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("T02", b"\xef\xbb\xbfentities = []"),
        ("T03", b"entities = []\nentities = []"),
        ("T06", b"x = " + b"[" * 2000),
        ("T07", b"x = " + b"9" * 5000),
        ("T17", "entities = [] # caf\u00e9".encode("latin-1")),
        ("T12", b'[backends.a]\nadapter = "json"\npath = "${NOT_SET_ANYWHERE}"'),
    ],
)
def test_a_bad_configuration_gives_3_and_its_path(tmp_path, name, content):
    file = tmp_path / "fluxstore.toml"
    file.write_bytes(content)
    ran = fluxstore("schema", "show", folder=tmp_path)

    assert 3 == ran.returncode
    assert str(file) in one_line(ran.stderr)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["directory", "fifo"])
def test_a_configuration_that_is_no_file_gives_3(tmp_path, make):
    """T01"""
    make(tmp_path / "fluxstore.toml")
    ran = fluxstore("doctor", folder=tmp_path)

    assert 3 == ran.returncode
    assert "fluxstore.toml" in one_line(ran.stderr)


def test_a_password_that_others_can_read_is_warned_about(project):
    """T16"""
    file = project / "fluxstore.toml"
    file.write_text(CONFIG + '[backends.db]\nadapter = "nowhere"\ndsn = "postgres://u:pw@h/d"\n')
    file.chmod(0o644)
    open_to_all = fluxstore("assess", "--from", "one", "--to", "two", folder=project)
    file.chmod(0o600)
    closed = fluxstore("assess", "--from", "one", "--to", "two", folder=project)

    assert "chmod 600" in open_to_all.stderr
    assert "chmod 600" not in closed.stderr
    assert "pw@" not in open_to_all.stderr
