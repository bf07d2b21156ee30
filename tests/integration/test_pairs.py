"""Every value crosses every ordered pair of backends unchanged, and so does what is beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fluxstore.settings import Secret
from fluxstore.testing.conformance import Backend, assert_any_record_crosses, assert_pair
from fluxstore.testing.databases import DatabaseServer
from fluxstore.testing.reference import ReferenceAdapter
from fluxstore.testing.reference import Settings as ReferenceSettings
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import EntitySettings as JsonEntity
from fluxstore_json.settings import Settings as JsonSettings
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.settings import Settings as PostgresSettings
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings as SqliteSettings

Made = AbstractContextManager[Backend]


def reference(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(ReferenceAdapter, ReferenceSettings(path="store"), folder))


def sqlite(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(SqliteAdapter, SqliteSettings(path="store.db"), folder))


def json(folder: Path, _: DatabaseServer) -> Made:
    shapes = {
        "albums": JsonEntity(file="music.json", records="albums", aliases={"name": ["title"]}),
        "tracks": JsonEntity(within="albums", parent={"album_id": "id"}),
        "people": JsonEntity(shape="object"),
        "by_ident": JsonEntity(records="all", shape="object", key_inside=True),
        "by_number": JsonEntity(shape="object"),
    }
    settings = JsonSettings(path="data", naming="camelCase")
    return nullcontext(Backend(JsonAdapter, settings, folder, shapes))


@contextmanager
def postgres(folder: Path, server: DatabaseServer, **settings: Any) -> Iterator[Backend]:
    with server.database() as dsn:
        yield Backend(PostgresAdapter, PostgresSettings(dsn=Secret(dsn), **settings), folder)


def client(folder: Path, server: DatabaseServer) -> Made:
    """PostgreSQL whose ledger is kept by our own statements."""
    return postgres(folder, server, capture="client")


MAKERS: tuple[Callable[[Path, DatabaseServer], Made], ...] = (reference, json, sqlite, postgres)
PAIRS = [*product(MAKERS, MAKERS), (json, client), (client, sqlite), (client, postgres)]


@pytest.fixture(params=PAIRS, ids=[f"{one.__name__}-{other.__name__}" for one, other in PAIRS])
def pair(request, tmp_path, postgres_server) -> Iterator[tuple[Backend, Backend]]:
    """Two empty backends: a source and a target."""
    folders = [tmp_path / "source", tmp_path / "target"]
    with ExitStack() as opened:
        for folder in folders:
            folder.mkdir()
        makers = zip(request.param, folders, strict=True)
        one, other = [opened.enter_context(make(at, postgres_server)) for make, at in makers]
        yield one, other


def test_every_value_crosses(pair):
    assert_pair(*pair)


def test_any_record_crosses(pair):
    assert_any_record_crosses(*pair)
