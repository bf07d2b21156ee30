"""A backend's tables: found or made, and bound to entities; whether its ledger is there."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from fluxstore.adapter import Control, Opening, Use
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError, UnsupportedError
from fluxstore_postgres import ddl
from fluxstore_postgres.capture import Capture
from fluxstore_postgres.catalogue import FoundTable, Spot, bound, find_tables
from fluxstore_postgres.connections import Connections
from fluxstore_postgres.failures import Constraint, Where
from fluxstore_postgres.settings import EntitySettings, Settings
from fluxstore_postgres.statements import (
    Part,
    composed,
    identifier,
    literal,
    plain,
    statement,
)
from fluxstore_postgres.tables import Table, own_table
from fluxstore_postgres.unit import Unit

LEDGER_FORMAT = 1
LEDGER_MARK = f"ledger of fluxstore, format {LEDGER_FORMAT}"


class Database:
    """Tables and ledger of one backend."""

    def __init__(self, opening: Opening, connections: Connections) -> None:
        """Know where every entity's table is to be; nothing is asked yet."""
        settings: Settings = opening.settings
        self.backend = opening.backend
        self.entities = opening.entities
        self.connections = connections
        self.schema = settings.schema
        self.ledger_schema = "fluxstore" if self.schema == "public" else f"fluxstore_{self.schema}"
        self.captures_itself = settings.captures_itself
        """Whether our own statements keep the ledger rather than triggers."""
        self.use = opening.use
        self.capture = Capture(self.ledger_schema, by_triggers=not settings.captures_itself)
        self.spots = {
            entity.name: _spot(entity, opening.entity_settings.get(entity.name), self.schema)
            for entity in opening.entities.values()
        }
        self.constraints: dict[str, Constraint] = {}
        self._lock = threading.RLock()
        self._tables: dict[str, Table] = {}
        self._found: Mapping[tuple[str, str], FoundTable] = {}
        self._unfit: dict[str, ConfigError] = {}
        self._has_ledger = False
        self._unfenced: frozenset[str] = frozenset()
        self.looks = 0
        """How often the catalogue was asked: what was found then may have changed since."""

    # tables

    def table(self, entity: Entity) -> Table | None:
        """Return the entity's table; ``None`` where there is none yet, an error for a source."""
        known = self._tables.get(entity.name)
        if known is None:
            self.look()
            known = self._tables.get(entity.name)
        if known is None and entity.name in self._unfit:
            raise self._unfit[entity.name]
        if known is None and self.use is Use.SOURCE:
            spot = self.spots[entity.name]
            raise ConfigError(
                f"{entity.name} has no table {spot.schema}.{spot.table} in {self.backend}",
                key=f"backends.{self.backend}",
                next_step="is this the right database and schema?",
            )
        return known

    def known_table(self, entity: Entity) -> Table | None:
        """Return the entity's table as the last look saw it; nothing is asked."""
        return self._tables.get(entity.name)

    @property
    def tables(self) -> Sequence[Table]:
        """The tables of all entities that the last look saw."""
        return list(self._tables.values())

    def planned(self, entity: Entity) -> Table:
        """Return the entity's table as it is, or as it would be made."""
        return self.table(entity) or self.own(entity)

    def found(self, entity: Entity) -> FoundTable | None:
        """Return what the catalogue said about the entity's table when it was last asked."""
        spot = self.spots[entity.name]
        return self._found.get((spot.schema, spot.table))

    def look(self) -> None:
        """Ask the catalogue about every entity's table and about the ledger."""
        with self._lock:
            self._found = find_tables(self.connections, self.spots.values())
            self._has_ledger = self._ledger_is_there()
            for entity in self.entities.values():
                self._bind(entity)
            self._unfenced = self._find_unfenced()
            self.looks += 1

    def make(self, entities: Sequence[Entity], *, whole: bool) -> None:
        """Make the tables of *entities* that are not there, with what they refer to.

        Not *whole*, they are for loading: their indexes and references come in ``complete``.
        """
        wanted = self._with_targets(entities)
        if all(self.table(entity) is not None for entity in wanted):
            return
        self.refuse_if_source()
        with self._lock, self._making() as unit:
            self.look()
            missing = [entity for entity in wanted if self.table(entity) is None]
            for one in self.statements_to_make(missing):
                unit.run(plain(one))
            self.look()
            for one in self._statements_to_complete(missing, is_new=True) if whole else ():
                unit.run(plain(one))
            self._capture(unit)
            self.look()

    def make_all(self) -> None:
        """Make every table and the ledger before a transaction, which they must not be part of.

        Made inside, they would go with it when it is undone, and wait for its own locks.
        """
        if not self.connections.is_in_unit:
            fit = [entity for entity in self.entities.values() if entity.name not in self._unfit]
            self.make_ledger()
            self.make(fit, whole=True)

    def complete(self, entities: Sequence[Entity]) -> None:
        """Make indexes and references of our own tables that are not there, and check them."""
        with self._lock, self._making(math.inf) as unit:
            unit.run(statement("ddl", "patience"))
            self.look()
            for one in self._statements_to_complete(entities, is_new=False):
                unit.run(plain(one))
            self.look()
            for one in self._statements_to_validate(entities):
                unit.run(plain(one))

    def statements_to_make(self, entities: Iterable[Entity]) -> list[Part]:
        """Return what makes the tables of *entities*, without indexes and references."""
        made: list[Part] = []
        tables = [self.own(entity) for entity in entities]
        schemas = {table.schema for table in tables}
        made += [ddl.create_schema(name) for name in sorted(schemas) if not self.is_schema(name)]
        for table in tables:
            made += ddl.create_table(table)
        return made

    def _statements_to_complete(self, entities: Iterable[Entity], *, is_new: bool) -> list[Part]:
        """Return what adds indexes and references to our own tables of *entities*."""
        made: list[Part] = []
        for entity in entities:
            table, found = self.known_table(entity), self.found(entity)
            if table is not None and table.is_own:
                made += ddl.indexes(table, found)
                made += ddl.references(table, found, self._tables, is_new=is_new)
        return made

    def _statements_to_validate(self, entities: Iterable[Entity]) -> list[Part]:
        made: list[Part] = []
        for entity in entities:
            table, found = self.table(entity), self.found(entity)
            if table is not None and table.is_own and found is not None:
                made += ddl.unvalidated(table, found)
                made.append(composed("ddl", "analyze", table=table.path))
        return made

    def refuse_if_source(self) -> None:
        """Raise where the backend is only to be read."""
        if self.use is Use.SOURCE:
            raise UnsupportedError("is opened to be read only", backend=self.backend)

    # ledger

    @property
    def ledger(self) -> str | None:
        """The ledger's schema, where it is there."""
        return self.ledger_schema if self._has_ledger else None

    def known_ledger(self) -> str | None:
        """Return the ledger's schema, where it is there by now."""
        if not self._has_ledger:
            self._has_ledger = self._ledger_is_there()
        return self.ledger

    def make_ledger(self) -> str:
        """Return the ledger's schema, made if it was not there."""
        if self._has_ledger:
            return self.ledger_schema
        self.refuse_if_source()
        with self._lock, self._making() as unit:
            if not self._ledger_is_there():
                schema, mark = identifier(self.ledger_schema), literal(LEDGER_MARK)
                text = composed("ledger_tables", "make", schema=schema, mark=mark)
                unit.do("make", lambda: unit.link.execute(text.as_string(None).encode()))
                for part in self.capture.functions():
                    unit.run(plain(part))
        self._has_ledger = True  # for every thread, so not before it is committed
        return self.ledger_schema

    def fence(self, entity: Entity) -> None:
        """Bring a table under the control that there is, if another program made it since."""
        if entity.name in self._unfenced:
            with self._lock, self._making() as unit:
                self._capture(unit)
                self.look()

    def _find_unfenced(self) -> frozenset[str]:
        tables = self.tables
        if not tables or not self._has_ledger or self.captures_itself:
            return frozenset()
        params = {
            "ledger": self.ledger_schema,
            "schemas": [table.schema for table in tables],
            "names": [table.name for table in tables],
            "entities": [table.entity.name for table in tables],
        }
        asked = statement("capture", "unfenced", ledger=identifier(self.ledger_schema))
        return frozenset(str(row[0]) for row in self.connections.run(asked, params))

    def _capture(self, unit: Unit) -> None:
        """Bring new tables under the control that there is."""
        if self._has_ledger:
            asked = statement("ledger", "controls", ledger=identifier(self.ledger_schema))
            controls = {str(entity): Control(*row) for entity, *row in unit.run(asked)}
            for part in self.capture.changes(unit, self.tables, controls):
                unit.run(plain(part))

    def where(self, entity: Entity, key: object = None) -> Where:
        """Return what a message says a statement was about."""
        return Where(self.backend, entity.name, key, self.constraints, self._fields(entity))

    def where_all(self) -> Where:
        """Return the same for what is about all tables."""
        return Where(self.backend, constraints=self.constraints)

    # how

    def _bind(self, entity: Entity) -> None:
        found = self.found(entity)
        if found is None:
            self._tables.pop(entity.name, None)
            return
        try:
            table = bound(entity, self.spots[entity.name], found)
        except ConfigError as error:
            self._tables.pop(entity.name, None)
            self._unfit[entity.name] = error
            return
        self._unfit.pop(entity.name, None)
        self._tables[entity.name] = table
        for name, constraint in table.constraints.items():
            self.constraints[f"{table.name}.{name}"] = self.constraints[f".{name}"] = constraint

    def own(self, entity: Entity) -> Table:
        """Return the entity's table as fluxstore would make it."""
        spot = self.spots[entity.name]
        return own_table(entity, spot.schema, spot.table, spot.columns)

    def _fields(self, entity: Entity) -> Mapping[str, str]:
        table = self._tables.get(entity.name)
        return {c.name: c.field.name for c in table.columns} if table else {}

    def _with_targets(self, entities: Sequence[Entity]) -> list[Entity]:
        wanted: dict[str, Entity] = {}
        waiting = list(entities)
        while waiting:
            entity = waiting.pop()
            if entity.name not in wanted:
                wanted[entity.name] = entity
                waiting += [self.entities[str(f.rules.references)] for f in entity.references]
        return [entity for entity in self.entities.parents_first() if entity.name in wanted]

    def is_schema(self, name: str) -> bool:
        """Tell whether a schema is there."""
        rows = self.connections.run(statement("catalogue", "has_schema"), {"schema": name})
        return bool(rows[0][0])

    def _ledger_is_there(self) -> bool:
        rows = self.connections.run(
            statement("catalogue", "has_ledger"), {"schema": self.ledger_schema}
        )
        mark = rows[0][0] if rows else None
        if mark is not None and mark != LEDGER_MARK:
            raise ConfigError(
                f"the schema {self.ledger_schema} is {mark!r}, expected {LEDGER_MARK!r}",
                key=f"backends.{self.backend}",
                next_step="use the fluxstore that made it, or another schema",
            )
        return mark is not None

    @contextmanager
    def _making(self, seconds: float | None = None) -> Iterator[Unit]:
        """Yield a transaction in which one process at a time makes tables."""
        with self.connections.unit(self.where_all(), seconds=seconds) as unit:
            unit.run(statement("ddl", "lock_making"))
            yield unit


def _spot(entity: Entity, own: EntitySettings | None, schema: str) -> Spot:
    given = own.table if own is not None and own.table else entity.name
    named_schema, _, table = given.rpartition(".")
    return Spot(named_schema or schema, table, own.columns if own is not None else {})
