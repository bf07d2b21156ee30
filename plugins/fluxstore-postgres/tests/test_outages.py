"""Timeouts are in force: a slow, a stopped and a dead server, a pool without a free connection."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fluxstore.adapter import Part
from fluxstore.entity import entity_of
from fluxstore.errors import BackendUnavailableError, FluxstoreError, OutcomeUnknown
from fluxstore.records import Intent, Put
from fluxstore.testing.entities import Album
from fluxstore_postgres.embedded import EmbeddedServer, processes
from fluxstore_postgres.settings import PoolSettings

pytestmark = pytest.mark.postgres
ALBUMS = entity_of(Album)
SHORT = timedelta(seconds=1)
ONE = PoolSettings(min=1, max=1, timeout=SHORT)


def album(key: str) -> Put:
    return Put(key, {"id": key, "name": "", "released": None, "price": None}, Intent.REPLACE)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextmanager
def stopped(server: EmbeddedServer) -> Iterator[None]:
    """Every process of a server stopped, as by a hanging machine."""
    pids = processes.leftovers(server.data)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def locked(sql: psycopg.Connection[Any]) -> Callable[[], None]:
    def lock() -> None:
        sql.execute("BEGIN")
        sql.execute("LOCK TABLE albums IN ACCESS EXCLUSIVE MODE")

    return lock


def test_a_statement_that_takes_too_long_is_given_up(
    postgres_dsn: str, open_adapter: Any, locked: Callable[[], None]
) -> None:
    albums = open_adapter(postgres_dsn, statement_timeout=SHORT).collection(ALBUMS)
    albums.commit([album("a")])
    locked()

    with within(10), pytest.raises(BackendUnavailableError, match="statement timeout"):
        albums.read(["a"])
    with within(10), pytest.raises(BackendUnavailableError, match="statement timeout"):
        albums.commit([album("b")])


def test_a_write_that_was_given_up_had_no_effect(
    postgres_dsn: str, open_adapter: Any, locked: Callable[[], None], sql: Any
) -> None:
    albums = open_adapter(postgres_dsn, statement_timeout=SHORT).collection(ALBUMS)
    albums.commit([album("a")])
    locked()
    with pytest.raises(BackendUnavailableError):
        albums.commit([album("b")])
    sql.execute("ROLLBACK")

    assert set(albums.read(["a", "b"])) == {"a"}


def test_a_stopped_server_is_given_up_and_comes_back(
    own_server: EmbeddedServer, open_adapter: Any
) -> None:
    albums = open_adapter(own_server.start(), statement_timeout=SHORT).collection(ALBUMS)
    albums.commit([album("a")])

    with (
        stopped(own_server),
        within(10),
        pytest.raises(BackendUnavailableError, match="no answer within 1 s"),
    ):
        albums.read(["a"])

    assert set(albums.read(["a"])) == {"a"}


def test_a_write_to_a_stopped_server_has_an_unknown_outcome(
    own_server: EmbeddedServer, open_adapter: Any
) -> None:
    albums = open_adapter(own_server.start(), statement_timeout=SHORT).collection(ALBUMS)
    albums.commit([album("a")])

    with (
        stopped(own_server),
        within(10),
        pytest.raises(OutcomeUnknown, match="read the record"),
    ):
        albums.commit([album("b")])

    assert set(albums.read(["a", "b"])) >= {"a"}


def test_an_operation_whose_outcome_is_unknown_can_be_repeated(
    own_server: EmbeddedServer, open_adapter: Any
) -> None:
    albums = open_adapter(own_server.start(), statement_timeout=SHORT).collection(ALBUMS)
    albums.commit([album("a")])
    create = Put("b", album("b").values, Intent.CREATE)

    with stopped(own_server), pytest.raises(FluxstoreError):
        albums.commit([create], op_id="op-1")
    for _ in range(2):
        albums.commit([create], op_id="op-1")

    assert set(albums.read(["b"])) == {"b"}


def test_a_dead_server_is_told_apart_at_once_and_comes_back(
    own_server: EmbeddedServer, open_adapter: Any
) -> None:
    adapter = open_adapter(own_server.start(), connect_timeout=SHORT)
    albums = adapter.collection(ALBUMS)
    albums.commit([album("a")])
    own_server.stop()

    for _ in range(3):
        with within(10), pytest.raises(BackendUnavailableError):
            albums.read(["a"])
    with within(10), pytest.raises(BackendUnavailableError):
        albums.commit([album("b")])

    own_server.start()
    deadline = time.monotonic() + 30
    while True:
        try:
            found = albums.read(["a", "b"])
            break
        except BackendUnavailableError:
            assert time.monotonic() < deadline
    assert set(found) == {"a"}


def test_opening_without_a_server_says_so_within_the_timeout(
    reachable_folder: Path, open_adapter: Any
) -> None:
    with within(10), pytest.raises(BackendUnavailableError, match=r"pg: .*nowhere"):
        open_adapter(f"host={reachable_folder}/nowhere dbname=x", connect_timeout=SHORT)


def test_a_host_that_accepts_and_says_nothing_is_given_up(open_adapter: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with within(15), pytest.raises(BackendUnavailableError):
            open_adapter(f"host=127.0.0.1 port={port} dbname=x", connect_timeout=SHORT)


def test_a_restart_between_two_reads_is_not_noticed(
    own_server: EmbeddedServer, open_adapter: Any
) -> None:
    albums = open_adapter(own_server.start(), pool=ONE).collection(ALBUMS)
    albums.commit([album("a")])
    own_server.stop()
    own_server.start()

    assert set(albums.read(["a"])) == {"a"}


def test_terminated_connections_are_replaced(
    postgres_dsn: str, open_adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    albums = open_adapter(postgres_dsn).collection(ALBUMS)
    albums.commit([album("a")])
    for _ in range(3):
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'fluxstore of pid %' AND datname = current_database()"
        )
        assert set(albums.read(["a"])) == {"a"}


def test_a_pool_without_a_free_connection_is_waited_for_and_given_up(
    postgres_dsn: str, open_adapter: Any
) -> None:
    adapter = open_adapter(postgres_dsn, pool=ONE)
    albums = adapter.collection(ALBUMS)
    albums.commit([album("a")])
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with adapter.transaction():
            taken.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert taken.wait(30)
        with within(10), pytest.raises(BackendUnavailableError, match="pool"):
            albums.read(["a"])
    finally:
        done.set()
        holder.join()

    assert set(albums.read(["a"])) == {"a"}


def test_a_transaction_whose_connection_dies_did_not_happen(
    postgres_dsn: str, open_adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    adapter = open_adapter(postgres_dsn)
    albums = adapter.collection(ALBUMS)
    albums.commit([album("a")])

    def work() -> None:
        with adapter.transaction():
            albums.commit([album("b")])
            sql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE state = 'idle in transaction' AND datname = current_database()"
            )
            albums.commit([album("c")])

    with pytest.raises(BackendUnavailableError):
        work()

    assert set(albums.read(["a", "b", "c"])) == {"a"}


def test_what_comes_slowly_from_another_backend_is_waited_for(
    postgres_dsn: str, open_adapter: Any, sql: psycopg.Connection[Any]
) -> None:
    ledger = open_adapter(postgres_dsn, statement_timeout=timedelta(seconds=0.2)).ledger
    one, other = Part("albums", "order", 0, [1]), Part("albums", "order", 1, [2])

    def slowly() -> Iterator[Part]:
        yield one
        sql.execute("SELECT pg_sleep(1)")
        yield other

    assert 2 == ledger.save_parts("albums", slowly())
    assert [one, other] == list(ledger.parts("albums"))


def test_a_deadlock_is_tried_again_and_both_finish(postgres_dsn: str, open_adapter: Any) -> None:
    albums = open_adapter(postgres_dsn).collection(ALBUMS)
    albums.commit([album("a"), album("b")])
    barrier = threading.Barrier(2)
    failures: list[BaseException] = []

    def work(keys: tuple[str, str]) -> None:
        try:
            for _ in range(50):
                barrier.wait(30)
                albums.commit([album(key) for key in keys])
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(keys,)) for keys in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []


def test_a_slow_statement_is_logged_without_its_values(
    postgres_dsn: str, open_adapter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = open_adapter(postgres_dsn, slow_query=timedelta(0))
    with caplog.at_level(logging.WARNING, "fluxstore_postgres"):
        adapter.collection(ALBUMS).commit([album("ada@example.org")])

    assert any("slow query: replace" in line for line in caplog.messages)
    assert "ada@example.org" not in caplog.text


def test_a_quick_statement_is_not_logged(
    postgres_dsn: str, open_adapter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = open_adapter(postgres_dsn, slow_query=timedelta(minutes=1))
    with caplog.at_level(logging.WARNING, "fluxstore_postgres"):
        adapter.collection(ALBUMS).commit([album("a")])

    assert caplog.messages == []


def test_regression_38_the_timeouts_of_the_settings_are_the_ones_in_force(
    postgres_dsn: str, open_adapter: Any
) -> None:
    adapter = open_adapter(postgres_dsn, statement_timeout=timedelta(seconds=7))

    with adapter.transaction(), adapter.connections.unit() as unit:
        shown = unit.link.execute("SHOW statement_timeout").fetchone()

    assert shown == ("7s",)
    assert "connect_timeout=5" in adapter.target.conninfo
