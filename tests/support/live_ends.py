"""Two real backends of any kinds, to be the ends of a live migration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from governed import Pair, parents_first
from moving import ENTITIES

from fluxstore.adapter import Adapter
from fluxstore.migration.plan import End
from fluxstore.settings import Secret
from fluxstore.testing.backend import Backend
from fluxstore.testing.databases import DatabaseServer
from fluxstore_json.adapter import JsonAdapter
from fluxstore_json.settings import EntitySettings as JsonEntity
from fluxstore_json.settings import Settings as JsonSettings
from fluxstore_postgres.adapter import PostgresAdapter
from fluxstore_postgres.settings import Settings as PostgresSettings
from fluxstore_sqlite.adapter import SqliteAdapter
from fluxstore_sqlite.settings import Settings as SqliteSettings


@contextmanager
def real_pair(way: str, folder: Path, server: DatabaseServer) -> Iterator[Pair]:
    """Yield the empty, ungoverned ends of *way*: ``json-postgres``, say.

    ``client`` is PostgreSQL whose ledger our own statements keep rather than triggers.
    """
    names = ("source", "target")
    with ExitStack() as held:
        ends = [
            opened(kind, name, folder / name, held=held, server=server)
            for kind, name in zip(way.split("-"), names, strict=True)
        ]
        for end in ends:
            end.adapter.prepare(parents_first())
        yield Pair(*ends)


def opened(kind: str, name: str, folder: Path, *, held: ExitStack, server: DatabaseServer) -> End:
    folder.mkdir()
    within = {"members": JsonEntity(within="teams", parent={"team_id": "id"})}
    adapter: type[Adapter]
    if kind == "json":
        adapter, settings, own = JsonAdapter, JsonSettings(path="data", checkpoint="1s"), within
    elif kind == "sqlite":
        adapter, settings, own = SqliteAdapter, SqliteSettings(path="store.db"), {}
    else:
        dsn = held.enter_context(server.database())
        capture: Any = "client" if kind == "client" else "trigger"
        settings = PostgresSettings(dsn=Secret(dsn), capture=capture)
        adapter, own = PostgresAdapter, {}
    backend = Backend(adapter, settings, folder, own, name)
    return End(name, held.enter_context(backend.opened(ENTITIES)), "1.0")
