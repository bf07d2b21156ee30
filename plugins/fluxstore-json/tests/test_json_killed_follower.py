"""kill -9 at every call of what a live migration does: all of a step is there, or nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import killed_follower
import pytest
from killed_follower import STEPS, open_adapter, snapshot
from killed_writer import row

CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "ftruncate,fallocate,flock,mkdir"
)
LANES = 2
MOST_CALLS = 2000
ORIGINAL = {"version": 3, "users": [row(f"old{number}") for number in range(4)]}

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to kill at a call"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def begin(folder):
    folder.mkdir()
    (folder / "users.json").write_text(json.dumps(ORIGINAL, indent=2))
    return folder


@pytest.fixture
def expected(tmp_path):
    """What there is before the first step, and after each."""
    adapter = open_adapter(begin(tmp_path / "whole"))
    found = [snapshot(adapter)]
    for step in STEPS:
        step(adapter)
        found.append(snapshot(adapter))
    adapter.close()
    return found


def killed_at(call, folder):
    """Kill the program at its *call*-th call; return its lines, ``None`` if it came to its end."""
    kill = ["-e", f"trace={CALLS}", "-e", f"inject={CALLS}:signal=KILL:when={call}"]
    command = [sys.executable, killed_follower.__file__, folder]
    ran = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *kill, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ran.stderr.strip() or "Killed" in ran.stderr, ran.stderr
    return None if "closed" in ran.stdout else ran.stdout.splitlines()


@pytest.mark.parametrize("lane", range(LANES))
def test_f02_a_step_of_a_live_migration_is_whole_or_not_at_all(lane, tmp_path, expected):
    killed = 0
    for call in range(1 + lane, MOST_CALLS, LANES):
        folder = begin(tmp_path / str(call))
        lines = killed_at(call, folder)
        if lines is None:
            break
        killed += 1
        done = sum(line.startswith("done") for line in lines)
        begun = sum(line.startswith("begin") for line in lines)
        for _ in range(2):
            adapter = open_adapter(folder)
            found = snapshot(adapter)
            adapter.close()
            assert found in expected[done : begun + 1], f"killed at call {call}: {lines}"
        assert 3 == json.loads((folder / "users.json").read_bytes())["version"]
        shutil.rmtree(folder)
    else:
        pytest.fail("the program never came to its end")
    assert killed > 20
