"""kill -9 at every file system call of writes and checkpoints: old or new, whole, never lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import killed_writer
import pytest
from killed_writer import OPERATIONS, User, open_adapter, row

from fluxstore import entity_of
from fluxstore.records import Delete, Intent

CALLS = (
    "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "ftruncate,fallocate,flock,mkdir"
)
WRITER = killed_writer.__file__
LANES = 4
MOST_CALLS = 2000
USERS = [{**row(f"old{number}"), "undeclared": number} for number in range(3)]
SHAPES = {
    "array": USERS,
    "object": {
        one["id"]: {name: value for name, value in one.items() if name != "id"} for one in USERS
    },
}

pytestmark = [
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to kill at a call"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


def after(operations: int) -> dict[str, int]:
    """Return key to visits after the first *operations*."""
    state = {one["id"]: one["visits"] for one in USERS}
    for change in (change for changes in OPERATIONS[:operations] for change in changes):
        if isinstance(change, Delete):
            del state[change.key]
        elif change.intent is Intent.CHANGE:
            state[change.key] = change.values["visits"]
        else:
            state[change.key] = change.values["visits"]
    return state


def killed_at(call: int, folder: Path, shape: str) -> list[str] | None:
    """Run the writer and kill it at its *call*-th call; return its lines, ``None`` if it ended."""
    kill = ["-e", f"trace={CALLS}", "-e", f"inject={CALLS}:signal=KILL:when={call}"]
    ran = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *kill, sys.executable, WRITER, folder, shape],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 0:
        assert "closed" in ran.stdout
        return None
    assert not ran.stderr.strip() or "Killed" in ran.stderr, ran.stderr
    return ran.stdout.splitlines()


def states(lines: list[str]) -> list[dict[str, int]]:
    """Return the states that may be there after a writer said *lines* and was killed."""
    done = sum(line.startswith("done") for line in lines)
    begun = sum(line.startswith("begin") for line in lines)
    return [after(number) for number in range(done, begun + 1)]


def in_file(folder: Path) -> dict[str, int]:
    """Return what the file itself holds; it must be whole, and its wrapper must be there."""
    document = json.loads((folder / "users.json").read_bytes())
    assert 3 == document["version"]
    users = document["users"]
    found = users if isinstance(users, dict) else {one["id"]: one for one in users}
    kept = {key: one.get("undeclared") for key, one in found.items()}
    assert all(kept[key] == int(key[-1]) for key in kept if key.startswith("old"))
    assert not isinstance(users, dict) or all("id" not in one for one in users.values())
    return {key: one["visits"] for key, one in found.items()}


def through_adapter(folder: Path, shape: str) -> dict[str, int]:
    """Return what the adapter reads; closing it folds what was pending into the file."""
    adapter = open_adapter(folder, shape)
    try:
        page = adapter.collection(entity_of(User)).scan(None, 100)
        assert not page.rejected
        return {record.key: record.values["visits"] for record in page.records}
    finally:
        adapter.close()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lane", range(LANES))
def test_f01_a_killed_writer_loses_nothing_that_it_acknowledged(lane, shape, tmp_path):
    killed = 0
    for call in range(1 + lane, MOST_CALLS, LANES):
        folder = tmp_path / str(call)
        folder.mkdir()
        (folder / "users.json").write_text(
            json.dumps({"version": 3, "users": SHAPES[shape]}, indent=2)
        )
        lines = killed_at(call, folder, shape)
        if lines is None:
            break
        killed += 1
        assert in_file(folder) in [after(number) for number in range(len(OPERATIONS) + 1)]
        found = through_adapter(folder, shape)
        assert found in states(lines), f"killed at call {call}: {lines}"
        assert found == in_file(folder)
        assert ["users.json"] == [
            p.name for p in folder.iterdir() if not p.name.startswith(".flux")
        ]
        shutil.rmtree(folder)
    else:
        pytest.fail("the writer never came to its end")
    assert killed > 5
