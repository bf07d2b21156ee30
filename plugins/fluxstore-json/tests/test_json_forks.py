"""A process that forks while its threads write: the child's store works, and so does the parent's.

SQLite keeps in memory which locks this process has; a child would inherit another thread's, and
nobody who lets it go.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from json_users import write_project

CHILDREN = 12
PROGRAM = """
import os, signal, sys, threading
import fluxstore

store = fluxstore.open("fluxstore.toml")
records = store["users"]
make = records.entity.cls
over = threading.Event()
begun = threading.Barrier(4)

def work(number):
    records.create(make(id=f"thread{number}"))
    begun.wait(30)
    count = 0
    while not over.is_set():
        count += 1
        records.update(f"thread{number}", name=str(count))
        records.get(f"thread{number}")

threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
begun.wait(30)
codes = []
for number in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        records.create(make(id=f"child{number}"))
        records.update(f"child{number}", name="there")
        os._exit(0 if records.get(f"child{number}").name == "there" else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
over.set()
for thread in threads:
    thread.join()
store.close()
print(codes)
"""


@pytest.mark.timeout(120)
def test_a_child_that_is_forked_while_threads_write_can_write(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "users.json").write_text('{"users": []}')
    write_project(tmp_path, 'checkpoint = "100ms"')

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(CHILDREN)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    written = json.loads((tmp_path / "data" / "users.json").read_bytes())["users"]

    assert (0, str([0] * CHILDREN)) == (done.returncode, done.stdout.strip()), done.stderr
    assert CHILDREN == sum(one["id"].startswith("child") for one in written)
