"""The adapter itself: opening, transactions, and where each of its abilities is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fluxstore.adapter import Capability, Finding, Ledger, Opening, Use
from fluxstore.entity import Entity
from fluxstore.errors import AccessError, ConfigError, UnreadableRecordError
from fluxstore.filesystems import network_file_system
from fluxstore_sqlite import backup, examination, schema
from fluxstore_sqlite.capture import controls_of, governs
from fluxstore_sqlite.collection import SqliteCollection
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.fence import let_write
from fluxstore_sqlite.ledger import SqliteLedger
from fluxstore_sqlite.notes import Ops
from fluxstore_sqlite.settings import EntitySettings, Settings
from fluxstore_sqlite.tables import Tables

if TYPE_CHECKING:
    from fluxstore.inference.tables import FoundTable

OLDEST_SQLITE = (3, 38, 0)
_ALWAYS = frozenset(
    {
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


class SqliteAdapter:
    """One SQLite file, opened as one backend."""

    name: ClassVar[str] = "sqlite"
    Settings: ClassVar[type] = Settings
    EntitySettings: ClassVar[type] = EntitySettings
    capabilities: frozenset[Capability] = _ALWAYS | {Capability.DURABLE}

    def __init__(self, opening: Opening) -> None:
        """Open the file, or know where it will be made at the first write.

        Raises ``ConfigError`` where the path cannot be meant, ``AccessError`` where it cannot be
        read, ``UnreadableRecordError`` where it is no SQLite database.
        """
        settings: Settings = opening.settings
        path = Path(opening.folder, settings.path)
        _refuse_what_cannot_be_meant(opening, path)
        self._backend = opening.backend
        self._connections = Connections(opening.backend, path, settings, opening.use)
        self._tables = Tables(opening, self._connections)
        retention_seconds = settings.op_retention.total_seconds()
        self.ledger: Ledger = SqliteLedger(
            self._connections, self._tables, op_retention_seconds=retention_seconds
        )
        if settings.synchronous == "normal":
            self.capabilities = _ALWAYS
        ops = Ops(retention_seconds)
        self._collections = {
            entity.name: SqliteCollection(entity, self._connections, self._tables, ops)
            for entity in opening.entities.values()
        }
        self._look_at_it()

    def _look_at_it(self) -> None:
        """Read the file's header, so that what is no database is refused now."""
        if self._connections.there():
            self._connections.ask(lambda driver: driver.execute("PRAGMA schema_version").fetchone())

    def collection(self, entity: Entity) -> SqliteCollection:
        """Return the collection of *entity*, the same one each time."""
        return self._collections[entity.name]

    @contextmanager
    def transaction(self, governed: Sequence[Entity] = ()) -> Iterator[None]:
        """Make all commits of this thread one; other writers wait, a change of control too."""
        with self._connections.write() as driver:
            if governed and self._tables.has_ledger(driver):
                controls = controls_of(driver)
                for entity in governed:
                    let_write(governs(controls, entity.name), entity.name)
            yield

    def snapshot(self) -> AbstractContextManager[None]:
        """Make this thread's reads those of one moment while the context lasts."""
        return self._connections.snapshot()

    def prepare(self, entities: Sequence[Entity]) -> None:
        """Make the tables of *entities* that are not there; indexes come with ``complete``."""
        with self._connections.write() as driver:
            self._tables.make_ledger(driver)
            self._tables.make(driver, entities, with_indexes=False)

    def complete(self, entities: Sequence[Entity]) -> None:
        """Make the indexes, and fold the journal into the file."""
        with self._connections.write() as driver:
            self._tables.ensure(driver)
            self._tables.make_indexes(driver, entities)
        with self._connections.alone() as driver:
            driver.execute("PRAGMA optimize")
            driver.execute("PRAGMA wal_checkpoint(FULL)").fetchone()

    def examine(self) -> Sequence[Finding]:
        """Return what ``doctor`` should say of the file, its folder, its disk and its tables."""
        return examination.examine(self._connections, self._tables, self.capabilities)

    def describe(self) -> str:
        """Return the file."""
        return f"SQLite {sqlite3.sqlite_version}, {self._connections.path}"

    def close(self) -> None:
        """Let go of everything."""
        self._connections.close()

    # schema

    def ddl(self) -> str:
        """Return the statements that make the tables of all entities."""
        return schema.ddl(self._tables)

    def differences(self) -> Sequence[Finding]:
        """Return how the file differs from what the entities need."""
        return schema.differences(self._connections, self._tables)

    def apply_steps(self, folder: Path, *, dry_run: bool = False) -> Sequence[str]:
        """Apply the numbered SQL files of *folder* that have not run yet; return their names."""
        return schema.apply_steps(self._connections, self._tables, folder, dry_run=dry_run)

    def tables(self) -> Sequence[FoundTable]:
        """Return the tables that are there, as an application would declare them."""
        from fluxstore_sqlite import introspection  # only `init` needs it

        return self._connections.ask(introspection.tables)

    # backup

    def backup(self, folder: Path) -> Path:
        """Copy the database into a new file below *folder*, verified; return its path."""
        return backup.backup(self._connections, folder)

    def restore(self, backup_file: Path) -> None:
        """Replace everything by a backup made earlier."""
        backup.restore(self._connections, self._tables, backup_file)


def _refuse_what_cannot_be_meant(opening: Opening, path: Path) -> None:
    key = f"backends.{opening.backend}.path"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigError(
            f"SQLite {oldest} or later is needed, this Python has {sqlite3.sqlite_version}",
            key=f"backends.{opening.backend}",
        )
    try:
        is_there = path.exists()
        is_file = path.is_file()
        is_empty = is_file and path.stat().st_size == 0
    except OSError as error:
        raise AccessError(
            f"{opening.backend}: {path} cannot be read: {error.strerror}",
            next_step="give this user the right to read it and its folders",
        ) from None
    network = network_file_system(path.parent)
    if network and not opening.settings.network_files:
        raise ConfigError(
            f"{path.parent} is on a network file system ({network}), where locks may not hold",
            key=key,
            next_step="use a disk of this machine, or accept the risk: network_files = true",
        )
    if is_there and not is_file:
        raise ConfigError(f"{path} is no file", key=key, next_step="name the database file itself")
    if opening.use is Use.SOURCE and not is_there:
        raise ConfigError(f"{path}: no such file", key=key)
    if opening.use is Use.SOURCE and is_empty:
        raise UnreadableRecordError(
            "is empty (0 bytes), which is no database",
            backend=opening.backend,
            file=str(path),
            next_step="is it the right file?",
        )
