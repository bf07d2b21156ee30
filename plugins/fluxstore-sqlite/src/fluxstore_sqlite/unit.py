"""The work of one write transaction: rows found, written, removed, and what was touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import cast

from fluxstore.adapter import Control
from fluxstore.codec import Codec, Refusal
from fluxstore.entity import Entity
from fluxstore.errors import ConstraintError
from fluxstore.records import Key, Reason, Version
from fluxstore_sqlite import sql
from fluxstore_sqlite.broken import BrokenRuleError, Rule
from fluxstore_sqlite.capture import Controls, controls_of, governs, own_writes
from fluxstore_sqlite.columns import Stored
from fluxstore_sqlite.failures import Where, columns_of, is_taken, translated
from fluxstore_sqlite.fetching import fetch, fetch_one
from fluxstore_sqlite.ledger import version_of
from fluxstore_sqlite.rows import Found, Rows, StoredRow
from fluxstore_sqlite.tables import Tables

Touched = dict[tuple[str, Key], bool]
"""The records that a unit changes, (entity, key), and whether each was there before."""


class Unit:
    """Everything that happens between BEGIN IMMEDIATE and COMMIT goes through here."""

    def __init__(self, driver: sqlite3.Connection, tables: Tables) -> None:
        """Work on *driver*, which is in a transaction; what is not there yet is made."""
        self.driver = driver
        self.tables = tables
        self.touched: Touched = {}
        self._before: dict[tuple[str, Key], Version | None] | None = None
        """The versions of touched records before, where triggers note what changes."""
        tables.ensure(driver)

    @cached_property
    def controls(self) -> Controls:
        """Every control record, as no other writer changes it before this ends."""
        return controls_of(self.driver)

    def control(self, entity: Entity) -> Control | None:
        """Return the record that governs *entity*."""
        return governs(self.controls, entity.name)

    @contextmanager
    def writes(self, *, as_others_do: bool = False) -> Iterator[None]:
        """Do in the context what triggers do for other programs.

        *as_others_do* leaves it to them where the application has triggers of its own: what those
        write is captured then, too.
        """
        if self.controls:
            self.tables.keep_triggers(self.driver)
        if self.controls and not (as_others_do and self.tables.has_triggers_of_others):
            with own_writes(self.driver):
                yield
        else:
            self._before = {} if self.controls else None
            yield

    def is_captured(self, entity: Entity, key: Key) -> bool:
        """Tell whether a trigger has noted that a touched record changed."""
        if self._before is None:
            return False
        return self._before.get((entity.name, key)) != self._version(entity, key)

    def _look_before(self, entity: Entity, key: Key) -> None:
        if self._before is not None and (entity.name, key) not in self._before:
            self._before[entity.name, key] = self._version(entity, key)

    def _version(self, entity: Entity, key: Key) -> Version | None:
        return version_of(self.driver, entity.name, Codec.of(entity).key_text(key))

    def rows(self, entity: Entity) -> Rows:
        """Return the rows of *entity*; its table is there."""
        table = self.tables.find(self.driver, entity)
        if table is None:
            raise self.tables.missing(entity)
        return self.tables.rows(table)

    # finding

    def find(self, rows: Rows, key: Key, stored: StoredRow | None = None) -> Found | None:
        """Return what the table holds of *key*, stored as *stored*; its version is not looked up.

        Raises ``FieldRefusedError`` for what can be no key.
        """
        stored = stored or rows.stored_key(key)
        if rows.table.adopted:  # its residue is beside it, under the key's text
            texts = [rows.table.codec.key_text(key)] * rows.table.texts_of_read
            row = fetch_one(self.driver, rows.table.read, (*texts, *stored))
        else:
            row = fetch_one(self.driver, rows.table.read_plain, stored)
        found = None if row is None else Found.of(row)
        # A column that folds case finds A for a: another record.
        return found if found and rows.key_row(found.row) == stored else None

    def keys_where(self, rows: Rows, fields: Sequence[str], values: StoredRow) -> list[StoredRow]:
        """Return the stored keys of the records whose *fields* have stored *values*."""
        condition = rows.table.same(fields, values)
        return fetch(self.driver, rows.table.keys(condition), condition.values)

    def is_there(self, rows: Rows, stored_key: Sequence[Stored]) -> bool:
        """Tell whether there is a record of a stored key."""
        return fetch_one(self.driver, rows.table.has_key, stored_key) is not None

    def owner(self, rows: Rows, row: StoredRow) -> tuple[tuple[str, ...], StoredRow] | None:
        """Return a unique group whose values another record has, and that record's stored key."""
        own = rows.key_row(row)
        for group, values in _unique_values(rows, row):
            for key in self.keys_where(rows, group, values):
                if tuple(key) != own:
                    return group, tuple(key)
        return None

    # changing

    def write(self, rows: Rows, key: Key, old: Found | None, row: StoredRow) -> None:
        """Write *row* over *old*; ``BrokenRuleError``, and no effect, where the table refuses."""
        if rows.table.adopted:
            self.tables.refuse_misfits(rows.table)
            self._refuse_taken(rows, key, row)
        self._look_before(rows.table.entity, key)
        try:
            if old is None:
                self.driver.execute(rows.table.insert, row[: len(rows.table.names)])
            else:
                self._update(rows, old.row, row)
        except sqlite3.IntegrityError as error:
            raise self._broken(rows, key, row, error) from error
        if rows.table.adopted and row[-1] != (old.row[-1] if old else None):
            self._keep_residue(rows, key, row[-1])
        self.touched.setdefault((rows.table.entity.name, key), old is not None)

    def _update(self, rows: Rows, old: StoredRow, new: StoredRow) -> None:
        names = rows.table.names
        changed = [at for at in range(len(names)) if _differ(old[at], new[at])]
        if changed:
            statement = rows.table.update(tuple(names[at] for at in changed))
            values = [new[at] for at in changed]
            self.driver.execute(statement, (*values, *rows.key_row(new)))

    def _keep_residue(self, rows: Rows, key: Key, residue: Stored) -> None:
        where = (rows.table.entity.name, rows.table.codec.key_text(key))
        if residue is None:
            self.driver.execute(sql.statement("records", "drop_residue"), where)
        else:
            self.driver.execute(sql.statement("records", "keep_residue"), (*where, residue))

    def remove(self, rows: Rows, key: Key) -> None:
        """Delete the record of *key*; what refers to it is the caller's."""
        self._look_before(rows.table.entity, key)
        self.driver.execute(rows.table.delete, rows.stored_key(key))
        if rows.table.adopted:
            self._keep_residue(rows, key, None)
        self.touched.setdefault((rows.table.entity.name, key), True)

    # refusing

    def _refuse_taken(self, rows: Rows, key: Key, row: StoredRow) -> None:
        if not rows.table.unguarded:
            return
        found = self.owner(rows, row)
        if found is not None:
            group, owner = found
            raise rows.breaks.unique(key, group, rows.words(owner))

    def _broken(
        self, rows: Rows, key: Key, row: StoredRow, error: sqlite3.IntegrityError
    ) -> BrokenRuleError:
        if is_taken(error):
            found = self.owner(rows, row)
            if found is not None:
                return rows.breaks.unique(key, found[0], rows.words(found[1]))
        told = translated(error, Where("", "", rows.table.entity.name, key, rows.table.fields))
        rule = told.rule if isinstance(told, ConstraintError) else "check"
        names = tuple(rows.table.fields.get(name, name) for name in columns_of(error))
        words = told.problem.removeprefix(f"{', '.join(names)}: ")
        refusal = Refusal(Reason(rule), words)
        return BrokenRuleError(cast("Rule", rule), rows.table.entity, key, names, refusal)


def _unique_values(rows: Rows, row: StoredRow) -> Iterator[tuple[tuple[str, ...], StoredRow]]:
    for group in rows.table.entity.unique:
        values = tuple(rows.value(row, field) for field in group)
        if None not in values:
            yield group, values


def _differ(one: Stored, other: Stored) -> bool:
    # 1 and 1.0 are one number to Python and two values to SQLite.
    return one != other or type(one) is not type(other)
