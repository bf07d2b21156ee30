"""The tables of all entities: found, adopted, or made at the first write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence

import attrs

from fluxstore.adapter import Opening, Use
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError, EntityError
from fluxstore_sqlite import capture, sql
from fluxstore_sqlite.connections import Connections
from fluxstore_sqlite.found import FoundColumn, found_columns
from fluxstore_sqlite.rows import Rows
from fluxstore_sqlite.settings import EntitySettings
from fluxstore_sqlite.sql import definitions
from fluxstore_sqlite.table import RESIDUE, Table, own_table


@attrs.define
class _Known:
    """What has been seen in the file."""

    tables: dict[str, Table] = attrs.field(factory=dict)
    rows: dict[str, Rows] = attrs.field(factory=dict)
    has_ledger: bool = False
    is_complete: bool = False
    """Every entity has its table, and the ledger its own."""
    settled: int | None = None
    """The version of the schema for which the triggers were looked at."""
    has_triggers_of_others: bool = False
    origin: _Known | None = None
    """What this is a draft of."""

    def draft(self) -> _Known:
        """Return the same, to be added to."""
        return attrs.evolve(self, tables=dict(self.tables), rows=dict(self.rows), origin=self)


class Tables:
    """Knows each entity's table once it is there."""

    def __init__(self, opening: Opening, connections: Connections) -> None:
        """Look at nothing yet; ``ConfigError`` for settings of a field that is none."""
        self.entities = opening.entities
        self.is_source = opening.use is Use.SOURCE
        self._backend = opening.backend
        self._connections = connections
        self._settings: Mapping[str, EntitySettings] = {
            name: opening.entity_settings.get(name) or EntitySettings() for name in self.entities
        }
        self._known = _Known()
        self._drafts = threading.local()
        self._refuse_unknown_fields()
        self._refuse_one_table_for_two()
        connections.on_commit.append(self._keep)
        connections.on_undo.append(self._drop)
        connections.on_other_file.append(self.forget)

    def _refuse_unknown_fields(self) -> None:
        for name, settings in self._settings.items():
            for field in settings.columns:
                try:
                    self.entities[name].field(field)
                except EntityError as error:
                    key = f"backends.{self._backend}.entities.{name}.columns"
                    raise ConfigError(error.problem, key=key, next_step=error.next_step) from None

    def _refuse_one_table_for_two(self) -> None:
        taken: dict[str, str] = {}
        for entity in self.entities.values():
            other = taken.setdefault(self.name(entity).lower(), entity.name)
            if other != entity.name:
                raise ConfigError(
                    f"{other} and {entity.name} have the same table, {self.name(entity)}",
                    key=f"backends.{self._backend}.entities.{entity.name}.table",
                    next_step="give each a table of its own",
                )

    @property
    def _here(self) -> _Known:
        """What this thread knows: while it writes, what it may have made itself is its own."""
        if not self._connections.is_writing():
            return self._known
        draft: _Known | None = getattr(self._drafts, "known", None)
        if draft is None:
            draft = self._drafts.known = self._known.draft()
        return draft

    def _keep(self) -> None:
        draft: _Known | None = getattr(self._drafts, "known", None)
        # Unless another file was found meanwhile, of which the draft knows nothing.
        if draft is not None and draft.origin is self._known:
            draft.origin = None
            self._known = draft
        self._drafts.known = None

    def _drop(self) -> None:
        self._drafts.known = None

    def look_again(self) -> None:
        """Forget in this thread's transaction what a statement of somebody's may have changed."""
        self._drafts.known = _Known(origin=self._known)

    def forget(self) -> None:
        """Look again at what is there."""
        self._known = _Known()
        self._drafts.known = None

    # finding

    def find(self, driver: sqlite3.Connection, entity: Entity) -> Table | None:
        """Return the table of *entity*; ``None`` where there is none yet.

        Raises ``ConfigError`` where a source has none, and where a field has no column.
        """
        here = self._here
        known = here.tables.get(entity.name)
        if known is not None:
            return known
        found = found_columns(driver, self.name(entity))
        if found:
            made = here.tables[entity.name] = self._described(driver, entity, found)
            return made
        if self.is_source:
            raise self.missing(entity)
        return None

    def rows(self, table: Table) -> Rows:
        """Return the conversions between records and rows of *table*."""
        rows = self._here.rows
        known = rows.get(table.entity.name)
        if known is None or known.table is not table:
            known = Rows(table, self.place(table.entity), self._backend)
            rows[table.entity.name] = known
        return known

    def place(self, entity: Entity) -> str:
        """Return file and table of *entity* in words."""
        return f"{self._connections.path.name}: {self.name(entity)}"

    def missing(self, entity: Entity) -> ConfigError:
        """Return the error that says that a source has no table of *entity*."""
        return ConfigError(
            f"{self._connections.path} has no table {self.name(entity)} for {entity.name}",
            key=f"backends.{self._backend}.entities.{entity.name}.table",
            next_step="name the table that holds these records",
        )

    def name(self, entity: Entity) -> str:
        """Return the name of an entity's table."""
        return self._settings[entity.name].table or entity.name

    def _described(
        self, driver: sqlite3.Connection, entity: Entity, found: Sequence[FoundColumn]
    ) -> Table:
        settings = self._settings[entity.name]
        if RESIDUE not in {column.name for column in found}:
            from fluxstore_sqlite.adoption import adopt  # sqlite-utils takes long to import

            return adopt(driver, entity, settings, found, str(self._connections.path))
        table = own_table(entity, settings)
        missing = table_without(table, found)
        if missing:
            raise ConfigError(
                f"{self._connections.path}: {table.name} has no column for {', '.join(missing)}",
                key=f"backends.{self._backend}.entities.{entity.name}",
                next_step="`fluxstore schema diff` shows the statement that adds it",
            )
        return table

    def has_ledger(self, driver: sqlite3.Connection) -> bool:
        """Tell whether the ledger's tables are there."""
        here = self._here
        if not here.has_ledger:
            found = driver.execute(sql.statement("ledger", "has_ledger")).fetchone()
            here.has_ledger = found is not None
        return here.has_ledger

    # making

    def refuse_misfits(self, table: Table) -> None:
        """Raise ``ConfigError`` for an adopted table that would change what is written to it."""
        if table.misfits:
            raise ConfigError(
                f"{self._connections.path}: {table.misfits[0]}",
                key=f"backends.{self._backend}.entities.{table.entity.name}",
                next_step="give the column a type that keeps them (TEXT, say), or only read it",
            )

    def ensure(self, driver: sqlite3.Connection) -> None:
        """Make every table that is not there, with its indexes, and the ledger's."""
        here = self._here
        if here.is_complete:
            return
        self.make_ledger(driver)
        self.make(driver, self.entities.parents_first(), with_indexes=True)
        here.is_complete = True

    def make_ledger(self, driver: sqlite3.Connection) -> None:
        """Make the ledger's tables where they are not there."""
        if not self.has_ledger(driver):
            for statement in sql.split(sql.text_of("ledger_schema")):
                driver.execute(statement)

    def make(
        self, driver: sqlite3.Connection, entities: Sequence[Entity], *, with_indexes: bool
    ) -> None:
        """Make the tables of *entities* that are not there, unique indexes always with them."""
        known = self.known(driver)
        for entity in entities:
            if self.find(driver, entity) is not None:
                continue
            table = known[entity.name]
            driver.execute(definitions.create_table(table, known))
            for index in definitions.indexes(table):
                if index.is_unique or with_indexes:
                    driver.execute(definitions.create_index(table, index))
        self.settle_triggers(driver)

    def settle_triggers(self, driver: sqlite3.Connection) -> None:
        """Make the triggers that control wants on the tables that are there, and no others."""
        controls = capture.controls_of(driver)
        found = (self.find(driver, entity) for entity in self.entities.values())
        capture.settle(driver, controls, (table for table in found if table is not None))
        self._here.settled = _schema_version(driver)
        self._here.has_triggers_of_others = capture.are_there_others(driver)

    @property
    def has_triggers_of_others(self) -> bool:
        """Whether an application has triggers of its own, as ``keep_triggers`` found."""
        return self._here.has_triggers_of_others

    def keep_triggers(self, driver: sqlite3.Connection) -> None:
        """Make the triggers again where another program has changed the schema since."""
        if self._here.settled != _schema_version(driver):
            self.look_again()
            self.settle_triggers(driver)

    def unguarded(self, driver: sqlite3.Connection) -> Iterator[Table]:
        """Yield the tables that lack a trigger which control wants."""
        controls = capture.controls_of(driver) if self.has_ledger(driver) else {}
        for entity in self.entities.values() if controls else ():
            table = self.find(driver, entity)
            if table is not None and capture.is_missing(driver, controls, table):
                yield table

    def make_indexes(self, driver: sqlite3.Connection, entities: Sequence[Entity]) -> None:
        """Make the indexes that are not there on tables of our own."""
        for entity in entities:
            table = self.find(driver, entity)
            if table is not None and not table.adopted:
                for index in definitions.indexes(table):
                    driver.execute(definitions.create_index(table, index))

    def known(self, driver: sqlite3.Connection) -> Mapping[str, Table]:
        """Return each entity's table as it is, or else as fluxstore would make it."""
        return {
            entity.name: self.find(driver, entity) or self.own(entity)
            for entity in self.entities.values()
        }

    def own(self, entity: Entity) -> Table:
        """Return an entity's table as fluxstore would make it."""
        return own_table(entity, self._settings[entity.name])


def _schema_version(driver: sqlite3.Connection) -> int:
    version: int = driver.execute("PRAGMA schema_version").fetchone()[0]
    return version


def table_without(table: Table, found: Sequence[FoundColumn]) -> list[str]:
    """Return the fields of *table* that have no column among *found*."""
    there = {column.name.lower() for column in found}
    return [column.field.name for column in table.columns if column.name.lower() not in there]
