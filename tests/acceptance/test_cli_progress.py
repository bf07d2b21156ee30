"""Progress as people see it: on a terminal, on a dumb one, into a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import environment, fluxstore, install_plugin
from terminal import on_a_terminal

SECONDS = 2.6
SOURCE = f"""
import time
from fluxstore import hookimpl
from fluxstore.cli.progress import reporting
from fluxstore.migration.progress import Progress

@hookimpl
def fluxstore_register_commands(app):
    import typer

    @app.command()
    def work(ctx: typer.Context):
        begun = time.monotonic()
        with reporting(ctx.obj) as tell:
            while (gone := time.monotonic() - begun) < {SECONDS}:
                done, left = gone / {SECONDS}, {SECONDS} - gone
                tell(Progress("copy", "tasks", int(gone * 1000), gone, 1000.0, done, left))
                time.sleep(0.05)
        return {{"done": True}}
"""


@pytest.fixture
def site(tmp_path) -> Path:
    install_plugin(tmp_path / "site", "busy", SOURCE)
    return tmp_path / "site"


def test_a_terminal_shows_rate_and_time_left_all_along(tmp_path, site):
    code, written = on_a_terminal(
        tmp_path, "work", PYTHONPATH=str(site), TERM="xterm-256color", NO_COLOR=None, COLUMNS="100"
    )

    assert 0 == code
    assert {"copy tasks", "1,000/s"} <= {w for w in ("copy tasks", "1,000/s") if w in written}
    assert 3 <= len({line for line in written.replace("\r", "\n").split("\n") if "left" in line})


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": None}])
def test_a_plain_terminal_shows_the_same_without_escape_codes(tmp_path, site, changes):
    plain = {"TERM": "xterm-256color", "COLUMNS": "60", "PYTHONPATH": str(site), **changes}
    _, written = on_a_terminal(tmp_path, "work", **plain)

    assert "\x1b" not in written
    assert 3 <= len([part for part in written.split("\r") if "1,000/s" in part])
    assert [] == [part for part in written.split("\r") if len(part.strip("\n")) > 60]


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_no_progress_where_none_is_wanted(tmp_path, site, option):
    _, written = on_a_terminal(tmp_path, "work", option, PYTHONPATH=str(site), TERM="xterm")

    assert "copy tasks" not in written


def test_no_progress_into_a_file_within_ten_seconds(tmp_path, site):
    ran = fluxstore("work", folder=tmp_path, env=environment(PYTHONPATH=str(site)))

    assert ("", "done: True\n") == (ran.stderr, ran.stdout)
