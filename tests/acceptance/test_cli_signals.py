"""Ctrl-C, SIGTERM and SIGHUP, once and twice.

``C01`` and so on are rows of the design's table of bad input.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from shell import COMMAND, begin, ended, environment, wait_for
from trouble import one_line, troubled_site


@pytest.fixture
def site(tmp_path) -> Path:
    return troubled_site(tmp_path)


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
