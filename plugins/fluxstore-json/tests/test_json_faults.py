"""Disks and folders that fail: a named error, no effect, nothing left; and what is not touched."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from fluxstore.adapter import Use
from fluxstore.errors import ConfigError, FluxstoreError, UnreadableRecordError
from fluxstore.records import Intent, Put
from fluxstore_json.settings import EntitySettings

PROGRAM = """
import sys
from pathlib import Path
from fluxstore import Entities, entity, entity_of
from fluxstore.adapter import Opening, Use
from fluxstore.errors import FluxstoreError
from fluxstore.records import Intent, Put
from fluxstore_json.adapter import JsonAdapter

@entity("users")
class User:
    id: str
    name: str = ""

settings = JsonAdapter.Settings(path=sys.argv[1], checkpoint=sys.argv[2])
own = {"users": JsonAdapter.EntitySettings(file="users.json", records="users")}
entities = Entities([entity_of(User)])
adapter = JsonAdapter(Opening("files", settings, entities, own, Path(), Use.SERVE))
users = adapter.collection(entities["users"])
try:
    users.commit([Put("a", {"name": "new"}, Intent.CHANGE)])
    print("done")
    adapter.close()
    print("closed")
except FluxstoreError as error:
    print("error", error)
"""
USERS = {"users": [{"id": "a", "name": "old"}, {"id": "b", "name": "b" * 3000}]}


def run(data, *prefix, checkpoint="1h", preexec=None):
    command = [*prefix, sys.executable, "-c", PROGRAM, str(data.path), checkpoint]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=preexec)


def name_of(data):
    _, users = data.serving("users")
    name = users.read(["a"])["a"].values["name"]
    data.close()
    return name


CALLS = ("pwrite64", "fsync", "fdatasync", "renameat2", "ftruncate")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the fault")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_failing_call_ends_in_success_or_in_an_error_without_effect(data, call, error):
    """F21, F24: each call of a kind fails once, from the first to the last one there is."""
    for when in range(1, 40):
        data.write("users.json", USERS)
        shutil.rmtree(data.path / ".fluxstore", ignore_errors=True)
        trace = ["strace", "-f", "-qq", "-o", str(data.folder / "trace"), "-e", f"trace={call}"]
        fault = f"inject={call}:error={error}:when={when}"
        done = run(data, *trace, "-e", fault, checkpoint="every write")
        if "INJECTED" not in (data.folder / "trace").read_text():
            assert when > 1
            break

        assert not done.stderr.strip() or "changes stay in the ledger" in done.stderr, done.stderr
        assert "done" in done.stdout or "error" in done.stdout
        assert name_of(data) == ("new" if "done" in done.stdout else "old"), (when, done.stdout)
        assert ["users.json"] == data.left()
        assert data.read("users.json")["users"][1] == USERS["users"][1]


def limited():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))


def test_a_short_write_is_never_seen(data):
    """F26: no file may grow beyond 2 KiB, so neither ledger nor file can be written."""
    data.write("users.json", USERS)

    done = run(data, preexec=limited)

    assert "error" in done.stdout
    assert "nothing was changed" in done.stdout
    assert USERS == data.read("users.json")
    assert ["users.json"] == data.left()
    shutil.rmtree(data.path / ".fluxstore")
    assert "old" == name_of(data)


def test_changes_wait_safely_while_the_file_cannot_be_written(data, monkeypatch, caplog):
    """The checkpoint fails, the commit does not: what was acknowledged is in the ledger."""
    from fluxstore_json import replacing

    def full(*_):
        raise OSError(28, "No space left on device")

    data.write("users.json", USERS)
    adapter, users = data.serving("users", checkpoint="every write")
    monkeypatch.setattr(replacing, "_write_all", full)
    users.commit([Put("a", {"name": "new"}, Intent.CHANGE)])
    assert "new" == users.read(["a"])["a"].values["name"]
    assert "no space left" in caplog.text
    with pytest.raises(FluxstoreError, match="no space left"):
        adapter.close()
    assert USERS == data.read("users.json")
    assert ["users.json"] == data.left()

    monkeypatch.undo()
    data.serving("users")[0].close()
    assert "new" == data.read("users.json")["users"][0]["name"]


# nothing outside the folder


@pytest.mark.parametrize("inside", ["users.json", "sub/users.json"])
def test_a_link_that_leads_outside_is_refused_and_untouched(data, inside):
    outside = data.folder / "outside"
    outside.mkdir()
    (outside / "users.json").write_text(json.dumps(USERS))
    shapes = {"users": EntitySettings(file=inside, records="users")}
    if "/" in inside:
        (data.path / "sub").symlink_to(outside)
    else:
        (data.path / "users.json").symlink_to(outside / "users.json")
    adapter = data.open(shapes=shapes)
    users = adapter.collection(data.entities["users"])

    with pytest.raises(UnreadableRecordError, match="leads out of the backend's folder"):
        users.scan(None, 5)
    with pytest.raises(UnreadableRecordError, match="leads out of the backend's folder"):
        users.commit([Put("a", {"id": "a"})])
    adapter.close()

    assert json.dumps(USERS) == (outside / "users.json").read_text()
    assert ["users.json"] == [path.name for path in outside.iterdir()]


def test_a_ledger_that_leads_outside_is_refused(data):
    (data.folder / "outside").mkdir()
    (data.path / ".fluxstore").symlink_to(data.folder / "outside")

    with pytest.raises(FluxstoreError):
        data.serving("users")[1].commit([Put("a", {"id": "a"})])

    assert [] == list((data.folder / "outside").iterdir())


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_refused_without_waiting(data, kind):
    import os

    target = data.path / "users.json"
    target.mkdir() if kind == "folder" else os.mkfifo(target)

    with pytest.raises(UnreadableRecordError, match="a file expected"):
        data.scan("users", Use.SERVE)


@pytest.mark.parametrize("path", ["/", "~", "", "data/users.json", "\0"])
def test_a_folder_that_cannot_be_meant_is_refused(data, path):
    data.write("users.json", USERS)

    with pytest.raises(ConfigError) as caught:
        data.open(path=path)
    assert "path" == caught.value.key


def test_a_source_that_is_not_there_is_refused(data):
    with pytest.raises(ConfigError, match="is not there"):
        data.open(Use.SOURCE, path="none")


def test_a_network_file_system_is_refused_unless_allowed(data, monkeypatch):
    from fluxstore_json import folder

    monkeypatch.setattr(folder, "network_file_system", lambda _: "nfs4")
    with pytest.raises(ConfigError, match="network file system"):
        data.open()

    adapter = data.open(network_files=True)
    assert any("nfs4" in found.problem for found in adapter.examine())


@pytest.mark.parametrize("setting", ["naming", "checkpoint"])
def test_a_setting_that_is_none_of_the_known_is_refused(data, setting):
    with pytest.raises(ConfigError) as caught:
        data.open(**{setting: "camelcase"})
    assert setting == caught.value.key


def test_strays_are_named_and_ignored(data):
    data.write("users.json", USERS)
    strays = ["users (1).json", "users.json.swp", "users.json.tmp", "users.json~"]
    for name in strays:
        data.write(name, "[")
    adapter, users = data.serving("users")

    assert strays == [
        found.subject.rpartition("/")[2]
        for found in adapter.examine()
        if "ignored" in found.problem
    ]
    users.commit([Put("a", {"name": "x"}, Intent.CHANGE)])
    adapter.close()
    assert sorted([*strays, "users.json"]) == data.left()
