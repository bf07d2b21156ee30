"""Schema as text, its differences from what is there, and numbered steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psycopg

from fluxstore.adapter import Finding
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError, PlanError
from fluxstore.steps import Step, pending, read_steps
from fluxstore_postgres import ddl
from fluxstore_postgres.catalogue import FoundTable
from fluxstore_postgres.connections import Link
from fluxstore_postgres.database import Database
from fluxstore_postgres.statements import Part, identifier, statement
from fluxstore_postgres.tables import Table


class Schema:
    """The tables of one backend, seen as a schema."""

    def __init__(self, database: Database) -> None:
        """Look at nothing yet."""
        self._database = database

    def ddl(self) -> str:
        """Return the statements that make the tables of all entities, as if none were there."""
        entities = self._database.entities.parents_first()
        tables = {one.name: self._database.own(one) for one in entities}
        made: list[Part] = [
            ddl.create_schema(name) for name in sorted({t.schema for t in tables.values()})
        ]
        for table in tables.values():
            made += ddl.create_table(table)
        for table in tables.values():
            made += ddl.indexes(table, None) + ddl.references(table, None, tables)
        return ddl.text_of(made)

    def differences(self) -> Sequence[Finding]:
        """Return how what is there differs from what the entities need."""
        self._database.look()
        tables: dict[str, Table] = {}
        found: list[Finding] = []
        for entity in self._database.entities.parents_first():
            try:
                tables[entity.name] = self._database.planned(entity)
            except ConfigError as error:
                found.append(Finding(entity.name, error.problem, error.next_step, blocks=True))
        for entity in self._database.entities.parents_first():
            if entity.name in tables:
                found += self._of_table(entity, tables)
        return found

    def _of_table(self, entity: Entity, tables: Mapping[str, Table]) -> Iterator[Finding]:
        table, there = tables[entity.name], self._database.found(entity)
        if there is None:
            statements = _texts(self._database.statements_to_make([entity]))
            words = f"has no table {table.words}"
            yield Finding(
                entity.name, words, "it is made at the first write", statements=statements
            )
            return
        yield from self._lacking(table, there, tables)

    def _lacking(
        self, table: Table, there: FoundTable, tables: Mapping[str, Table]
    ) -> Iterator[Finding]:
        entity = table.entity
        if missing := ddl.indexes(table, there):
            yield Finding(entity.name, "lacks indexes", "run:", statements=_texts(missing))
        if missing := ddl.references(table, there, tables, is_new=False):
            words = "lacks foreign keys; fluxstore looks after these references itself"
            yield Finding(entity.name, words, "or run:", statements=_texts(missing))
        if missing := ddl.uniques(table, there):
            words = "lacks unique constraints that the entity promises"
            yield Finding(entity.name, words, "run:", blocks=True, statements=_texts(missing))
        for one in there.constraints:
            if one.type == "f" and not one.is_valid:
                yield Finding(entity.name, f"the foreign key {one.name} is not validated")

    # steps

    def apply_steps(self, folder: Path, *, dry_run: bool = False) -> Sequence[str]:
        """Apply the numbered SQL files of *folder* that have not run yet; return their names.

        Each runs in a transaction with the record that it ran, unless it says that it cannot.
        """
        steps = read_steps(folder)
        if dry_run:
            return [step.name for step in pending(steps, self._applied())]
        self._database.make_ledger()
        with self._database.connections.apart() as link:
            link.execute(statement("steps", "lock").text)
            link.execute(statement("steps", "search_path").text, {"path": self._search_path()})
            waiting = pending(steps, self._applied())
            for step in waiting:
                self._apply(link, step)
        self._database.look()
        return [step.name for step in waiting]

    def _applied(self) -> dict[str, str]:
        ledger = self._database.known_ledger()
        if ledger is None:
            return {}
        asked = statement("steps", "applied", ledger=identifier(ledger))
        return {
            str(name): str(checksum) for name, checksum in self._database.connections.run(asked)
        }

    def _apply(self, link: Link, step: Step) -> None:
        ledger = identifier(self._database.ledger_schema)
        note = statement("steps", "note", ledger=ledger).text
        facts = {"name": step.name, "checksum": step.checksum}
        link.execute(statement("session", "no_timeout").text)
        try:
            if not step.in_transaction:
                link.execute(step.text.encode())
                link.execute(note, facts)
                return
            with link.transaction():
                link.execute(step.text.encode())
                link.execute(note, facts)
        except psycopg.Error as error:
            raise self._failed(step, error) from error

    def _failed(self, step: Step, error: psycopg.Error) -> PlanError:
        said = error.diag.message_primary or str(error).strip().splitlines()[0]
        place = error.diag.statement_position
        line = step.text[: int(place)].count("\n") + 1 if place else 0
        where = f"{step.name}, line {line}" if line else step.name
        left = "" if step.in_transaction else "; it ran outside a transaction: look what it did"
        return PlanError(
            f"{where}: {said} (SQLSTATE {error.sqlstate}){left}",
            next_step="mend the step and apply again: it was undone, those before it stay",
        )

    def _search_path(self) -> str:
        return identifier(self._database.schema).as_string(None)


def _texts(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(part.as_string(None) + ";" for part in parts)
