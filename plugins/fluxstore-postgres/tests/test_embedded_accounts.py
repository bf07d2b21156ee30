"""Who runs the embedded server: root steps down, an ordinary user does it, nobody is let in."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from fluxstore_postgres.embedded import EmbeddedServer, accounts, locate, places

pytestmark = pytest.mark.postgres
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
NOBODY = 65534


def answer(conninfo: str, statement: str) -> object:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def said_as_nobody(act: Callable[[], object]) -> str:
    """What *act* returned or raised in a forked process of another user.

    A fork, because a new Python may lie where that user cannot reach it.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: forking beside threads
        pid = os.fork()
    if pid == 0:
        said = "nothing"
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            said = f"returned {act()}"
        except BaseException as error:  # noqa: BLE001 - told to the parent, which asserts
            said = repr(error)
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer_file:
        said = answer_file.read()
    os.waitpid(pid, 0)
    return said


@as_root
def test_another_users_data_is_refused(own_server: EmbeddedServer) -> None:
    own_server.start()
    own_server.stop()

    assert str(own_server.home) in said_as_nobody(own_server.start)


@as_root
def test_an_ordinary_user_has_a_server_which_root_runs_as_that_user(reachable_folder: Path) -> None:
    server = EmbeddedServer(reachable_folder / "postgres", durable=False)
    os.chown(reachable_folder, NOBODY, NOBODY)

    assert said_as_nobody(server.start) == f"returned {server.status().conninfo}"
    assert server.data.stat().st_uid == NOBODY
    assert answer(server.status().conninfo, "SELECT 1") == 1
    assert said_as_nobody(server.stop) == "returned None"

    with server:
        assert Path(f"/proc/{server.status().pid}").stat().st_uid == NOBODY
    assert said_as_nobody(server.remove) == "returned None"


@as_root
def test_a_closed_project_folder_stays_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    modes = {each: each.stat().st_mode for each in (closed, tmp_path, tmp_path.parent)}
    server = EmbeddedServer(closed / ".fluxstore" / "postgres", durable=False)
    with server:
        assert answer(server.status().conninfo, "SELECT 1") == 1
        elsewhere = server.data.resolve()
        assert server.data.is_symlink()
    server.remove()

    assert modes == {each: each.stat().st_mode for each in modes}
    assert not elsewhere.exists()


@as_root
def test_programs_out_of_reach_are_copied_once(
    reachable_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = reachable_folder / "closed"
    closed.mkdir(mode=0o700)
    original = locate()
    for part in original.parts:
        shutil.copytree(part, closed / part.relative_to(original.root), symlinks=True)
    bindir = closed / original.folder.relative_to(original.root)
    monkeypatch.setenv("FLUXSTORE_PG_BINDIR", str(bindir))
    monkeypatch.setattr(places, "STATE", reachable_folder / "state")

    with EmbeddedServer(reachable_folder / "postgres", durable=False) as server:
        assert server.binaries.folder == bindir
        assert answer(server.status().conninfo, "SELECT 1") == 1
    copies = list((reachable_folder / "state" / "binaries").iterdir())
    with server:
        assert list((reachable_folder / "state" / "binaries").iterdir()) == copies

    assert len(copies) == 1
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_data_of_a_temporary_project_that_is_gone_are_removed_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = []
    for name in ("gone", "there"):
        closed = tmp_path / name
        closed.mkdir(mode=0o700)
        home = closed / "postgres"
        home.mkdir()
        fresh = places.make_data_folder(home, accounts.account_for(home / "data"))
        boxes.append(fresh.resolve().parent)
        fresh.rename(home / "data")
    shutil.rmtree(tmp_path / "gone")
    young = [box.exists() for box in boxes]
    monkeypatch.setattr(places, "ORPHAN_SECONDS", -1.0)
    places._forget_orphans(boxes[0].parent)
    old = [box.exists() for box in boxes]
    places.forget(tmp_path / "there" / "postgres" / "data")

    assert young == [True, True]
    assert old == [False, True]
    assert not boxes[1].exists()
