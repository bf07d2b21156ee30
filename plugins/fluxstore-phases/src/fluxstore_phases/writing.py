"""Writes to the side that answers, and what has to follow them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import NoReturn
from uuid import uuid4

from fluxstore.adapter import Collection
from fluxstore.errors import FollowerError
from fluxstore.records import Change, Delete, Key, Put, Record, Row
from fluxstore_phases.carriage import Written
from fluxstore_phases.leg import Leg

Noted = Callable[[int], None]
"""Hears in which epoch a write was committed."""


class Committing:
    """Commits at the authority, each write under an ``op_id``."""

    def __init__(self, collection: Collection, epoch: int, noted: Noted) -> None:
        """Write to *collection*, bound in *epoch*."""
        self._collection, self._commit, self._epoch = collection, collection.commit, epoch
        self._noted = noted

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes*; return the records of the puts as they are now."""
        records = self._commit(changes, expect=expect, op_id=op_id or uuid4().hex)
        self._noted(max((one.version.epoch for one in records.values()), default=0))
        return records


class Followed:
    """One direction: its leg, and what to do where the follower has not taken a write."""

    def __init__(
        self,
        leg: Leg,
        *,
        authority: str,
        follower: str,
        raises: bool,
        cascaded: Callable[[], None],
    ) -> None:
        """Raise ``FollowerError`` where *raises*; else the mark is enough.

        *cascaded* hears of marks that no leg carries: what a delete did to other entities.
        """
        self._leg, self._authority, self._follower = leg, authority, follower
        self._raises, self.cascaded = raises, cascaded
        self.around: Callable[[], AbstractContextManager[None]] = partial(leg.around, self._left)

    def follow(self, written: Sequence[Written], op_id: str) -> None:
        """Have *written* carried, within the budget."""
        problem = self._leg.follow(written) if written else ""
        if problem:
            self._left(problem, op_id)

    def _left(self, problem: str, op_id: str = "") -> None:
        if self._raises:
            self._raise(problem, op_id)

    def _raise(self, problem: str, op_id: str) -> NoReturn:
        raise FollowerError(
            f"the write is durable at {self._authority}; {self._follower} has not taken it yet: "
            f"{problem}",
            follower=self._follower,
            op_id=op_id,
            next_step="do not write it again: it is carried as soon as the follower can take it",
        )


class Following(Committing):
    """Commits at the authority, then has the follower follow."""

    def __init__(
        self,
        collection: Collection,
        epoch: int,
        noted: Noted,
        *,
        followed: Followed,
        cascades: bool,
    ) -> None:
        """Write to *collection*, bound in *epoch*; then *followed* hears what was written.

        *cascades* says that a delete may change records of other entities.
        """
        super().__init__(collection, epoch, noted)
        self._followed, self._cascades = followed, cascades

    def commit(
        self,
        changes: Sequence[Change],
        *,
        expect: Mapping[Key, Row] | None = None,
        op_id: str | None = None,
    ) -> Mapping[Key, Record]:
        """Make *changes*; return the records of the puts once the follower has them, or later."""
        op_id = op_id or uuid4().hex
        records = super().commit(changes, expect=expect, op_id=op_id)
        self._followed.follow(self._written(changes, records, op_id), op_id)
        if self._cascades and any(isinstance(change, Delete) for change in changes):
            self._followed.cascaded()
        return records

    def _written(
        self, changes: Sequence[Change], records: Mapping[Key, Record], op_id: str
    ) -> Sequence[Written]:
        """Return the keys by the epoch they were committed in: of a delete, the binding's.

        Where only records were put, they are what the commit says; a delete may have changed more.
        A record without an epoch was committed where nothing follows any more.
        """
        keys: dict[int, list[Key]] = {}
        for change in changes:
            record = records.get(change.key) if isinstance(change, Put) else None
            epoch = record.version.epoch if record is not None else self._epoch
            if epoch:
                keys.setdefault(epoch, []).append(change.key)
        entity = self._collection.entity
        sure = records if len(records) == len(changes) else {}
        return [Written(entity, epoch, tuple(of), sure, op_id) for epoch, of in keys.items()]
