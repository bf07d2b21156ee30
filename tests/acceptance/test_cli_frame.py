"""Every way in which a command line can be wrong, or stand in a bare environment.

``C01`` and so on are rows of the design's table of bad input.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from shell import COMMAND, environment, fluxstore
from trouble import one_line, troubled_project, troubled_site


@pytest.fixture
def site(tmp_path) -> Path:
    return troubled_site(tmp_path)


@pytest.fixture
def project(tmp_path) -> Path:
    return troubled_project(tmp_path)


def test_nothing_gives_help_and_2(tmp_path):
    """C01"""
    ran = fluxstore(folder=tmp_path)

    assert 2 == ran.returncode
    assert ran.stdout.startswith("Usage: fluxstore")


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["plugin"], "plugins"),
        (["migrat"], "migrate"),
        (["schema", "aply"], "apply"),
        (["migrate", "--form", "x"], "--from"),
        (["plugins", "--jsn"], "--json"),
    ],
)
def test_an_unknown_name_gives_2_and_a_suggestion(tmp_path, arguments, suggestion):
    """C02"""
    ran = fluxstore(*arguments, folder=tmp_path)

    assert 2 == ran.returncode
    assert suggestion in one_line(ran.stderr)


def test_from_and_to_must_differ(project):
    """C03"""
    ran = fluxstore("migrate", "--from", "one", "--to", "one", folder=project)

    assert 2 == ran.returncode
    assert "one" in one_line(ran.stderr)


@pytest.mark.parametrize("size", ["1", "10000"])
def test_output_into_a_closed_pipe_leaves_no_trace(tmp_path, size):
    """C10"""
    line = f"{COMMAND} plugins --help | head -c {size} > /dev/null; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=environment(), capture_output=True, check=True
    )

    assert b"" == ran.stderr
    assert b"0\n" == ran.stdout


@pytest.mark.parametrize("command", ["", "init", "migrate", "schema", "schema apply"])
def test_help_is_legible_at_20_columns_without_escape_codes(tmp_path, command):
    """C11"""
    bare = environment(LC_ALL="C", COLUMNS="20", TERM="dumb", NO_COLOR="1")
    ran = fluxstore(*command.split(), "--help", folder=tmp_path, env=bare)

    assert "\x1b" not in ran.stdout
    assert [] == [
        line for line in ran.stdout.splitlines() if len(line) > 20 and " " in line.strip()
    ]


def test_what_an_encoding_lacks_is_spelled_out(tmp_path, site):
    """C11"""
    ascii_only = environment(PYTHONPATH=str(site), PYTHONIOENCODING="ascii")
    ran = fluxstore("show", folder=tmp_path, env=ascii_only)

    assert "way: a -> b..." in ran.stdout.splitlines()


def test_control_characters_are_escaped(tmp_path, site):
    """I12"""
    ran = fluxstore("show", folder=tmp_path, env=environment(PYTHONPATH=str(site)))

    assert "red: \\x1b[31mred\\x1b[0m" in ran.stdout.splitlines()
    assert "turned: \\u202e" in ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["plugins"], 0),
        (["--version"], 0),
        (["plugins", "--help"], 0),
        ([], 2),
        (["plugin"], 2),
        (["plugins", "--jsn"], 2),
        (["doctor"], 3),
        (["migrate", "--from", "x", "--to", "x"], 3),
        (["crash"], 1),
    ],
)
def test_json_is_all_there_is_on_stdout(tmp_path, site, arguments, code):
    """C12"""
    env = environment(PYTHONPATH=str(site))
    ran = fluxstore(*arguments, "--json", folder=tmp_path, env=env)

    told = json.loads(ran.stdout)
    assert code == ran.returncode
    assert code == told.get("exit_code", 0)
    assert "error" not in told or told["error"]["message"] in ran.stderr


@pytest.mark.parametrize("home", [None, "/nonexistent", "/proc"])
def test_neither_home_nor_stdin_is_needed(tmp_path, home):
    """C14"""
    command = f"exec {COMMAND} plugins <&-"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment(HOME=home),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (ran.returncode, ran.stderr)


def test_closed_output_is_nobodys_file(tmp_path):
    ran = subprocess.run(
        ["bash", "-c", f"exec {COMMAND} plugins >&- 2>&-"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )

    assert 0 == ran.returncode


def test_a_full_disk_behind_stdout_is_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        ran = fluxstore("plugins", folder=tmp_path, stdout=full, stderr=subprocess.PIPE)

    assert 1 == ran.returncode
    assert "No space left" in one_line(ran.stderr)


@pytest.mark.parametrize("name", ["taskz", "tasks; DROP TABLE tasks", "x" * 10_000, "\x1b[31m"])
def test_an_unknown_entity_gives_2(project, name):
    """C22"""
    ran = fluxstore("migrate", "--from", "one", "--to", "two", "--entity", name, folder=project)

    assert 2 == ran.returncode
    assert 300 > len(one_line(ran.stderr))
    assert "tasks" in ran.stderr
    assert "\x1b" not in ran.stderr


def test_global_options_stand_before_or_after_the_command(project):
    for arguments in (["--json", "schema", "show"], ["schema", "--json", "show"]):
        ran = fluxstore(*arguments, folder=project)
        assert 2 == json.loads(ran.stdout)["exit_code"]
    before = fluxstore("--config", project / "x.toml", "doctor", folder=project)
    after = fluxstore("doctor", "--config", project / "x.toml", folder=project)

    assert "x.toml" in before.stderr
    assert before.stderr == after.stderr


def test_a_bug_is_one_line_and_its_traceback_is_for_debug(tmp_path, site):
    env = environment(PYTHONPATH=str(site))
    plain = fluxstore("crash", folder=tmp_path, env=env)
    debug = fluxstore("crash", "--debug", folder=tmp_path, env=env)

    assert (1, 1) == (plain.returncode, debug.returncode)
    assert "--debug" in one_line(plain.stderr)
    assert "Traceback" in debug.stderr


def test_the_version_needs_no_driver(tmp_path):
    code = (
        "import sys\n"
        "from fluxstore.cli.frame import run\n"
        "from fluxstore.cli.signals import Signals\n"
        "run(['--version'], Signals())\n"
        "print(*({'psycopg', 'sqlite_utils', 'rich', 'jinja2'} & set(sys.modules)))"
    )
    python = Path(COMMAND).with_name("python")
    ran = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert "" == ran.stdout.splitlines()[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(tmp_path, shell):
    env = environment(
        _FLUXSTORE_COMPLETE=f"complete_{shell}",
        COMP_WORDS="fluxstore mig",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="fluxstore mig",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    ran = fluxstore(folder=tmp_path, env=env)

    assert "migrate" in ran.stdout
