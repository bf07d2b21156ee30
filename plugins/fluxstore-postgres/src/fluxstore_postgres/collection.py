"""One entity's records in PostgreSQL: the verbs of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluxstore.adapter import Batch, Merged, Page, Reads, Size
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.query import Found, Query
from fluxstore.records import Change, Key, Record, Rejected, Row, Versioned
from fluxstore_postgres.applying import Applying
from fluxstore_postgres.commits import Commits
from fluxstore_postgres.database import Database
from fluxstore_postgres.merging import Merging
from fluxstore_postgres.reading import GovernedReading, Reading
from fluxstore_postgres.scanning import Scanning
from fluxstore_postgres.statements import statement
from fluxstore_postgres.tabling import Tabling

EXACT_COUNT_BYTES = 64 * 1024 * 1024
"""A table up to this size is counted; of a larger one the planner's estimate is told."""


class PostgresCollection:
    """One entity's records."""

    def __init__(self, entity: Entity, database: Database) -> None:
        """Prepare what does not need the table to be there."""
        self.entity = entity
        self._database = database
        self._codec = Codec.of(entity)
        self._tabling = Tabling(entity, database)
        self._reading = Reading(self._tabling)
        self.governed: Reads = GovernedReading(Tabling(entity, database, governed=True))
        self._commits = Commits(self._tabling)
        self._merging = Merging(self._tabling)
        self._applying = Applying(self._tabling)
        self._scanning = Scanning(self._tabling)

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        """Return the records of *keys*; a missing key is absent."""
        return self._tabling.read(keys)

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes* in one transaction; return the records of the puts as they are now."""
        return self._commits.commit(changes, expect=expect or {}, op_id=op_id)

    def scan(self, cursor: str | None, limit: int) -> Page:
        """Return the next records in the order of keys."""
        return self._scanning.page(cursor, limit)

    def close(self) -> None:
        """Let go of a scan that was not read to its end."""
        self._scanning.close()

    def find(self, query: Query) -> Found:
        """Return the page of records that *query* asks for."""
        return self._reading.find(query)

    def count(self, query: Query) -> int:
        """Return how many records the filters of *query* find."""
        return self._reading.count(query)

    def size(self) -> Size:
        """Return how many records there are, and the bytes they take with their indexes."""
        bound = self._tabling.bound()
        if bound is None:
            return Size(0, 0)
        table = bound.table
        params = {"schema": table.schema, "name": table.name}
        rows = self._database.connections.run(statement("catalogue", "sizes"), params)
        size, estimate = (int(part) for part in rows[0]) if rows else (0, 0)
        if size > EXACT_COUNT_BYTES:
            return Size(estimate if estimate >= 0 else None, size)
        counted = self._database.connections.run(
            statement("catalogue", "count_all", table=table.path)
        )
        return Size(int(counted[0][0]), size)

    def place(self) -> str:
        """Return the table's name."""
        return self._tabling.planned().table.words

    def foresee(self, records: Sequence[Record]) -> Sequence[Rejected]:
        """Return what ``merge`` would refuse of *records*, references apart; nothing lasts."""
        return self._merging.foresee(records)

    def merge(self, batch: Batch) -> Merged:
        """Merge a batch in one transaction with its cursor; equal records are not written."""
        return self._merging.merge(batch)

    def apply_if_newer(
        self, changes: Sequence[Versioned], *, epoch: int | None = None
    ) -> Sequence[bool]:
        """Apply each change that is newer than what is here, with its version and ops."""
        return self._applying.apply(changes, epoch)
