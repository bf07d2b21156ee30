"""Behind PgBouncer in transaction mode: nothing that a session would have to remember."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fluxstore.adapter import Batch, Control
from fluxstore.entity import entity_of
from fluxstore.query import Query
from fluxstore.records import Delete, Put, Record, Version
from fluxstore.settings import Secret
from fluxstore.testing.entities import Album
from fluxstore_postgres.settings import PoolSettings, Settings

PGBOUNCER = os.environ.get("FLUXSTORE_PGBOUNCER") or shutil.which("pgbouncer")
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer (FLUXSTORE_PGBOUNCER names one)"),
]
ALBUMS = entity_of(Album)
DUAL = Control(3, "authority", "dual_write", "m1")
INI = """[databases]
* = host='{host}' port={port} user='{user}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_reset_query_always = 1
"""


@pytest.fixture
def pooled_dsn(postgres_dsn: str, reachable_folder: Path) -> Iterator[str]:
    known = conninfo_to_dict(postgres_dsn)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    own = reachable_folder / "pgbouncer.ini"
    facts = {"host": known["host"], "port": known.get("port", 5432), "user": known["user"]}
    own.write_text(INI.format(listen=port, **facts))
    owner = Path(str(known["host"])).owner()  # nobody else reaches the server's socket
    stepping_down = ["-u", owner] if getpass.getuser() == "root" else []
    running = subprocess.Popen([str(PGBOUNCER), "-q", *stepping_down, str(own)])
    dsn = make_conninfo(postgres_dsn, host="127.0.0.1", port=port)
    try:
        _wait_for(dsn)
        yield dsn
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture
def adapter(pooled_dsn: str, postgres_dsn: str, open_adapter: Any) -> Any:
    direct = Secret(postgres_dsn)
    return open_adapter(
        pooled_dsn, pool_mode="transaction", direct_dsn=direct, pool=PoolSettings(min=1, max=8)
    )


def test_many_threads_share_few_connections(adapter: Any) -> None:
    albums, failed = adapter.collection(ALBUMS), []
    adapter.ledger.set_control("*", None, DUAL)

    def write(worker: int) -> None:
        try:
            for number in range(10):
                key = f"{worker}-{number}"
                made = albums.commit([Put(key, {"id": key, "name": ""})], op_id=f"op-{key}")
                assert Version(3, 1) == made[key].version
                assert {key} == set(albums.governed.read([key, "none"]))
        except BaseException as error:
            failed.append(error)
            raise

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)

    assert [] == failed
    assert 80 == albums.count(Query()) == adapter.ledger.backlog("albums").marks


def test_transactions_batches_and_leases_hold(adapter: Any) -> None:
    albums = adapter.collection(ALBUMS)
    records = [Record(f"{n:03}", {"id": f"{n:03}", "name": ""}) for n in range(300)]
    assert 300 == albums.merge(Batch(records)).written
    with adapter.ledger.lease("migration"), adapter.transaction([ALBUMS]):
        albums.commit([Delete("000")])
        albums.commit([Put("new", {"id": "new", "name": ""})])
    page = albums.scan(None, 200)

    assert 200 == len(page.records)
    assert 300 == albums.count(Query())
    assert [] == [one for one in adapter.examine() if one.blocks]


def test_a_pooler_without_a_way_past_it_is_refused() -> None:
    with pytest.raises(ValueError, match="direct_dsn"):
        Settings(dsn=Secret("host=pooler"), pool_mode="transaction")


def _wait_for(dsn: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
