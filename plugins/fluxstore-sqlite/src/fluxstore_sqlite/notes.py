"""What a write leaves in the ledger, in its own transaction: its version, mark and op."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from fluxstore.adapter import Control
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.records import UNTOUCHED, Key, Version
from fluxstore_sqlite.capture import governs, is_kept
from fluxstore_sqlite.fence import let_write
from fluxstore_sqlite.ledger import of_ledger, set_version, version_of
from fluxstore_sqlite.unit import Unit

_FORGET_EVERY_SECONDS = 60


def note(unit: Unit) -> None:
    """Give each touched record its next version, and a mark where there is a follower.

    Raises as ``let_write`` where a cascade went to an entity that is written elsewhere. In phase
    ``off`` and without control nothing is noted but what had a version already: versions are
    sparse.
    """
    for (name, key), existed in unit.touched.items():
        control = governs(unit.controls, name)
        let_write(control, name)
        entity = unit.tables.entities[name]
        if not unit.is_captured(entity, key):
            _note_one(unit, entity, key, control, existed=existed)


def _note_one(
    unit: Unit, entity: Entity, key: Key, control: Control | None, *, existed: bool
) -> None:
    text = Codec.of(entity).key_text(key)
    old = version_of(unit.driver, entity.name, text)
    if old is None and not is_kept(control):
        return
    start = old or (UNTOUCHED if existed else Version(0, 0))
    epoch = control.epoch if control else start.epoch
    gone = unit.find(unit.rows(entity), key) is None
    version = Version(epoch, start.seq + 1, deleted=gone)
    set_version(unit.driver, entity.name, text, version)
    if is_kept(control):
        mark = (entity.name, text, version.epoch, version.seq, time.time())
        unit.driver.execute(of_ledger("set_mark"), mark)


class Ops:
    """The operations that have taken effect, remembered for a while."""

    def __init__(self, retention_seconds: float) -> None:
        """Remember each for *retention_seconds* at least."""
        self._retention_seconds = retention_seconds
        self._forgot_at = 0.0

    def is_done(self, driver: sqlite3.Connection, op_id: str, entity: Entity) -> bool:
        """Tell whether the operation has taken effect on *entity*."""
        found = driver.execute(of_ledger("has_op"), (op_id, entity.name)).fetchone()
        return found is not None

    def note(
        self,
        driver: sqlite3.Connection,
        op_id: str,
        entity: Entity,
        keys: Iterable[Key],
        *,
        crossed: str = "",
    ) -> None:
        """Write that the operation takes effect on *keys*, and forget some that are long over.

        *crossed* is the migration in which it came from the other side.
        """
        now = time.time()
        codec = Codec.of(entity)
        for key in keys:
            text = codec.key_text(key)
            version = version_of(driver, entity.name, text) or UNTOUCHED
            row = (op_id, entity.name, text, version.epoch, version.seq, int(now), crossed)
            driver.execute(of_ledger("note_op"), row)
        if now - self._forgot_at > _FORGET_EVERY_SECONDS:
            driver.execute(of_ledger("forget_ops"), (int(now - self._retention_seconds),))
            self._forgot_at = now
