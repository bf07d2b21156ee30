"""The second pass of a validation: names for what the digests say differs, read once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from fluxstore.codec import Codec
from fluxstore.errors import UnreadableRecordError
from fluxstore.migration.compare import Joined
from fluxstore.migration.differences import Difference, FieldDifference, Kind, differing
from fluxstore.migration.progress import Meter, Stopped
from fluxstore.migration.scratch import Index, Table
from fluxstore.migration.sides import Side
from fluxstore.records import Record, Rejected

_READ_AT_ONCE = 200
Each: TypeAlias = Callable[[Difference, Record | None, Record | None], None]
"""Hears of one difference, with both records where there are any."""


class Locator:
    """Looks again at the records of one entity that seemed to differ."""

    def __init__(
        self, source: Side, target: Side, *, meter: Meter, stopped: Stopped, each: Each
    ) -> None:
        """Take both sides; *each* hears of every difference that is still there."""
        self._source, self._target = source, target
        self._meter, self._stopped, self._each = meter, stopped, each
        self._entity, self._codec = source.entity, Codec.of(source.entity)
        self.settled = 0
        """Records that are equal after all."""
        self.told: Counter[Kind] = Counter()
        """Differences, by kind."""
        self.lagging = 0
        """Records that are on their way still."""

    def run(self, found: Joined, held: Table) -> None:
        """Name every difference."""
        self._name_rejected(held)
        self._name_doubled(found.doubled)
        if len(found.missing) or len(found.diverged):
            wanted = (Index(found.missing), Index(found.diverged))
            self._compare(self._source, self._target, wanted)
        if len(found.orphans):
            self._compare(self._target, self._source, (Index(found.orphans),))

    def _name_rejected(self, held: Table) -> None:
        known = Index(held)
        for side in (self._source, self._target):
            for rejected in side.rejected:
                if side.named(rejected.problem.key) not in known:
                    self._undecodable(rejected)

    def _undecodable(self, rejected: Rejected) -> None:
        problem = rejected.problem
        self._tell(Kind.UNDECODABLE, problem.key, detail=f"{problem.field}: {problem.expected}")

    def _name_doubled(self, doubled: Table) -> None:
        if not len(doubled):
            return
        wanted = Index(doubled)
        told: set[bytes] = set()
        for side in (self._source, self._target):
            for record in self._again(side, (wanted,)):
                if side.key(record.key) not in told:
                    told.add(side.key(record.key))
                    detail = f"{side.place} has more than one record with this key"
                    self._tell(Kind.UNDECODABLE, self._codec.key_text(record.key), detail=detail)

    def _again(self, side: Side, wanted: Iterable[Index]) -> Iterator[Record]:
        for page in side.pages(self._stopped):
            for record in page.records:
                digest = side.key(record.key)
                if any(digest in index for index in wanted):
                    yield record
            self._meter.passed(side.label, len(page.records), page.done)

    def _compare(self, side: Side, other: Side, wanted: Iterable[Index]) -> None:
        records = self._again(side, wanted)
        while some := list(islice(records, _READ_AT_ONCE)):
            there = other.now([record.key for record in some])
            for record in some:
                self._judge(side, record, there.get(record.key))

    def _judge(
        self, side: Side, record: Record, other: Record | UnreadableRecordError | None
    ) -> None:
        key = self._codec.key_text(record.key)
        ours = side is self._source
        alone = (record, None) if ours else (None, record)
        if isinstance(other, UnreadableRecordError):
            self._tell(Kind.UNDECODABLE, key, *alone, detail=other.problem)
        elif other is None:
            self._tell(Kind.MISSING if ours else Kind.ORPHAN, key, *alone)
        else:
            self._judge_both(key, *((record, other) if ours else (other, record)))

    def _judge_both(self, key: str, source: Record, target: Record) -> None:
        fields = differing(self._entity, self._source.seen(source), self._target.seen(target))
        if fields:
            self._tell(Kind.DIVERGED, key, source, target, fields=fields)
        else:
            self.settled += 1

    def _tell(
        self,
        kind: Kind,
        key: str,
        source: Record | None = None,
        target: Record | None = None,
        *,
        fields: tuple[FieldDifference, ...] = (),
        detail: str = "",
    ) -> None:
        difference = Difference(
            entity=self._entity.name,
            kind=kind,
            key=key,
            source_place=self._source.place,
            target_place=self._target.place,
            fields=fields,
            detail=detail,
        )
        self.told[kind] += 1
        self._each(difference, source, target)
