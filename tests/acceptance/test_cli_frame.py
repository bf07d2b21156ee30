"""Every way in which a command line can be wrong, be stopped, or stand in a bare environment.

``C01`` and so on are rows of the design's table of bad input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from shell import COMMAND, begin, ended, environment, fluxstore, install_plugin, wait_for

COMMANDS = """
import pathlib, time
from fluxstore import hookimpl

@hookimpl
def fluxstore_register_commands(app):
    @app.command()
    def crash():
        raise ValueError("a surprise")

    @app.command()
    def wait(folder: pathlib.Path):
        (folder / "begun").touch()
        try:
            time.sleep(60)
        finally:
            (folder / "ending").touch()
            deadline = time.monotonic() + 60
            while not (folder / "go").exists() and time.monotonic() < deadline:
                time.sleep(0.01)

    @app.command()
    def patient(ctx: __import__("typer").Context, folder: pathlib.Path):
        with ctx.obj.signals.patient() as stop:
            (folder / "begun").touch()
            stop.wait(60)
            (folder / "stopped").touch()
            time.sleep(60 if (folder / "stay").exists() else 0)
        return {"stopped": stop.is_set()}

    @app.command()
    def show():
        return {"red": "\\x1b[31mred\\x1b[0m", "way": "a → b…", "turned": "\\u202e"}
"""
CONFIG = """
entities = ["entities"]
[backends.one]
adapter = "nowhere"
[backends.two]
adapter = "nowhere"
"""
ENTITIES = """
from fluxstore import entity

@entity("tasks")
class Task:
    id: str
"""


@pytest.fixture
def site(tmp_path) -> Path:
    """A folder of plugins, with commands that behave badly on purpose."""
    install_plugin(tmp_path / "site", "trouble", COMMANDS)
    return tmp_path / "site"


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "fluxstore.toml").write_text(CONFIG)
    (folder / "entities.py").write_text(ENTITIES)
    return folder


def one_line(text: str) -> str:
    assert 1 == text.count("\n"), text
    assert "Traceback" not in text
    return text


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


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 143),
    ],
)
def test_a_signal_ends_a_command_with_its_code_and_how_to_go_on(tmp_path, site, numbers, code):
    """C13"""
    (tmp_path / "go").touch()
    process = begin("wait", tmp_path, folder=tmp_path, env=environment(PYTHONPATH=str(site)))
    wait_for(tmp_path / "begun", process)
    process.send_signal(numbers[0])
    ended_with, _, errors = ended(process)

    assert code == ended_with
    assert f"to go on: fluxstore wait {tmp_path}" in one_line(errors)


def test_ctrl_c_twice_gives_130_and_no_traceback(tmp_path, site):
    """C13: the second one meets the clean-up of the first."""
    process = begin("wait", tmp_path, folder=tmp_path, env=environment(PYTHONPATH=str(site)))
    wait_for(tmp_path / "begun", process)
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "ending", process)
    process.send_signal(signal.SIGINT)
    code, _, errors = ended(process)

    assert 130 == code
    assert "to go on" in one_line(errors)


def test_the_first_ctrl_c_ends_the_batch_and_the_second_the_command(tmp_path, site):
    """C13"""
    (tmp_path / "stay").touch()
    process = begin("patient", tmp_path, folder=tmp_path, env=environment(PYTHONPATH=str(site)))
    wait_for(tmp_path / "begun", process)
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "stopped", process)
    process.send_signal(signal.SIGINT)
    code, _, errors = ended(process)

    assert 130 == code
    assert "once more stops at once" in errors
    assert "Traceback" not in errors


def test_nohup_stays_in_force(tmp_path, site):
    env = environment(PYTHONPATH=str(site))
    process = subprocess.Popen(
        ["nohup", COMMAND, "wait", str(tmp_path)],
        cwd=tmp_path,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    (tmp_path / "go").touch()
    wait_for(tmp_path / "begun", process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    code, _, _ = ended(process)

    assert 143 == code


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
        "print(*({'psycopg', 'sqlite_utils', 'rich', 'matplotlib'} & set(sys.modules)))"
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
