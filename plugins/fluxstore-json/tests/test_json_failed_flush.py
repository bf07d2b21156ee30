"""A commit whose flush fails has failed, also after the process died: nothing of it is left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from json_users import write_project

import fluxstore

MOST_FLUSHES = 40
STRACE = ("strace", "-f", "-qq", "-e", "trace=fdatasync", "-o")
PROGRAM = """
import os, signal
import fluxstore
from fluxstore.errors import BackendUnavailableError

store = fluxstore.open("fluxstore.toml")
users = store["users"]
for key in ("a", "b", "c"):
    try:
        users.create(users.entity.cls(id=key))
    except BackendUnavailableError as error:
        print(key, "nothing was changed" in str(error), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    print(key, "there", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def made(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "users.json").write_text(json.dumps({"users": []}))
    write_project(folder)
    return folder


def said_when(folder: Path, flush: int) -> tuple[dict[str, str], bool]:
    """Return what a program said whose *flush*-th flush failed, and whether there was one."""
    log = folder / "strace.log"
    inject = f"inject=fdatasync:error=EIO:when={flush}"
    done = subprocess.run(
        [*STRACE, str(log), "-e", inject, sys.executable, "-c", PROGRAM],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = dict(line.split() for line in done.stdout.splitlines())
    return lines, "INJECTED" in log.read_text()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.timeout(300)
def test_what_failed_is_not_there_after_a_restart(tmp_path):
    failed = 0
    for flush in range(1, MOST_FLUSHES):
        folder = made(tmp_path / str(flush))
        said, was_hit = said_when(folder, flush)
        if not was_hit:
            break
        with fluxstore.open(folder / "fluxstore.toml") as store:
            found = {one.id for one in store["users"].find()}
        failed += "True" in said.values()
        assert {key for key, told in said.items() if told == "there"} == found, (flush, said)

    assert failed
