"""The fence around a batch: who else may write meanwhile, and whose records are left alone."""

from __future__ import annotations

from collections.abc import Collection

from fluxstore.adapter import Batch
from fluxstore.records import Key
from fluxstore_postgres.capture import lock_name
from fluxstore_postgres.statements import Statement, identifier, literal, statement
from fluxstore_postgres.tabling import Tabling
from fluxstore_postgres.unit import Unit


class BatchFence:
    """What a batch of one entity holds, and what it looks at first."""

    def __init__(self, tabling: Tabling) -> None:
        """Take the ledger when a batch comes."""
        self._database = tabling.database
        self._codec = tabling.codec
        self._entity = tabling.entity.name

    def close(self, unit: Unit, epoch: int | None) -> None:
        """Hold back others until the transaction ends, then ask control; *epoch*: a live batch.

        A live batch has the fence alone, an offline one only keeps off other mergers. Raises
        StalePhaseError where this side is not to be filled.
        """
        ledger = self._database.ledger_schema
        if epoch is None:
            lock = literal(f"{ledger} {self._entity}")
            unit.run(statement("merging", "fence", name=lock))
        else:
            lock = literal(lock_name(ledger, self._entity))
            unit.run(statement("merging", "batch_fence", name=lock))
        if self._database.ledger is None:
            unit.run(statement("merging", "merge_mode"))
            return
        mode, text = ("merge", None) if epoch is None else ("apply", str(epoch))
        params = {"entity": self._entity, "mode": mode, "epoch": text}
        unit.run(self._of_ledger("ledger", "follow"), params)

    def open(self, unit: Unit) -> None:
        """Let what follows in the transaction be an application's again."""
        unit.run(statement("ledger", "usual_mode"))

    def touched(self, unit: Unit, batch: Batch) -> Collection[Key]:
        """Return the keys of a live batch that have a version here: others brought them."""
        if batch.epoch is None:
            return ()
        entity = {"entity": self._entity}
        if not unit.run(self._of_ledger("merging", "has_touched"), entity)[0][0]:
            return ()
        keys = [*(record.key for record in batch.records), *batch.deletes]
        texts = {self._codec.key_text(key): key for key in keys}
        rows = unit.run(self._of_ledger("merging", "touched"), {**entity, "keys": list(texts)})
        return {texts[row[0]] for row in rows}

    def _of_ledger(self, file: str, name: str) -> Statement:
        return statement(file, name, ledger=identifier(self._database.ledger_schema))
