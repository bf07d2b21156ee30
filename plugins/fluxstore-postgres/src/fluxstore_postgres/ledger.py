"""The ledger in PostgreSQL: control, versions, marks, and what migrations keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import psycopg

from fluxstore.adapter import Backlog, Control, Crossed, Cursor, Mark, Part, Touch
from fluxstore.codec import Codec
from fluxstore.errors import LeaseError
from fluxstore.records import Key, Problem, Reason, Rejected, Version
from fluxstore_postgres.control import Controls, Step
from fluxstore_postgres.database import Database
from fluxstore_postgres.forms import escaped
from fluxstore_postgres.retrying import retried
from fluxstore_postgres.statements import Statement, identifier, statement
from fluxstore_postgres.unit import Unit


class PostgresLedger:
    """One backend's ledger; its tables are made when something is to be kept."""

    def __init__(self, database: Database) -> None:
        """Look at nothing yet."""
        self._database = database
        self._controls = Controls(database)

    # control

    def controls(self) -> Mapping[str, Control]:
        """Return every control record by entity (or ``*``)."""
        return self._controls.all()

    def control(self, entity: str) -> Control | None:
        """Return the control record of *entity*, else that of ``*``, else ``None``."""
        return self._controls.of(entity)

    def set_control(
        self,
        entity: str,
        expected: Control | None,
        control: Control | None,
        *,
        purge: bool = False,
        patience_seconds: float = 5.0,
    ) -> bool:
        """Compare and set under the exclusive fence, triggers and *purge* in the same transaction.

        ``False`` unless *expected* is there; ``LeaseError`` names who holds the fence too long.
        """
        return self._controls.change(Step(entity, expected, control, purge), patience_seconds)

    # versions and marks

    def versions(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Version]:
        """Return the versions of touched keys, tombstones included."""
        codec = self._codec(entity)
        texts = {codec.key_text(key): key for key in keys}
        rows = self._ask("versions", entity=entity, keys=list(texts))
        return {texts[text]: Version(epoch, seq, gone) for text, epoch, seq, gone in rows}

    def touched(self, entity: str, after: int, limit: int) -> Sequence[Touch]:
        """Return up to *limit* touched keys beyond *after*, the last written last."""
        key_of = self._codec(entity).key_of_text
        rows = self._ask("touched", entity=entity, after=str(after), limit=str(limit))
        return [Touch(key_of(text), number) for text, number in rows]

    def last_touch(self, entity: str) -> int:
        """Return the place of the last key that was written.

        A place is given before its transaction ends: the fence is closed for a moment, so that all
        that have one are over.
        """
        if self._database.known_ledger() is None:
            return 0
        return self._controls.alone(entity, self._last_touch)

    def _last_touch(self, unit: Unit, entity: str) -> int:
        return int(unit.run(self._statement("last_touch"), {"entity": entity})[0][0])

    def operations(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return the ids of the operations that changed *keys* and may still be repeated."""
        return self._op_ids("operations", entity, keys)

    def owed(self, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        """Return those of them that are not known to have crossed."""
        return self._op_ids("owed", entity, keys)

    def _op_ids(self, asked: str, entity: str, keys: Sequence[Key]) -> Mapping[Key, Sequence[str]]:
        codec = self._codec(entity)
        texts = {codec.key_text(key): key for key in keys}
        rows = self._ask(asked, entity=entity, keys=list(texts))
        return {texts[text]: tuple(op_ids) for text, op_ids in rows}

    def operated(self, entity: str, after: Key | None, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys that operations have changed, in the order of their texts."""
        codec = self._codec(entity)
        text = "" if after is None else codec.key_text(after)
        rows = self._ask("operated", entity=entity, after=text, limit=str(limit))
        return [codec.key_of_text(row[0]) for row in rows]

    def marks(self, entity: str, limit: int) -> Sequence[Mark]:
        """Return up to *limit* marks of the outbox, oldest first."""
        codec = self._codec(entity)
        rows = self._ask("marks", entity=entity, limit=str(limit))
        return [
            Mark(entity, codec.key_of_text(text), Version(epoch, seq, gone))
            for text, epoch, seq, gone in rows
        ]

    def backlog(self, entity: str) -> Backlog:
        """Return how many marks of *entity* there are, and how old the oldest is."""
        rows = self._ask("backlog", entity=entity)
        count, seconds = rows[0] if rows else (0, 0.0)
        return Backlog(count, max(0.0, seconds))

    def clear(self, marks: Sequence[Mark], crossed: Sequence[Crossed] = ()) -> int:
        """Clear each mark that still is the one given; return how many."""
        if not (marks or crossed) or self._database.known_ledger() is None:
            return 0
        each = [(one, op_id) for one in crossed for op_id in one.op_ids]
        params = {
            "op_entities": [one.entity for one, _ in each],
            "op_keys": [self._codec(one.entity).key_text(one.key) for one, _ in each],
            "op_ids": [op_id for _, op_id in each],
            "op_epochs": [one.epoch for one, _ in each],
            "entities": [mark.entity for mark in marks],
            "keys": [self._codec(mark.entity).key_text(mark.key) for mark in marks],
            "epochs": [mark.version.epoch for mark in marks],
            "seqs": [mark.version.seq for mark in marks],
        }
        return retried(self._database.connections, lambda: self._cleared(params))

    def _cleared(self, params: Mapping[str, Any]) -> int:
        with self._writing() as unit:
            return len(unit.run(self._statement("clear"), params))

    # migrations

    def fact(self, name: str) -> Any:
        """Return the JSON value that is kept under *name*, or ``None``."""
        rows = self._ask("fact", name=name)
        return msgspec.json.decode(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: Any) -> None:
        """Keep a JSON value under *name*, durably; ``None`` forgets it."""
        with self._writing() as unit:
            if value is None:
                unit.run(self._statement("drop_fact"), {"name": name})
            else:
                text = msgspec.json.encode(value).decode()
                unit.run(self._statement("write_fact"), {"name": name, "value": text})

    def cursor(self, migration: str, entity: str) -> Cursor | None:
        """Return where a migration stands, saved by the last merged batch."""
        rows = self._ask("cursor", migration=migration, entity=entity)
        if not rows:
            return None
        position, fingerprint, counts, format_ = rows[0]
        return Cursor(migration, entity, position, fingerprint, counts, format_)

    def drop_cursors(self, migration: str) -> None:
        """Forget where a migration stands: it is over, or begins afresh."""
        if self._database.known_ledger() is not None:
            with self._writing() as unit:
                unit.run(self._statement("drop_cursors"), {"migration": migration})

    def quarantine(self, entity: str) -> Sequence[Rejected]:
        """Return what is in quarantine of *entity*."""
        rows = self._ask("quarantine", entity=entity)
        return [
            Rejected(Problem(entity, Reason(reason), expected, key, field, file), bytes(raw))
            for reason, expected, key, field, file, raw in rows
        ]

    def set_quarantine(self, entity: str, rejected: Iterable[Rejected]) -> None:
        """Replace the quarantine of *entity*."""
        with self._writing(reads_elsewhere=True) as unit:
            unit.run(self._statement("clear_quarantine"), {"entity": entity})
            unit.copy(self._statement("copy_quarantine"), _lines(entity, rejected))

    def parts(self, entity: str) -> Iterator[Part]:
        """Return what *entity*'s file has beside its records, as it was saved."""
        name, number = "", -1
        while rows := self._ask("parts", entity=entity, name=name, number=str(number)):
            for name, number, value in rows:
                yield Part(entity, name, number, msgspec.json.decode(value))

    def save_parts(self, entity: str, parts: Iterable[Part]) -> int:
        """Replace the parts of *entity*, writing only what differs; return how many."""
        counts: dict[str, int] = {}
        written = 0
        with self._writing(reads_elsewhere=True) as unit:
            for part in parts:
                counts[part.name] = max(counts.get(part.name, 0), part.number + 1)
                value = msgspec.json.encode(part.value, order="sorted").decode()
                params = {
                    "entity": entity,
                    "name": part.name,
                    "number": str(part.number),
                    "value": value,
                }
                written += len(unit.run(self._statement("write_part"), params))
            kept = {"names": list(counts), "counts": list(counts.values())}
            unit.run(self._statement("drop_parts"), {"entity": entity, **kept})
        return written

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Hold the lease *name* for the context; ``LeaseError`` if another holds it."""
        params = {"name": f"{self._database.ledger_schema} {name}"}
        with self._database.connections.apart() as link:
            taken = link.execute(statement("ledger", "take_lease").text, params).fetchone()
            if taken is None or not taken[0]:
                found = link.execute(statement("ledger", "holder").text, params).fetchone()
                holder = str(found[0]) if found else "another session"
                raise LeaseError(f"the lease {name} is held by {holder}", holder=holder)
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # a connection that is gone holds nothing
                    link.execute(statement("ledger", "give_lease").text, params)

    # how

    def _ask(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a question; none where there is no ledger."""
        if self._database.known_ledger() is None:
            return []
        return self._database.connections.run(self._statement(name), params)

    @contextmanager
    def _writing(self, *, reads_elsewhere: bool = False) -> Iterator[Unit]:
        """Yield a transaction; one that *reads_elsewhere* what it writes may be idle for long."""
        self._database.make_ledger()
        connections = self._database.connections
        with connections.unit(
            seconds=connections.bulk_seconds if reads_elsewhere else None
        ) as unit:
            yield unit

    def _statement(self, name: str) -> Statement:
        return statement("ledger", name, ledger=identifier(self._database.ledger_schema))

    def _codec(self, entity: str) -> Codec:
        return Codec.of(self._database.entities[entity])


def _lines(entity: str, rejected: Iterable[Rejected]) -> Iterator[str]:
    """Yield quarantined records as lines of a text COPY."""
    for number, one in enumerate(rejected):
        problem = one.problem
        texts = (
            entity,
            str(number),
            problem.reason.value,
            problem.expected,
            problem.key,
            problem.field,
            problem.file,
            "\\x" + one.raw.hex(),
        )
        yield "\t".join(escaped([text.replace("\0", "\\0") for text in texts])) + "\n"
