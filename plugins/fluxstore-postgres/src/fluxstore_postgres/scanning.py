"""Pages of records in the order of their keys, whatever a stored value may be like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fluxstore.adapter import Page
from fluxstore.errors import UnreadableRecordError
from fluxstore.records import Key, Problem, Reason, Record, Rejected
from fluxstore_postgres.ordered import OrderedScan
from fluxstore_postgres.tabling import Bound, Tabling

Row = tuple[Any, ...]


class Scanning:
    """Reads one table page by page; a page is found again by the key it begins after."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the table when a page is asked for."""
        self._tabling = tabling
        self._codec = tabling.codec
        self._run = tabling.database.connections.run
        self._ordered = OrderedScan(tabling.database.connections)

    def close(self) -> None:
        """Let go of a cursor that was not read to its end."""
        self._ordered.close()

    def page(self, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor*."""
        after = None if cursor is None else self._codec.key_of_text(cursor)
        bound = self._tabling.bound()
        if bound is None:
            return Page((), None, done=1.0)
        params: dict[str, Any] = {"limit": str(limit + 1)}
        if cursor is not None:
            params |= bound.table.key_params(after)
        try:
            return self._whole(bound, params, limit, is_first=cursor is None)
        except UnreadableRecordError:
            return self._singly(bound, params, limit, is_first=cursor is None)

    def _whole(self, bound: Bound, params: dict[str, Any], limit: int, *, is_first: bool) -> Page:
        rows = self._rows(bound, params, is_first=is_first)
        records = tuple(map(bound.rows.record, rows[:limit]))
        if len(rows) <= limit:
            return Page(records, None)
        last = records[-1].key
        self._ordered.goes_on(bound.table.key_params(last))
        return Page(records, self._codec.key_text(last))

    def _rows(self, bound: Bound, params: dict[str, Any], *, is_first: bool) -> list[Row]:
        if bound.table.has_ordered_index:
            asked = bound.statements.scan_first if is_first else bound.statements.scan_next
            return self._run(asked, params, where=bound.where)
        everything = bound.statements.scan_all(is_first=is_first)
        return self._ordered.rows(everything, params, where=bound.where)

    def _singly(self, bound: Bound, params: dict[str, Any], limit: int, *, is_first: bool) -> Page:
        """Read a page record by record, to find which cannot be read."""
        rows = self._run(bound.statements.scan_keys(is_first=is_first), params, where=bound.where)
        keys = [self._codec.key_of_text(str(row[0])) for row in rows[:limit]]
        records: list[Record] = []
        rejected: list[Rejected] = []
        for key in keys:
            try:
                records += self._tabling.read([key]).values()
            except UnreadableRecordError as error:
                rejected.append(self._rejected(bound, key, error))
        more = len(rows) > limit
        cursor = self._codec.key_text(keys[-1]) if more else None
        return Page(tuple(records), cursor, tuple(rejected))

    def _rejected(self, bound: Bound, key: Key, error: UnreadableRecordError) -> Rejected:
        rows: Sequence[Sequence[Any]] = self._run(
            bound.statements.raw, bound.table.key_inputs(key), where=bound.where
        )
        problem = Problem(
            entity=self._tabling.entity.name,
            reason=Reason.UNREPRESENTABLE,
            expected=error.problem,
            key=self._codec.key_text(key),
            field=error.field,
            file=bound.table.words,
        )
        return Rejected(problem, str(rows[0][0]).encode() if rows else b"")
