"""PostgreSQL as a backend: opening it, transactions, making tables, what ``doctor`` is told."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from fluxstore.adapter import Capability, Finding, Ledger, Opening, Use
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError
from fluxstore_postgres import settings
from fluxstore_postgres.backup import Backups
from fluxstore_postgres.collection import PostgresCollection
from fluxstore_postgres.connections import Connections
from fluxstore_postgres.database import Database
from fluxstore_postgres.dsn import target_of
from fluxstore_postgres.embedded import EmbeddedServer
from fluxstore_postgres.embedded import Use as EmbeddedUse
from fluxstore_postgres.examining import examine
from fluxstore_postgres.ledger import PostgresLedger
from fluxstore_postgres.retrying import retried
from fluxstore_postgres.schema import Schema
from fluxstore_postgres.statements import identifier, statement

if TYPE_CHECKING:
    from fluxstore.inference.tables import FoundTable

EMBEDDED_FOLDER = Path(".fluxstore") / "postgres"


class PostgresAdapter:
    """One PostgreSQL database as a backend."""

    name: ClassVar[str] = "postgres"
    Settings: ClassVar[type] = settings.Settings
    EntitySettings: ClassVar[type] = settings.EntitySettings
    capabilities: frozenset[Capability] = frozenset(
        {
            Capability.DURABLE,
            Capability.TRANSACTIONS,
            Capability.ATOMIC_LEDGER,
            Capability.FENCING,
            Capability.CAPTURE,
            Capability.KEY_ORDER,
            Capability.SCHEMA,
            Capability.BACKUP,
            Capability.SNAPSHOT,
        }
    )

    def __init__(self, opening: Opening) -> None:
        """Open the backend: start the embedded server if that is meant, and connect."""
        self.backend = opening.backend
        self.capabilities = _capabilities(opening.settings)
        self._opening = opening
        self._at_exit = partial(_close, weakref.ref(self))
        self._server: tuple[EmbeddedServer, EmbeddedUse] | None = None
        try:
            self._connect(opening.settings)
        except BaseException:
            self._release_server()
            raise
        atexit.register(self._at_exit)  # an application may end without closing

    def _connect(self, own: settings.Settings) -> None:
        conninfo = self._start_embedded() if own.is_embedded else None
        self.target = target_of(own, self.backend, conninfo=conninfo)
        direct = self.target
        if own.is_pooled:
            direct = target_of(attrs.evolve(own, dsn=own.direct_dsn), self.backend)
        self.connections = Connections(
            self.target,
            own,
            backend=self.backend,
            read_only=self._opening.use is Use.SOURCE,
            direct=direct,
        )
        self.database = Database(self._opening, self.connections)
        self.ledger: Ledger = PostgresLedger(self.database)
        ledger = identifier(self.database.ledger_schema)
        self._admit = statement("ledger", "admit", ledger=ledger)
        self.schema = Schema(self.database)
        self.backups = Backups(self.database, direct)
        self._collections = {
            one.name: PostgresCollection(one, self.database)
            for one in self._opening.entities.values()
        }

    def collection(self, entity: Entity) -> PostgresCollection:
        """Return the collection of *entity*, the same one each time."""
        return self._collections[entity.name]

    @contextmanager
    def transaction(self, governed: Sequence[Entity] = ()) -> Iterator[None]:
        """Make this thread's commits one transaction; an error in the context undoes it.

        Entering asks control of *governed* as a write would; it stays as it is until the end.
        """
        self.database.make_all()
        with self.connections.unit(self.database.where_all()) as unit:
            for entity in sorted(governed, key=lambda one: one.name):
                where = self.database.where(entity)
                unit.run(self._admit, {"entity": entity.name}, where=where)
            yield

    def prepare(self, entities: Sequence[Entity]) -> None:
        """Make the tables and the ledger; indexes and references come in ``complete``."""
        self.database.make_ledger()
        self.database.make(entities, whole=False)

    def complete(self, entities: Sequence[Entity]) -> None:
        """Make indexes and references of our own tables, and check them."""
        retried(self.connections, lambda: self.database.complete(entities))

    def examine(self) -> Sequence[Finding]:
        """Return settings that lose data, rights that are missing, tables that do not fit."""
        return examine(self.database, self.target, self._opening.settings)

    def describe(self) -> str:
        """Return database and host, without secrets."""
        if self._server is not None:
            return f"embedded PostgreSQL in {self._server[0].home}"
        return self.target.words

    def close(self) -> None:
        """Close all connections; the last user of an embedded server stops it."""
        atexit.unregister(self._at_exit)
        for collection in self._collections.values():
            collection.close()
        self.connections.close()
        self._release_server()

    # schema and backup

    def ddl(self) -> str:
        """Return the statements that make the tables of all entities."""
        return self.schema.ddl()

    def differences(self) -> Sequence[Finding]:
        """Return how what is there differs from what the entities need."""
        return self.schema.differences()

    def apply_steps(self, folder: Path, *, dry_run: bool = False) -> Sequence[str]:
        """Apply the numbered SQL files of *folder* that have not run yet; return their names."""
        return self.schema.apply_steps(folder, dry_run=dry_run)

    def tables(self) -> Sequence[FoundTable]:
        """Return the tables that are there, as an application would declare them."""
        from fluxstore_postgres import introspection  # only `init` needs it

        return introspection.tables(self.connections, self._opening.settings.schema)

    def backup(self, folder: Path) -> Path:
        """Dump the backend's schemas into a new file below *folder*, verified; return its path."""
        return self.backups.backup(folder)

    def restore(self, backup: Path) -> None:
        """Replace the backend's schemas by a backup made earlier."""
        self.backups.restore(backup)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Make this thread's reads, the ledger's included, those of one moment in the context."""
        with self.connections.unit(begin=statement("session", "begin_snapshot")):
            yield

    # the embedded server

    def _start_embedded(self) -> str:
        server = embedded_server(self._opening.folder)
        if self._opening.use is Use.SOURCE and not server.data.exists():
            raise ConfigError(
                f"there is no embedded PostgreSQL in {server.home} yet, so nothing to read",
                key=f"backends.{self.backend}.dsn",
                next_step="name the database that holds the records",
            )
        conninfo, use = server.use()
        self._server = server, use
        return conninfo

    def _release_server(self) -> None:
        if self._server is not None:
            (server, use), self._server = self._server, None
            server.release(use)


def _capabilities(own: settings.Settings) -> frozenset[Capability]:
    """Return what a backend can do as it is set up."""
    lacking = {Capability.CAPTURE} if own.captures_itself else set()
    return PostgresAdapter.capabilities - lacking


def embedded_server(folder: Path) -> EmbeddedServer:
    """Return the server that ``dsn = "embedded"`` means in a configuration of *folder*."""
    return EmbeddedServer(folder / EMBEDDED_FOLDER)


def _close(adapter: weakref.ref[PostgresAdapter]) -> None:
    opened = adapter()
    if opened is not None:
        opened.close()
