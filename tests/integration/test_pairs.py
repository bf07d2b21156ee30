"""Every value crosses every ordered pair of backends unchanged, and so does what is beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import product
from pathlib import Path

import pytest

from fluxstore.settings import Secret
from fluxstore.testing.conformance import Backend, assert_pair
from fluxstore.testing.databases import DatabaseServer
from fluxstore.testing.reference import ReferenceAdapter
from fluxstore.testing.reference import Settings as ReferenceSettings
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.settings import Settings as PostgresSettings
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings as SqliteSettings

Made = AbstractContextManager[Backend]


def reference(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(ReferenceAdapter, ReferenceSettings(path="store"), folder))


def sqlite(folder: Path, _: DatabaseServer) -> Made:
    return nullcontext(Backend(SqliteAdapter, SqliteSettings(path="store.db"), folder))


@contextmanager
def postgres(folder: Path, server: DatabaseServer) -> Iterator[Backend]:
    with server.database() as dsn:
        yield Backend(PostgresAdapter, PostgresSettings(dsn=Secret(dsn)), folder)


MAKERS: tuple[Callable[[Path, DatabaseServer], Made], ...] = (reference, sqlite, postgres)
PAIRS = list(product(MAKERS, MAKERS))


@pytest.mark.parametrize(
    ("source", "target"), PAIRS, ids=[f"{one.__name__}-{other.__name__}" for one, other in PAIRS]
)
def test_every_value_crosses(source, target, tmp_path, postgres_server):
    folders = [tmp_path / "source", tmp_path / "target"]
    for folder in folders:
        folder.mkdir()

    with source(folders[0], postgres_server) as one, target(folders[1], postgres_server) as other:
        assert_pair(one, other)
