"""What every verb of a collection starts from: the table as it is bound now, and reading by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.records import Key, Record
from fluxstore_postgres.database import Database
from fluxstore_postgres.failures import Where
from fluxstore_postgres.record_statements import RecordStatements
from fluxstore_postgres.references import References
from fluxstore_postgres.rows import Rows
from fluxstore_postgres.statements import Statement, identifier, statement
from fluxstore_postgres.tables import Table, key_arrays


@attrs.frozen
class Bound:
    """A table with everything that is prepared for it."""

    table: Table
    ledger: str | None
    statements: RecordStatements = attrs.field(repr=False)
    rows: Rows = attrs.field(repr=False)
    where: Where = attrs.field(repr=False)


class Tabling:
    """One entity's table, bound when it is there; a binding is immutable and swapped whole."""

    def __init__(self, entity: Entity, database: Database, *, governed: bool = False) -> None:
        """Bind nothing yet; of *governed* reads, each asks control in the same statement."""
        self.entity = entity
        self.database = database
        self._is_governed = governed
        self.codec = Codec.of(entity)
        self._bound: Bound | None = None
        self._references: tuple[Bound, int, References] | None = None

    def bound(self) -> Bound | None:
        """Return the binding of the table; ``None`` where there is no table yet."""
        known = self._bound
        if known is not None and known.ledger == self.database.ledger:
            return known
        table = self.database.table(self.entity)
        if table is None:
            return None
        self._bound = self._bind(table)
        return self._bound

    def made(self, *, whole: bool = True) -> Bound:
        """Return the binding of the table, made now if it was not there."""
        bound = self.bound()
        if bound is None:
            self.database.make([self.entity], whole=whole)
            bound = self.bound()
        self.database.refuse_if_source()
        self.database.fence(self.entity)
        if bound is None:
            raise RuntimeError(f"the table of {self.entity.name} was made and is not there")
        return bound

    def planned(self) -> Bound:
        """Return a binding of the table as it is or would be, to look at."""
        return self.bound() or self._bind(self.database.planned(self.entity))

    def references(self, bound: Bound) -> References:
        """Return what is to be done about references that have no foreign key."""
        looks = self.database.looks
        known = self._references
        if known is None or known[0] is not bound or known[1] != looks:
            known = self._references = (bound, looks, References(bound, self))
        return known[2]

    def read(self, keys: Sequence[Key]) -> dict[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        bound = self.bound()
        keys = [] if bound is None else [key for key in keys if self._can_be(bound.table, key)]
        if bound is None or not keys:
            self.let_nothing_be_read()
            return {}
        if len(keys) == 1:
            records = self.records(bound.statements.read_one, bound.table.key_inputs(keys[0]))
        else:
            records = self.records(bound.statements.read_many, key_arrays(bound.table, keys))
        return {record.key: record for record in records}

    def records(self, asked: Statement, params: Any) -> list[Record]:
        """Return the records that a statement finds."""
        bound = self.bound()
        if bound is None:
            return []
        rows = self.database.connections.run(asked, params, where=bound.where)
        if len(rows) == 1 and not rows[0][-1]:  # control's consent to nothing
            return []
        make = bound.rows.record
        return [make(row) for row in rows]

    def let_nothing_be_read(self) -> None:
        """Ask control where an answer needs no look at the table: not to be there is one, too."""
        if self._is_governed and self.database.ledger is not None:
            ledger = identifier(self.database.ledger)
            where = self.database.where(self.entity)
            asked = statement("ledger", "serves", ledger=ledger)
            self.database.connections.run(asked, {"entity": self.entity.name}, where=where)

    def _bind(self, table: Table) -> Bound:
        ledger = self.database.ledger
        captures = self.database.captures_itself
        statements = RecordStatements(table, ledger, governed=self._is_governed, captures=captures)
        where = self.database.where(self.entity)
        return Bound(table, ledger, statements, Rows(table, self.database.backend), where)

    def _can_be(self, table: Table, key: Key) -> bool:
        """Tell whether a column can hold the key at all: in a uuid column only UUIDs are found."""
        parts = key if len(self.entity.key) > 1 else (key,)
        values = dict(zip(self.entity.key, parts, strict=True))
        return all(not c.fits or c.refuse_unfit(values) is None for c in table.key)
