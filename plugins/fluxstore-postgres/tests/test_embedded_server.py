"""The embedded server's life: start, use, stop, crash, and everything that stands in its way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from fluxstore.errors import BackendUnavailableError, ConfigError
from fluxstore_postgres.embedded import EmbeddedServer, processes

pytestmark = pytest.mark.postgres

SCRIPT_THAT_USES = """
import sys
from pathlib import Path
from fluxstore_postgres.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), durable=False)
conninfo, use = server.use()
print(conninfo, flush=True)
sys.stdin.read()
server.release(use)
"""


def answer(conninfo: str, statement: str) -> object:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def wait_until(condition: Callable[[], bool], timeout_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"


def kill_hard(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not server.status().running)
    return pid


@pytest.fixture
def other_user_process() -> subprocess.Popen[str]:
    """A harmless process that is no postgres, for recycled pids."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    yield process
    process.communicate("\n")


def test_a_started_server_answers_and_a_stopped_one_is_gone(own_server: EmbeddedServer) -> None:
    conninfo = own_server.start()
    status = own_server.status()

    assert answer(conninfo, "SELECT 1") == 1
    assert status.running
    assert status.conninfo == conninfo
    assert own_server.binaries.version == status.version

    own_server.stop()

    assert not own_server.status().running
    assert status.socket_folder is not None
    assert not status.socket_folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(conninfo)


def test_data_outlives_a_restart(own_server: EmbeddedServer) -> None:
    with psycopg.connect(own_server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    own_server.stop()

    assert answer(own_server.start(), "SELECT answer FROM kept") == 42


def test_starting_and_stopping_twice_is_harmless(own_server: EmbeddedServer) -> None:
    assert own_server.start() == own_server.start()
    own_server.stop()
    own_server.stop()


def test_nothing_listens_on_the_network_and_text_is_by_code_point(
    own_server: EmbeddedServer,
) -> None:
    conninfo = own_server.start()

    assert answer(conninfo, "SHOW listen_addresses") == ""
    assert answer(conninfo, "SHOW server_encoding") == "UTF8"
    statement = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
    assert answer(conninfo, statement) == "C.UTF-8"
    assert answer(conninfo, "SHOW timezone") == "UTC"


def test_data_is_durable_unless_a_test_asks_otherwise(reachable_folder: Path) -> None:
    with EmbeddedServer(reachable_folder / "postgres") as server:
        assert answer(server.status().conninfo, "SHOW fsync") == "on"
        assert answer(server.status().conninfo, "SHOW full_page_writes") == "on"
        assert answer(server.status().conninfo, "SHOW synchronous_commit") == "on"


def test_only_its_user_can_enter_the_data_and_the_socket_folder(
    own_server: EmbeddedServer,
) -> None:
    own_server.start()
    status = own_server.status()

    assert status.socket_folder is not None
    assert status.socket_folder.stat().st_mode & 0o077 == 0
    assert own_server.data.stat().st_mode & 0o077 == 0
    assert own_server.log.stat().st_mode & 0o077 == 0
    assert own_server.home.stat().st_mode & 0o066 == 0


def test_a_long_path_is_no_obstacle_to_the_socket(reachable_folder: Path) -> None:
    home = reachable_folder / ("d" * 100) / ("e" * 100) / "postgres"

    with EmbeddedServer(home, durable=False) as server:
        assert answer(server.status().conninfo, "SELECT 1") == 1


def test_a_path_with_shell_characters_is_no_obstacle(reachable_folder: Path) -> None:
    home = reachable_folder / 'it\'s "my" $HOME `id` data' / "postgres"

    with EmbeddedServer(home, durable=False) as server:
        assert answer(server.status().conninfo, "SELECT 1") == 1


def test_pg_variables_of_the_caller_do_not_steer_the_server(
    own_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")

    conninfo = own_server.start()
    monkeypatch.undo()

    assert answer(conninfo, "SHOW port") == "5432"


def test_many_starters_at_once_make_one_server(reachable_folder: Path) -> None:
    home = reachable_folder / "postgres"
    servers = [EmbeddedServer(home, durable=False) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        conninfos = set(pool.map(EmbeddedServer.start, servers))

    pids = {server.status().pid for server in servers}
    servers[0].remove()

    assert len(conninfos) == 1
    assert len(pids) == 1
    assert None not in pids


def test_the_last_of_several_processes_stops_a_server_in_use(own_server: EmbeddedServer) -> None:
    command = [sys.executable, "-c", SCRIPT_THAT_USES, str(own_server.home)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    users = [subprocess.Popen(command, **pipes) for _ in range(3)]
    try:
        lines = {user.stdout.readline() for user in users if user.stdout}
        assert len(lines) == 1
        for user in users[:2]:
            user.communicate()
            assert own_server.status().running
        users[2].communicate()
    finally:
        for user in users:
            user.kill()
            user.communicate()

    assert not own_server.status().running


def test_a_killed_user_does_not_keep_the_server_for_ever(own_server: EmbeddedServer) -> None:
    command = [sys.executable, "-c", SCRIPT_THAT_USES, str(own_server.home)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as user:
        assert user.stdout is not None
        user.stdout.readline()
        user.kill()
    assert own_server.status().running

    _, use = own_server.use()
    own_server.release(use)

    assert not own_server.status().running


def test_a_server_that_was_started_by_name_stays_after_its_last_user(
    own_server: EmbeddedServer,
) -> None:
    own_server.start()
    _, use = own_server.use()
    own_server.release(use)

    assert own_server.status().running


def test_releasing_twice_does_not_let_go_of_another_users_server(
    own_server: EmbeddedServer,
) -> None:
    _, first = own_server.use()
    _, second = own_server.use()

    own_server.release(first)
    own_server.release(first)
    assert own_server.status().running

    own_server.release(second)
    assert not own_server.status().running


def test_a_killed_server_starts_again_with_its_committed_data(reachable_folder: Path) -> None:
    server = EmbeddedServer(reachable_folder / "postgres")
    with psycopg.connect(server.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    kill_hard(server)

    conninfo = server.start()
    found = answer(conninfo, "SELECT answer FROM kept")
    server.remove()

    assert found == 42


def test_a_pid_that_now_belongs_to_somebody_else_is_no_server(
    own_server: EmbeddedServer, other_user_process: subprocess.Popen[str]
) -> None:
    own_server.start()
    old_pid = kill_hard(own_server)
    pid_file = own_server.data / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    assert lines[0] == str(old_pid)
    pid_file.write_text("\n".join([str(other_user_process.pid), *lines[1:]]))

    assert not own_server.status().running
    own_server.stop()
    assert other_user_process.poll() is None
    assert answer(own_server.start(), "SELECT 1") == 1


def test_a_zombie_counts_as_ended(own_server: EmbeddedServer) -> None:
    own_server.start()
    kill_hard(own_server)
    pid_file = own_server.data / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        state = Path(f"/proc/{zombie.pid}/stat")
        wait_until(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "Z")
        lines = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(zombie.pid), *lines[1:]]))

        assert answer(own_server.start(), "SELECT 1") == 1


def test_an_interrupted_setup_is_begun_afresh(own_server: EmbeddedServer) -> None:
    half = own_server.home / "data.new" / "base"
    half.mkdir(parents=True)

    assert answer(own_server.start(), "SELECT 1") == 1


def test_a_folder_with_other_things_in_it_is_refused(reachable_folder: Path) -> None:
    (reachable_folder / "letters.txt").write_text("dear all")

    with pytest.raises(ConfigError, match=r"letters\.txt"):
        EmbeddedServer(reachable_folder).start()

    assert (reachable_folder / "letters.txt").read_text() == "dear all"


def test_a_start_that_fails_says_why_and_where_to_read_on(reachable_folder: Path) -> None:
    settings = {"shared_preload_libraries": "no_such_library"}
    server = EmbeddedServer(reachable_folder / "postgres", durable=False, settings=settings)

    with pytest.raises(BackendUnavailableError, match=r"did not start.*server\.log"):
        server.start()

    server.remove()


def test_status_makes_nothing(reachable_folder: Path) -> None:
    status = EmbeddedServer(reachable_folder / "postgres").status()

    assert not status.running
    assert list(reachable_folder.iterdir()) == []


def test_no_value_of_a_record_reaches_the_log(own_server: EmbeddedServer) -> None:
    with psycopg.connect(own_server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (email text PRIMARY KEY)")
        connection.execute("INSERT INTO t VALUES ('ada@example.org')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO t VALUES ('ada@example.org')")

    assert "duplicate key" in own_server.log.read_text()
    assert "ada@example.org" not in own_server.log.read_text()


def test_children_of_a_killed_server_are_noticed(own_server: EmbeddedServer) -> None:
    own_server.start()

    assert len(processes.leftovers(own_server.data)) > 1

    own_server.stop()

    assert processes.leftovers(own_server.data) == []
