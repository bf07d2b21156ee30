"""One entity on its way: batches into the target, each with the cursor to go on from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import attrs

from fluxstore.adapter import Batch, Cursor, Merged, Page
from fluxstore.calls import Move
from fluxstore.codec import Codec
from fluxstore.errors import CursorError, MigrationError
from fluxstore.migration import identity, scanning
from fluxstore.migration.options import Options
from fluxstore.migration.plan import Plan
from fluxstore.migration.progress import Brake, Meter, Stopped, check
from fluxstore.migration.scratch import Scratch
from fluxstore.migration.spool import Records, at_source
from fluxstore.migration.survey import Surveyed
from fluxstore.records import Key, Record, Rejected

CURSOR_FORMAT = 1
_FIRST_BATCH_RECORDS = 256


class Pace:
    """How many records a batch takes, so that it takes about *seconds* at the target."""

    def __init__(self, seconds: float, largest: int) -> None:
        """Begin small; never take more than *largest*, for memory's sake."""
        self._seconds, self._largest = seconds, largest
        self._records = min(_FIRST_BATCH_RECORDS, largest)

    def records(self) -> int:
        """Return how many records to take next."""
        return self._records

    def took(self, records: int, seconds: float) -> None:
        """Learn from a batch."""
        if seconds > self._seconds:
            fitting = int(records * self._seconds / seconds)
            self._records = max(scanning.SMALLEST_PAGE_RECORDS, min(fitting, self._largest))
        elif seconds < self._seconds / 2 and records >= self._records // 2:
            self._records = min(self._records * 2, self._largest)


class EntityCopy:
    """Copies one entity's good records; what the target refuses is put aside and tried again."""

    def __init__(
        self,
        plan: Plan,
        surveyed: Surveyed,
        options: Options,
        *,
        scratch: Scratch,
        meter: Meter,
        throttle: Brake,
        stopped: Stopped,
    ) -> None:
        """Begin with nothing copied."""
        self.surveyed, self.entity = surveyed, surveyed.entity
        self.written = self.unchanged = self.resumed = 0
        self.seconds = 0.0
        self._plan, self._scratch, self._meter = plan, scratch, meter
        self._throttle, self._stopped, self._resume = throttle, stopped, options.resume
        self._source = plan.source.collection(self.entity)
        self._target = plan.target.collection(self.entity)
        self._move: Move = options.moves.get(self.entity.name, self._target.merge)
        self._crossed_bare: set[Key] = set()
        self._codec = Codec.of(self.entity)
        self._digest = identity.key_digest(self.entity)
        self._largest = scanning.page_records(surveyed.size)
        self._pace = Pace(options.batch_seconds, self._largest)
        self.pending = Records(scratch, self.entity)
        """Records that the target refused, each with the reason it gave last."""

    def run(self) -> None:
        """Copy everything; ``StoppedError`` between two batches when asked to stop."""
        begun = time.monotonic()
        try:
            for page, position in self._pages():
                self._batch(page.records, self._cursor(position))
                self._throttle.passed(len(page.records))
                self._meter.passed(self.entity.name, len(page.records), page.done)
                check(self._stopped)
                del page
            self.retry()
        finally:
            self.seconds += time.monotonic() - begun
        self._meter.passed(self.entity.name, 0, 1.0)

    def retry(self) -> None:
        """Try what was refused again, until the target takes nothing more of it."""
        while len(self.pending) and self._retry_once():
            check(self._stopped)

    def cross_bare(self) -> int:
        """Let records cross without the references that may be null; return how many did.

        Only those that the target does not have: for two records that wait for each other.
        """
        crossed = 0
        waiting = (record for record, _ in self.pending)
        while some := list(islice(waiting, self._largest)):
            there = self._target.read([record.key for record in some])
            new = [record for record in some if record.key not in there]
            bare = [bare for record in new if (bare := self._bare(record)) is not record]
            refused = {one.problem.key for one in self._merge(Batch(bare)).refused}
            taken = {one.key for one in bare if self._codec.key_text(one.key) not in refused}
            self._crossed_bare |= taken
            crossed += len(taken)
        return crossed

    def undo_bare(self) -> None:
        """Delete what crossed without its references and could not be completed."""
        left = [record.key for record, _ in self.pending if record.key in self._crossed_bare]
        if left:
            self._merge(Batch((), deletes=left))

    def _bare(self, record: Record) -> Record:
        open_ = [f.name for f in self.entity.references if f.type.nullable]
        dropped = {name: None for name in open_ if record.values.get(name) is not None}
        return attrs.evolve(record, values={**record.values, **dropped}) if dropped else record

    def _pages(self) -> Iterator[tuple[Page, str | None]]:
        """Yield the pages to copy, each with the cursor at which it begins."""
        position = self._position()
        pages = scanning.pages(self._source, self._pace.records, position)
        try:
            page = next(pages)
        except CursorError:  # the source is no longer what the cursor was of: begin afresh
            position, self.resumed = None, 0
            pages = scanning.pages(self._source, self._pace.records)
            page = next(pages)
        self._meter.resumed(self.entity.name, page.done if self.resumed else None)
        following = page.cursor
        yield page, position
        del page
        try:
            for page in pages:
                position, following = following, page.cursor
                yield page, position
                del page
        except CursorError as error:
            raise MigrationError(
                f"{self.surveyed.place} was changed while it was copied: {error.problem}",
                next_step="run the command again while nothing writes there",
            ) from error

    def _position(self) -> str | None:
        """Return where to begin: at the start where an earlier run had refused records."""
        saved = saved_cursor(self._plan, self.entity.name) if self._resume else None
        if saved is None or saved.counts["pending"]:
            return None
        self.resumed = saved.counts["copied"]
        return saved.position

    def _cursor(self, position: str | None) -> Cursor | None:
        """Return the cursor to save with the batch that begins at *position*.

        A later run does this batch again, which writes nothing where all is equal: only when the
        batch is committed is it known what the target refused of it.
        """
        if position is None:
            return None
        copied = self.resumed + self.written + self.unchanged
        return Cursor(
            migration=self._plan.migration,
            entity=self.entity.name,
            position=position,
            fingerprint=identity.fingerprint(self.entity),
            counts={"copied": copied, "pending": len(self.pending)},
            format=CURSOR_FORMAT,
        )

    def _batch(self, records: Sequence[Record], cursor: Cursor | None) -> None:
        if len(self.surveyed.left):
            records = [record for record in records if not self._stays(record)]
        merged = self._merge(Batch(records, cursor=cursor))
        self.written += merged.written
        self.unchanged += merged.unchanged
        if merged.refused:
            self._put_aside(records, merged.refused)

    def _merge(self, batch: Batch) -> Merged:
        begun = time.monotonic()
        merged = self._move(batch)
        self._pace.took(len(batch.records), time.monotonic() - begun)
        return merged

    def _stays(self, record: Record) -> bool:
        """Tell whether the survey has found that the record stays behind."""
        return self._digest(record.key) in self.surveyed.left

    def _put_aside(self, records: Sequence[Record], refused: Sequence[Rejected]) -> None:
        by_key = {self._codec.key_text(record.key): record for record in records}
        for rejected in refused:
            record = by_key[rejected.problem.key]
            self.pending.add(record, at_source(rejected, record, self._codec, self.surveyed.place))

    def _retry_once(self) -> bool:
        """Tell whether the target took any of them this time."""
        tried, self.pending = self.pending, Records(self._scratch, self.entity)
        records = (record for record, _ in tried)
        while batch := list(islice(records, self._largest)):  # together: values may be swapped
            self._batch(batch, None)
        tried.close()
        return len(self.pending) < len(tried)


def saved_cursor(plan: Plan, entity: str) -> Cursor | None:
    """Return where an earlier run of this migration stood; ``CursorError`` if it does not fit."""
    saved = plan.target.adapter.ledger.cursor(plan.migration, entity)
    if saved is None:
        return None
    fits = saved.fingerprint == identity.fingerprint(plan.all_entities[entity])
    if saved.format != CURSOR_FORMAT or not fits:
        raise CursorError(
            f"the cursor of {entity} is of another format or of an entity since changed",
            next_step="run again without --resume to start afresh",
        )
    return saved
