"""A connection that dies in COMMIT: the server is asked what came of it, and believed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fluxstore.entity import entity_of
from fluxstore.errors import BackendUnavailableError, FluxstoreError, OutcomeUnknown
from fluxstore.records import Delete, Intent, Put
from fluxstore.testing.entities import Album
from fluxstore.testing.proxy import Place, Proxy
from fluxstore_postgres.embedded import EmbeddedServer, processes

pytestmark = pytest.mark.postgres
ALBUMS = entity_of(Album)
SHORT = timedelta(seconds=2)


def album(key: str, intent: Intent = Intent.CREATE) -> Put:
    return Put(key, {"id": key, "name": ""}, intent)


def quit_at_once(server: EmbeddedServer) -> None:
    """Let a server end without a checkpoint, as ``pg_ctl stop --mode=immediate`` does."""
    live = processes.live_postmaster(server.data)
    assert live is not None
    os.kill(live.pid, signal.SIGQUIT)
    deadline = time.monotonic() + 30
    while processes.leftovers(server.data):
        assert time.monotonic() < deadline


def quit_and_start(server: EmbeddedServer) -> None:
    """Let a server end at once and come back."""
    quit_at_once(server)
    server.start()


def kill_a_process(server: EmbeddedServer) -> None:
    """Let one process of a server die: its first process ends the others and starts them anew."""
    dsn = server.start()
    link = psycopg.connect(dsn, autocommit=True)
    run = _run_of(link)
    os.kill(link.info.backend_pid, signal.SIGKILL)
    with pytest.raises(psycopg.OperationalError):
        link.execute("SELECT 1")
    deadline = time.monotonic() + 30
    while _run_now(dsn) in {None, run}:  # another process may still come to the end of its COMMIT
        assert time.monotonic() < deadline


def _run_of(link: psycopg.Connection[Any]) -> Any:
    """When the server's statistics began, which do not outlive a crash."""
    asked = link.execute("SELECT stats_reset FROM pg_stat_bgwriter").fetchone()
    return asked[0] if asked else None


def _run_now(dsn: str) -> Any:
    try:
        with psycopg.connect(dsn) as link:
            return _run_of(link)
    except psycopg.OperationalError:
        return None  # it is starting


@pytest.fixture
def proxy(postgres_dsn: str) -> Iterator[Proxy]:
    """A proxy before the test's server."""
    known = conninfo_to_dict(postgres_dsn)
    with Proxy(f"{known['host']}/.s.PGSQL.{known.get('port', 5432)}") as made:
        yield made


@pytest.fixture
def adapter(postgres_dsn: str, proxy: Proxy, open_adapter: Any) -> Any:
    """An adapter whose connections go through the proxy; its table and its ledger are there."""
    own = open_adapter(postgres_dsn)
    own.collection(ALBUMS).commit([album("there")], op_id="first")
    dsn = make_conninfo(postgres_dsn, host="127.0.0.1", port=proxy.port)
    made = open_adapter(dsn, connect_timeout=SHORT)
    made.collection(ALBUMS).read(["there"])
    return made


@pytest.fixture
def durable_server(reachable_folder: Path) -> Iterator[EmbeddedServer]:
    """A server for this test alone that keeps what it acknowledged."""
    server = EmbeddedServer(reachable_folder / "postgres")
    yield server
    server.remove()


@pytest.fixture
def found(sql: psycopg.Connection[Any]) -> Callable[[], set[str]]:
    """The keys that are there for another client."""
    return lambda: {row[0] for row in sql.execute("SELECT id FROM albums WHERE id <> 'there'")}


def test_a_commit_whose_reply_is_lost_has_happened(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]]
) -> None:
    cut = proxy.cut(b"COMMIT", "reply")
    records = adapter.collection(ALBUMS).commit([album("a"), album("b")])

    assert cut.is_set()
    assert {"a", "b"} == set(records) == found()


def test_a_transaction_whose_commit_never_arrived_is_made_again(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]]
) -> None:
    cut = proxy.cut(b"COMMIT", "request")
    adapter.collection(ALBUMS).commit([album("a"), album("b")])

    assert cut.is_set()
    assert {"a", "b"} == found()


def test_an_applications_transaction_that_was_undone_is_a_named_error(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]]
) -> None:
    proxy.cut(b"COMMIT", "request")
    with pytest.raises(BackendUnavailableError, match="nothing was done"), adapter.transaction():
        adapter.collection(ALBUMS).commit([album("a")])

    assert set() == found()


def test_in_progress_is_not_aborted(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]]
) -> None:
    proxy.cut(b"COMMIT", "request", keeps_server=True)
    with pytest.raises(OutcomeUnknown) as raised:
        adapter.collection(ALBUMS).commit([album("a"), album("b")], op_id="op-1")

    assert "op-1" == raised.value.op_id
    assert set() == found()


def test_a_transaction_in_progress_is_waited_for(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]], sql: psycopg.Connection[Any]
) -> None:
    cut = proxy.cut(b"COMMIT", "request", keeps_server=True)

    def end_it() -> None:
        cut.wait(20)
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE state = 'idle in transaction' AND datname = current_database()"
        )

    ender = threading.Thread(target=end_it)
    ender.start()
    adapter.collection(ALBUMS).commit([album("a"), album("b")])
    ender.join(20)

    assert {"a", "b"} == found()


@pytest.mark.parametrize("place", ["request", "reply"])
@pytest.mark.parametrize("intent", [Intent.CREATE, Intent.REPLACE])
def test_one_statement_with_an_operations_id_has_one_effect(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]], place: Place, intent: Intent
) -> None:
    cut = proxy.cut(b"op-77", place)
    records = adapter.collection(ALBUMS).commit([album("a", intent)], op_id="op-77")

    assert cut.is_set()
    assert {"a"} == set(records) == found()


@pytest.mark.parametrize("place", ["request", "reply"])
def test_a_delete_with_an_operations_id_has_one_effect(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]], place: Place
) -> None:
    adapter.collection(ALBUMS).commit([album("a")])
    cut = proxy.cut(b"op-78", place)
    adapter.collection(ALBUMS).commit([Delete("a")], op_id="op-78")

    assert cut.is_set()
    assert set() == found()


def test_one_statement_without_an_id_says_that_it_does_not_know(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]]
) -> None:
    proxy.cut(b"written-by-nobody", "reply")
    with pytest.raises(OutcomeUnknown):
        adapter.collection(ALBUMS).commit([album("written-by-nobody")])

    assert {"written-by-nobody"} == found()


def test_without_a_server_to_ask_the_outcome_stays_unknown(
    adapter: Any, proxy: Proxy, found: Callable[[], set[str]]
) -> None:
    cut = proxy.cut(b"op-79", "reply")

    def close() -> None:
        cut.wait(20)
        proxy.close()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(OutcomeUnknown) as raised:
        adapter.collection(ALBUMS).commit([album("a")], op_id="op-79")
    closer.join(20)

    assert "op-79" == raised.value.op_id
    assert {"a"} == found()


def test_a_number_that_a_crashed_server_gave_again_is_no_proof(
    durable_server: EmbeddedServer, open_adapter: Any
) -> None:
    dsn = durable_server.start()
    with psycopg.connect(dsn, autocommit=True) as link:  # nothing is written down for ten seconds
        link.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        link.execute("SELECT pg_reload_conf()")

    def crash() -> None:
        quit_at_once(durable_server)
        with psycopg.connect(durable_server.start(), autocommit=True) as other:
            for number in range(50):
                other.execute("INSERT INTO albums (id, name) VALUES (%s, '')", [f"other-{number}"])

    adapter = _with_one_album(open_adapter(dsn, connect_timeout=timedelta(seconds=20)))
    with pytest.raises(OutcomeUnknown):
        _commit_around(adapter, "lost", crash)

    assert {} == adapter.collection(ALBUMS).read(["lost"])


@pytest.mark.parametrize("crash", [quit_and_start, kill_a_process])
def test_a_transaction_whose_server_crashed_was_undone(
    durable_server: EmbeddedServer, open_adapter: Any, crash: Callable[[EmbeddedServer], None]
) -> None:
    dsn = durable_server.start()
    with psycopg.connect(dsn, autocommit=True) as link:  # nobody else is given the number again
        link.execute("ALTER SYSTEM SET autovacuum = off")
        link.execute("SELECT pg_reload_conf()")
    adapter = _with_one_album(open_adapter(dsn, connect_timeout=timedelta(seconds=20)))
    with pytest.raises(BackendUnavailableError, match="nothing was done"):
        _commit_around(adapter, "lost", lambda: crash(durable_server))

    assert {} == adapter.collection(ALBUMS).read(["lost"])


def test_an_immediate_shutdown_loses_nothing_that_was_acknowledged(
    durable_server: EmbeddedServer, open_adapter: Any
) -> None:
    albums = open_adapter(durable_server.start(), connect_timeout=timedelta(seconds=20)).collection(
        ALBUMS
    )
    albums.commit([album("there")], op_id="first")
    ends: dict[str, str] = {}
    over = threading.Event()

    def write(worker: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            key = f"{worker}-{number}"
            ends[key] = "unknown"
            ends[key] = _written(albums, key, several=number % 2 == 0)

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        seen = len(ends)
        deadline = time.monotonic() + 30
        while len(ends) < seen + 20:
            assert time.monotonic() < deadline
        quit_and_start(durable_server)
    over.set()
    for worker in workers:
        worker.join(60)
    there = set(albums.read(list(ends)))

    assert set() == {key for key, end in ends.items() if end == "done"} - there
    assert set() == {key for key, end in ends.items() if end == "failed"} & there
    assert "done" in ends.values()


def _written(albums: Any, key: str, *, several: bool) -> str:
    changes = [album(key), *([album(f"{key}-too")] if several else [])]
    try:
        albums.commit(changes, op_id=f"op-{key}")
    except OutcomeUnknown:
        return "unknown"
    except FluxstoreError:
        return "failed"
    return "done"


def _with_one_album(adapter: Any) -> Any:
    adapter.collection(ALBUMS).commit([album("there")], op_id="first")
    return adapter


def _commit_around(adapter: Any, key: str, between: Callable[[], None]) -> None:
    """Write in a transaction that is committed after something has happened."""
    with adapter.transaction():
        adapter.collection(ALBUMS).commit([album(key)])
        between()
