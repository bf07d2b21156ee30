"""Control: the records that say which backend is the authority, changed under the fence."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import attrs

from fluxstore.adapter import Control
from fluxstore.errors import AccessError, BackendUnavailableError, LeaseError
from fluxstore_postgres.capture import lock_name
from fluxstore_postgres.database import Database
from fluxstore_postgres.examining import statements_for_triggers
from fluxstore_postgres.failures import IN_THE_WAY, state_of
from fluxstore_postgres.statements import (
    Statement,
    composed,
    identifier,
    listed,
    plain,
    statement,
)
from fluxstore_postgres.unit import Unit

MOMENT_SECONDS = 5.0
T = TypeVar("T")
PAUSE_SECONDS = (0.02, 0.08)
"""How long writers have the fence to themselves between two attempts to close it."""


@attrs.frozen
class Step:
    """One change of a control record."""

    entity: str
    expected: Control | None
    control: Control | None
    purge: bool


class Controls:
    """The control records of one ledger."""

    def __init__(self, database: Database) -> None:
        """Look at nothing yet."""
        self._database = database

    def all(self) -> Mapping[str, Control]:
        """Return every control record by entity (or ``*``)."""
        if self._database.known_ledger() is None:
            return {}
        rows = self._database.connections.run(self._statement("controls"))
        return {str(entity): control_of(row) for entity, *row in rows}

    def of(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        if self._database.known_ledger() is None:
            return None
        params = {"entity": entity}
        rows = self._database.connections.run(self._statement("control"), params)
        return control_of(rows[0]) if rows else None

    def change(self, step: Step, patience_seconds: float) -> bool:
        """Make *step* if what it expects is there; LeaseError names who holds the fence too long.

        The fence is tried for a moment at a time and let go again: a waiting exclusive lock holds
        back every new writer.
        """
        if step.control is None and self._database.known_ledger() is None:
            return step.expected is None
        self._database.make_ledger()

        def work() -> bool:
            self._database.look()
            try:
                with self._unit(step) as unit:
                    return self._made(unit, step)
            except AccessError as error:
                raise self._without_rights(error) from error

        return self._patiently(step.entity, work, patience_seconds)

    def alone(self, entity: str, work: Callable[[Unit, str], T]) -> T:
        """Return what *work* returns while nobody writes *entity*; nothing is changed."""

        def held() -> T:
            with self._database.connections.unit(self._database.where_all()) as unit:
                unit.run(statement("capture", "patience"))
                self._close(unit, entity)
                return work(unit, entity)

        return self._patiently(entity, held, MOMENT_SECONDS)

    def _patiently(self, entity: str, work: Callable[[], T], patience_seconds: float) -> T:
        until = time.monotonic() + patience_seconds
        while True:
            try:
                return work()
            except BackendUnavailableError as error:
                if state_of(error) not in IN_THE_WAY:
                    raise
                if time.monotonic() >= until:
                    raise self._held(entity) from error
            # Not for security: two that change control must not keep step with each other.
            time.sleep(random.uniform(*PAUSE_SECONDS))  # noqa: S311

    def _close(self, unit: Unit, entity: str) -> None:
        """Close the fence of *entity*; ``lock_timeout`` says how long to try."""
        lock = lock_name(self._database.ledger_schema, entity)
        unit.run(self._statement("fence"), {"name": lock})

    def _unit(self, step: Step) -> AbstractContextManager[Unit]:
        connections = self._database.connections
        seconds = connections.bulk_seconds if step.purge else None  # of every touched record
        return connections.unit(self._database.where_all(), seconds=seconds)

    def _made(self, unit: Unit, step: Step) -> bool:
        unit.run(statement("capture", "patience"))
        self._hold_writers(unit, step)
        self._close(unit, step.entity)
        entity = {"entity": step.entity}
        rows = unit.run(self._statement("own_control"), entity)
        if (control_of(rows[0]) if rows else None) != step.expected:
            return False
        if step.purge:
            unit.run(self._statement("purge"), entity)
        if step.control is None:
            unit.run(self._statement("drop_control"), entity)
        else:
            facts = {name: str(value) for name, value in attrs.asdict(step.control).items()}
            unit.run(self._statement("write_control"), {**entity, **facts})
        unit.run(self._statement("turn"))
        self._bring_triggers(unit)
        return True

    def _hold_writers(self, unit: Unit, step: Step) -> None:
        """Lock the tables that get or lose triggers, before the fence.

        A writer has its table when it comes to the fence: the other way round, each would wait for
        the other until one gives up.
        """
        tables, after = self._database.tables, {**self.all(), step.entity: step.control}
        controls = {name: control for name, control in after.items() if control is not None}
        capture = self._database.capture
        if not tables or not capture.changes(unit, tables, controls):
            return
        makes_only = step.control is not None and step.control.phase != "off"
        name = "hold_writers" if makes_only else "hold_everybody"
        paths = listed([table.path for table in tables])
        unit.run(plain(composed("capture", name, tables=paths)))

    def _bring_triggers(self, unit: Unit) -> None:
        """Make and drop triggers so that they are where control is; mostly there is nothing to do.

        Tables are made under a lock of their own; once it is ours, those made meanwhile are seen.
        """
        capture = self._database.capture
        if not capture.changes(unit, self._database.tables, self.all()):
            return
        unit.run(statement("ddl", "lock_making"))
        self._database.look()
        for part in capture.changes(unit, self._database.tables, self.all()):
            unit.run(plain(part))

    def _without_rights(self, error: AccessError) -> AccessError:
        """Return what to say where triggers may not be made; *error* where that is not it."""
        statements = statements_for_triggers(self._database)
        if not statements:
            return error
        backend = self._database.backend
        return AccessError(
            f'{error.problem}: capture = "trigger" needs triggers on the tables',
            next_step=f'say capture = "client" in [backends.{backend}], or let an administrator '
            "run what `fluxstore doctor` prints",
            statements=statements,
        )

    def _held(self, entity: str) -> LeaseError:
        ledger = self._database.ledger_schema
        tables = [table.path.as_string(None) for table in self._database.tables]
        params: dict[str, Any] = {"names": [lock_name(ledger, entity)], "tables": tables}
        rows = self._database.connections.run(statement("ledger", "holders"), params)
        holder = ", ".join(str(row[0]) for row in rows) or "another session"
        return LeaseError(
            f"{self._database.backend}: a transaction that writes {entity} does not end: {holder}",
            holder=holder,
            next_step="end it, then try again; nothing was changed",
        )

    def _statement(self, name: str) -> Statement:
        return statement("ledger", name, ledger=identifier(self._database.ledger_schema))


def control_of(row: Sequence[Any]) -> Control:
    """Return a control record from its columns."""
    epoch, role, phase, migration, format_ = row
    return Control(epoch, role, phase, migration, format_)
