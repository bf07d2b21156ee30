"""Records kept in memory for as long as nothing says that they changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TypeAlias

from fluxstore.adapter import Control
from fluxstore.ledger import pending
from fluxstore.ledger.sidecar import check_answers, purges
from fluxstore.records import Record
from fluxstore_json.moment import Moment
from fluxstore_json.places import Place

State: TypeAlias = tuple["int | None", str]
"""The ledger's version and a file's identity: while both stay, so does every record in it."""
_MOST_RECORDS = 4096
_MOST_CHANGES = 256


class Cache:
    """The records of one place that were read last."""

    def __init__(self, place: Place) -> None:
        """Begin empty."""
        self._place = place
        self.begin()

    def begin(self) -> None:
        """Keep nothing, as in a forked child."""
        self._mutex = threading.Lock()
        self._state: State | None = None
        self._change = 0
        self._generation: int | None = None
        self._purges = 0
        self._control: Control | None = None
        self._records: dict[str, Record | None] = {}

    def find(
        self, state: State, texts: Sequence[str], *, governed: bool = False
    ) -> list[Record] | None:
        """Return the records of *texts* (keys) that there are, ``None`` where that is not known.

        With *governed* the control of the same state must let this backend answer.
        """
        with self._mutex:
            if state != self._state:
                return None
            if governed and self._control is not None:
                check_answers(self._control, self._place.name)
            try:
                found = [self._records[text] for text in texts]
            except KeyError:
                return None
        return [record for record in found if record is not None]

    def follow(self, state: State, moment: Moment) -> None:
        """Forget what has changed up to *moment*, which is of *state* or later."""
        with self._mutex:
            if state == self._state:
                return
            forgotten = purges(moment.connection)
            changed = self._changed(moment) if forgotten == self._purges else None
            if changed is None:
                self._records.clear()
            else:
                for text in changed:
                    self._records.pop(text, None)
            self._state, self._purges = state, forgotten
            self._control = moment.control(self._place)
            connection, checkpoint = moment.connection, moment.checkpoints.get(self._place.file)
            self._change = pending.last_change(connection) if connection is not None else 0
            self._generation = checkpoint.generation if checkpoint is not None else None

    def _changed(self, moment: Moment) -> list[str] | None:
        """Return the keys changed since, ``None`` where that cannot be told."""
        checkpoint = moment.checkpoints.get(self._place.file)
        known = checkpoint is not None and checkpoint.generation == self._generation
        if moment.connection is None or not known or not moment.is_settled(self._place.file):
            return None
        rows = pending.places(moment.connection, self._place.name, self._change)
        changed = [key for key, _, _ in rows]
        return changed if len(changed) <= _MOST_CHANGES else None

    def keep(self, state: State, found: dict[str, Record | None]) -> None:
        """Keep what was read in *state*."""
        with self._mutex:
            if state != self._state:
                return
            if len(self._records) + len(found) > _MOST_RECORDS:
                self._records.clear()
            self._records |= found if len(found) <= _MOST_RECORDS else {}
