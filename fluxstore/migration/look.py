"""The first look at one entity's records: what cannot be decoded, what the target cannot hold."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from fluxstore.adapter import Page
from fluxstore.codec import MAX_RECORD_BYTES, Codec
from fluxstore.entity import Entity
from fluxstore.errors import UnreadableRecordError
from fluxstore.migration import identity, scanning
from fluxstore.migration.joins import Evidence
from fluxstore.migration.plan import Plan, file_problem
from fluxstore.migration.progress import Meter, Stopped, check
from fluxstore.migration.scratch import Index, Scratch
from fluxstore.migration.spool import Problems, at_source, document_bytes
from fluxstore.migration.suspects import Suspects
from fluxstore.records import Problem, Reason, Record, Rejected

Note = Callable[[Problems, Rejected], None]
"""Lists a problem; raises where the caller wants to stop at the first."""
_INDEX = re.compile(r"\[\d+\]\Z", re.ASCII)
_WEIGHED_RECORDS = 64
_encoder = msgspec.msgpack.Encoder()


class Look:
    """One pass over one entity of a plan's source."""

    def __init__(
        self, plan: Plan, entity: Entity, *, scratch: Scratch, stopped: Stopped, note: Note
    ) -> None:
        """Begin with nothing seen."""
        self.entity = entity
        self.source = plan.source.collection(entity)
        self.target = plan.target.collection(entity)
        self.place = self.source.place()
        self.size = plan.sizes[entity.name]
        self.seconds = 0.0
        self._plan, self._scratch, self._stopped, self._note = plan, scratch, stopped, note
        self._codec = Codec.of(entity)
        self._digest = identity.key_digest(entity)
        self._named = identity.text_digest(entity)
        self._weigh_all = bool(identity.scaled_fields(entity))  # a Decimal is written out
        self._begin()

    def _begin(self) -> None:
        self.records = self.rejected = self.nameless = 0
        self.refused: Problem | None = None
        self.problems = Problems(self._scratch)
        self.evidence = Evidence(self.entity, self._plan.all_entities, self._scratch)
        self.suspects = Suspects(self.entity, self.target, self._scratch)

    def pages(self) -> Iterator[Page]:
        """Yield the source's pages; ``StoppedError`` between two where the caller asked to stop."""
        limit = scanning.page_records(self.size)
        for page in scanning.pages(self.source, lambda: limit):
            check(self._stopped)
            yield page
            del page

    def run(self, meter: Meter) -> None:
        """Look at everything; a file that is refused as a whole is one problem."""
        begun = time.monotonic()
        try:
            for page in self.pages():
                self._take(page)
                meter.passed(self.entity.name, len(page.records), page.done)
                del page
        except UnreadableRecordError as error:
            self._begin()
            self.refused = file_problem(self.entity, error, self.place)
            self._note(self.problems, Rejected(self.refused))
        meter.passed(self.entity.name, 0, 1.0)
        self.evidence.rest()
        self.seconds = time.monotonic() - begun

    def _take(self, page: Page) -> None:
        for rejected in page.rejected:
            self._reject(rejected)
        records = page.records
        self.records += len(records)
        self.evidence.take(records)
        heavy = {id(record): problem for record, problem in self._too_large(records)}
        for problem in heavy.values():
            self._set_aside(problem)
        fitting = [r for r in records if id(r) not in heavy] if heavy else records
        self._foresee(fitting)

    def _reject(self, rejected: Rejected) -> None:
        self.rejected += 1
        key = rejected.problem.key
        if not key or _INDEX.match(key):
            self.nameless += 1
        else:
            self.evidence.rejected.add(self._named(key))
        self._note(self.problems, rejected)

    def may_collide(self) -> bool:
        """Tell whether the target has any record whose unique values could be in the way."""
        return bool(self.entity.unique) and bool(self.target.scan(None, 1).records)

    def review(self, bad: Index) -> None:
        """Ask the target again about records that share a page with what stays behind.

        It foresaw them as if the others moved: a value that such a record holds there stays held.
        """
        for page in self.pages():
            rest = [record for record in page.records if self._digest(record.key) not in bad]
            for record, rejected in self._refused(rest if len(rest) < len(page.records) else ()):
                if rejected.problem.reason is Reason.UNIQUE:
                    self.suspects.add(record, rejected)

    def _foresee(self, records: Sequence[Record]) -> None:
        for record, rejected in self._refused(records):
            if rejected.problem.reason is Reason.UNIQUE:
                self.suspects.add(record, rejected)
            elif rejected.problem.reason is not Reason.REFERENCE:  # that is for the joins to say
                self._set_aside(rejected)

    def _refused(self, records: Sequence[Record]) -> Iterator[tuple[Record, Rejected]]:
        """Yield what the target would refuse, as problems of the source."""
        refused = self.target.foresee(records) if records else ()
        by_key = {self._codec.key_text(r.key): r for r in records} if refused else {}
        for rejected in refused:
            record = by_key[rejected.problem.key]
            yield record, at_source(rejected, record, self._codec, self.place)

    def _set_aside(self, rejected: Rejected) -> None:
        self.evidence.aside.add(self._named(rejected.problem.key))
        self._note(self.problems, rejected)

    def convict(
        self, stays: Callable[[bytes], bool], known: Callable[[bytes], bool]
    ) -> list[bytes]:
        """List the suspects that collide with what *stays* in the target; return their digests."""
        convicted = self.suspects.convicted(stays, known) if len(self.suspects) else []
        for rejected in convicted:
            self._set_aside(rejected)
        return [self._named(rejected.problem.key) for rejected in convicted]

    def _too_large(self, records: Sequence[Record]) -> Iterator[tuple[Record, Rejected]]:
        for at in range(0, len(records), _WEIGHED_RECORDS):
            some = records[at : at + _WEIGHED_RECORDS]
            if self._weigh_all or _weight(some) > MAX_RECORD_BYTES // 2:
                yield from self._weighed(some)

    def _weighed(self, records: Sequence[Record]) -> Iterator[tuple[Record, Rejected]]:
        for record in records:
            for name, refusal in self._codec.too_large(record.values, record.residue.extras):
                key = self._codec.key_text(record.key)
                problem = self._codec.problem(name, refusal, key, file=self.place)
                yield record, Rejected(problem, document_bytes(self._codec, record))


def _weight(records: Sequence[Record]) -> int:
    """Return a bound of the canonical bytes of *records* together: field names are counted too."""
    try:
        return len(_encoder.encode([(r.values, r.residue.extras) for r in records]))
    except (OverflowError, TypeError):  # integers beyond 64 bits: weigh one by one
        return MAX_RECORD_BYTES
