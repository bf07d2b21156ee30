"""kill -9 at the end of a migration: the old file or the new, and the next run finishes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from fluxstore import Entities, entity, entity_of
from fluxstore.adapter import Batch, Opening, Part, Use
from fluxstore.records import Record
from fluxstore_json.adapter import JsonAdapter

@entity("users")
class User:
    id: str
    name: str = ""

entities = Entities([entity_of(User)])
shape = JsonAdapter.EntitySettings(file="users.json", records="users", shape=sys.argv[2])
own = {"users": shape}
settings = JsonAdapter.Settings(path=sys.argv[1])
adapter = JsonAdapter(Opening("files", settings, entities, own, Path(), Use.TARGET))
users = adapter.collection(entities["users"])
adapter.prepare(list(entities.values()))
for start in range(0, 6, 3):
    keys = [f"u{number}" for number in range(start, start + 3)]
    users.merge(Batch([Record(key, {"id": key, "name": "new"}) for key in keys]))
users.merge(Batch((), deletes=["gone"]))
adapter.ledger.save_parts("users", [Part("users", "order", 0, ["u5", "u3", "u1", "old"])])
adapter.complete(list(entities.values()))
adapter.close()
print("done")
"""
BEFORE = {"v": 1, "users": [{"id": "old"}, {"id": "gone"}, {"id": "u0", "name": "x", "kept": 1}]}
SHAPES = {
    "array": BEFORE,
    "object": {"v": 1, "users": {"old": {}, "gone": {}, "u0": {"name": "x", "kept": 1}}},
}
ORDER = ["u5", "u3", "u1", "old", "u0", "u2", "u4"]
CALLS = "pwrite64,fsync,fdatasync,rename,renameat2,unlink,ftruncate,link"


def run(folder, shape, *prefix):
    return subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM, str(folder), shape],
        capture_output=True,
        text=True,
        check=False,
    )


def in_file(folder):
    """Return the file's document, the users as an array."""
    found = json.loads((folder / "users.json").read_text())
    if isinstance(found["users"], dict):
        found["users"] = [{"id": key, **one} for key, one in found["users"].items()]
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at a call")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lane", range(3))
def test_a_killed_completion_leaves_a_whole_file_and_is_finished_by_the_next(lane, shape, tmp_path):
    for when in range(1 + lane, 400, 3):
        folder = tmp_path / str(when)
        folder.mkdir()
        (folder / "users.json").write_text(json.dumps(SHAPES[shape]))
        kill = f"inject={CALLS}:signal=KILL:when={when}"
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}", "-e", kill]
        killed = run(folder, shape, *strace)
        found = in_file(folder)
        assert found == BEFORE or ORDER == [user["id"] for user in found["users"]]
        if killed.returncode == 0:
            return

        finished = run(folder, shape)
        assert "done" in finished.stdout, finished.stderr
        document = in_file(folder)
        assert (1, ORDER) == (document["v"], [user["id"] for user in document["users"]])
        assert ["new"] * 5 == [
            u["name"] for u in document["users"] if u["id"] in ORDER[:3] + ORDER[5:]
        ]
        names = [path.name for path in folder.iterdir() if path.name != ".fluxstore"]
        assert ["users.json"] == names
    pytest.fail("the migration never came to its end")
