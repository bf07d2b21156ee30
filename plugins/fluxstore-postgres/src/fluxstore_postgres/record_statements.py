"""The statements of one entity's table, each composed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from fluxstore_postgres.statements import (
    NOTHING,
    Part,
    Statement,
    composed,
    filled,
    identifier,
    listed,
    literal,
    statement,
    word,
)
from fluxstore_postgres.tables import Column, Table
from fluxstore_postgres.writes import Writes

NULL = word("NULL")
LIMIT = word("%(limit)s")


class RecordStatements:
    """Statement text for a table; *ledger* is the ledger's schema, where it is there.

    Of *governed* reads, each asks control in the same statement.
    """

    def __init__(
        self, table: Table, ledger: str | None, *, governed: bool = False, captures: bool = False
    ) -> None:
        """Compose what every statement shares; one that *captures* keeps the ledger itself."""
        self.table = table
        self._ledger = identifier(ledger) if ledger else None
        self._is_governed = governed and ledger is not None
        self.writes = Writes(table, ledger, self.returning, captures=captures)

    # shared parts

    @cached_property
    def columns(self) -> Part:
        """What a reading statement selects: the columns, the residue, the version."""
        return listed([*(c.read("t") for c in self.table.columns), *self._after(reads=True)])

    @cached_property
    def returning(self) -> Sequence[Part]:
        """The same where a writing statement returns it: no side table is joined there."""
        return [*(c.read("t") for c in self.table.columns), *self._after(reads=False)]

    @cached_property
    def joins(self) -> Part:
        """What ``columns`` needs beside the table."""
        if self._ledger is None:
            return NOTHING
        names = ["join_versions"] if self.table.is_own else ["join_versions", "join_residue"]
        parts = {
            "ledger": self._ledger,
            "entity": literal(self.table.entity.name),
            "key_text": self.table.key_text("t"),
        }
        return listed((composed("records", name, **parts) for name in names), " ")

    @cached_property
    def key_order(self) -> Part:
        """The order of keys."""
        return listed(column.ordered("t") for column in self.table.key)

    def reading(self, name: str, **parts: Part) -> Statement:
        """Return one of the statements that read records."""
        parts = {"table": self.table.path, "joins": self.joins, "key": self.key_order, **parts}
        parts["columns"] = listed([self.columns, word("true AS is_there")])
        return self.governed(name, **parts)

    def governed(self, name: str, **parts: Part) -> Statement:
        """Return a statement, with control's consent in it where reads are governed."""
        if not self._is_governed:
            return statement("records", name, **parts)
        made = composed(
            "records",
            "governed",
            read=composed("records", name, **parts),
            ledger=self._ledger or NOTHING,
            entity=literal(self.table.entity.name),
        )
        return Statement(name, name, made.as_string(None).encode())

    def _after(self, *, reads: bool) -> Iterable[Part]:
        if self.table.residue is not None:
            yield identifier("t", self.table.residue)
        else:
            yield identifier("r", "residue") if reads and self._ledger else NULL
        if reads and self._ledger:
            yield from (identifier("v", "epoch"), identifier("v", "seq"))
        else:
            yield from (NULL, NULL)

    # reading

    @cached_property
    def read_one(self) -> Statement:
        """The record of one key: a parameter for each part."""
        return self.reading("read", where=self._key_is)

    @cached_property
    def read_many(self) -> Statement:
        """The records of many keys: an array for each part."""
        return self.reading("read", where=self._key_in)

    @cached_property
    def lock(self) -> Statement:
        """The same, held until the transaction ends."""
        return self.reading("lock", where=self._key_in)

    @cached_property
    def scan_first(self) -> Statement:
        """The first page."""
        return self.reading("scan", where=word("true"))

    @cached_property
    def scan_next(self) -> Statement:
        """The page after a key: parameters ``key0``, ``key1`` … and ``limit``."""
        return self.reading("scan", where=self.after_key)

    def scan_all(self, *, is_first: bool) -> Statement:
        """Return the statement for all records, or all after a key, without a limit."""
        return self.reading("scan_all", where=word("true") if is_first else self.after_key)

    @cached_property
    def after_key(self) -> Part:
        """The condition that a record comes after a key."""
        there = listed(column.ordered("t") for column in self.table.key)
        given = listed(
            _collated(column, column.typed(word(f"%(key{at})s")))
            for at, column in enumerate(self.table.key)
        )
        return filled("({}) > ({})", there, given)

    def scan_keys(self, *, is_first: bool) -> Statement:
        """Return the statement for the key texts of a page."""
        return statement(
            "records",
            "scan_keys",
            key_text=self.table.key_text("t"),
            table=self.table.path,
            where=word("true") if is_first else self.after_key,
            key=self.key_order,
        )

    @cached_property
    def raw(self) -> Statement:
        """A record as JSON."""
        return statement("records", "raw", table=self.table.path, where=self._key_is)

    # conditions

    @cached_property
    def _key_is(self) -> Part:
        return listed(
            (
                filled("{} = {}", column.at("t"), column.write(column.typed(word("%s"))))
                for column in self.table.key
            ),
            " AND ",
        )

    @cached_property
    def _key_in(self) -> Part:
        names = [identifier("k", f"part{at}") for at, _ in enumerate(self.table.key)]
        return filled(
            "({}) IN (SELECT {} FROM unnest({}) AS k ({}))",
            listed(column.at("t") for column in self.table.key),
            listed(c.write(name) for c, name in zip(self.table.key, names, strict=True)),
            listed(word(f"%s::{column.form.sql_type}[]") for column in self.table.key),
            listed(identifier(f"part{at}") for at, _ in enumerate(self.table.key)),
        )


def _collated(column: Column, value: Part) -> Part:
    return value + word(' COLLATE "C"') if column.form.is_text else value
