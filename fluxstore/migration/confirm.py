"""A validation while writers are at work: what seems to differ is looked at until it is certain.

The follower is read first, then the authority: then a follower that has something newer is an
error, and no lag. What differs is carried as the relay carries it, and looked at again. It counts
only where two looks see the same version at the authority, and the follower still differs after
what was under way has arrived.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import attrs

from fluxstore.entity import Entities, Entity
from fluxstore.errors import LeaseError, UnreadableRecordError
from fluxstore.migration import facts, quarantine
from fluxstore.migration.carrying import carry
from fluxstore.migration.compare import Joined
from fluxstore.migration.differences import Kind, differing
from fluxstore.migration.live import Live
from fluxstore.migration.locate import Each, Locator
from fluxstore.migration.options import Options
from fluxstore.migration.patience import Patience
from fluxstore.migration.plan import make_plan
from fluxstore.migration.report import ValidationReport
from fluxstore.migration.scanning import side_by_side
from fluxstore.migration.scratch import Index, Scratch, Table
from fluxstore.migration.sides import Side
from fluxstore.migration.verify import Listing, Validation
from fluxstore.records import UNTOUCHED, Key, Record, Version

_AT_ONCE = 200
_LOOKS = 12
_PAUSE_SECONDS = 0.02
Found: TypeAlias = Record | UnreadableRecordError | None


def validate_live(
    live: Live, entities: Entities, options: Options | None = None, *, each: Each | None = None
) -> ValidationReport:
    """Compare the authority of *live* with its follower; *each* hears of every difference.

    Both must be open for writing: what is under way to the follower is carried along, and what was
    found is kept as a fact at the authority (``facts``), unless it is of a sample only. Raises
    ``StalePhaseError`` where the sides change places meanwhile, ``StoppedError`` when stopped.
    """
    options = attrs.evolve(options or Options(), entities=tuple(one.name for one in live.entities))
    plan = make_plan(live.authority, live.follower, entities, only=options.entities, check=False)
    patience, touched = Patience(options.stopped), dict[str, int]()
    for entity in live.entities:
        touched[entity.name] = patience(partial(_last_touch, live, entity))
        patience(partial(quarantine.reconcile, *live.adapters, entity))
    with Scratch(options.scratch) as scratch, Listing(options, each) as listing:
        scratch.require(2 * plan.scratch_bytes)
        validation = LiveValidation(plan, options, scratch, listing)
        validation.live = live
        report = validation.run()
    if options.sample is None:
        patience(partial(_save, live, report, touched))
    return report


def _save(live: Live, report: ValidationReport, touched: Mapping[str, int]) -> None:
    ledger, epochs = live.authority.adapter.ledger, live.again().epochs
    facts.save_validation(ledger, report, migration=live.migration, epochs=epochs, touched=touched)


def _last_touch(live: Live, entity: Entity) -> int:
    """Return how far the keys of *entity* are written; 0, so all are later, where none can say."""
    try:
        return live.authority.adapter.ledger.last_touch(entity.name)
    except LeaseError:
        return 0


class LiveValidation(Validation):
    """One run."""

    is_live = True
    live: Live

    def _read(self, pairs: list[tuple[Side, Side]]) -> None:
        """Take all digests, of each entity the follower's first."""
        sides = [side for pair in pairs for side in pair]
        sizes = {side.label: float(self._plan.sizes[side.entity.name].bytes) for side in sides}
        self._meter.sizes(sizes)
        self._meter.begin("compare")

        def task(authority: Side, follower: Side) -> Callable[[], None]:
            def read() -> None:
                for side in (follower, authority):
                    side.read(self._meter, self._options.stopped)

            return read

        side_by_side(self._options.executor, [task(*pair) for pair in pairs])

    def _patience(self) -> Patience | None:
        return Patience(self._options.stopped)

    def _locator(self, source: Side, target: Side) -> Locator:
        def each(difference: Any, one: Record | None, other: Record | None) -> None:
            self._listing.add(source.entity, difference, one, other)

        stopped = self._options.stopped
        made = Confirmation(source, target, meter=self._meter, stopped=stopped, each=each)
        made.live = self.live
        return made

    def _notice_moved(self, entity: Entity, _: Joined, locator: Locator) -> None:
        if locator.lagging:
            self._notices.append(
                f"{entity.name}: {locator.lagging:,} records are on their way still, or wait for "
                "another; see `fluxstore relay --once`"
            )

    def _epoch(self) -> int:
        return self.live.epoch


@attrs.frozen
class Look:
    """What both sides have under one key, the follower read first."""

    follower: Found
    authority: Found
    there: Version | None
    """The follower's version: of its record or tombstone; ``None`` where it has neither."""
    here: Version | None
    """The authority's."""


class Confirmation(Locator):
    """Looks at the records of one entity that seemed to differ, until each is certain."""

    live: Live

    def __init__(self, source: Side, target: Side, **options: Any) -> None:
        """Take what ``Locator`` takes."""
        super().__init__(source, target, **options)
        self._patient = Patience(self._stopped)

    def run(self, found: Joined, held: Table) -> None:
        """Name every difference that is certain."""
        self._name_rejected(held)
        wanted = [Index(t) for t in (found.missing, found.diverged, found.orphans, found.doubled)]
        if not any(map(len, wanted)):
            return
        keys, seen = self._keys(wanted), 0
        while some := list(islice(keys, _AT_ONCE)):
            self._confirm(some)
            seen += len(some)
        self.settled += max(sum(map(len, wanted)) - seen, 0)  # gone meanwhile, on both sides

    def _keys(self, wanted: Iterable[Index]) -> Iterator[Key]:
        """Yield the keys of the digests *wanted*, as either side has them now, each once."""
        told: set[bytes] = set()
        for side in (self._target, self._source):
            for record in self._again(side, wanted):
                digest = side.key(record.key)
                if digest not in told:
                    told.add(digest)
                    yield record.key

    def _confirm(self, keys: Sequence[Key]) -> None:
        """Sort *keys* into equal, lagging, and every kind of difference."""
        suspected: dict[Key, Look] = {}
        open_: list[Key] = list(keys)
        for turn in range(_LOOKS):
            looks = self._patient(partial(self._look, open_))
            open_ = [key for key in open_ if not self._is_settled(key, looks[key], suspected)]
            if not open_:
                return
            suspected = {key: looks[key] for key in open_}
            time.sleep(_PAUSE_SECONDS * (turn > 0))
            self._patient(partial(self._carry, open_))
        self.lagging += len(open_)

    def _is_settled(self, key: Key, look: Look, suspected: Mapping[Key, Look]) -> bool:
        """Tell whether *look* decides about *key*; tell of the difference, where it is one."""
        if self._is_equal(look):
            self.settled += 1
            return True
        before = suspected.get(key)
        if before is None or _plain(before.here) != _plain(look.here):
            return False
        if (
            look.here is not None
            and look.here != UNTOUCHED
            and _plain(look.there) < _plain(look.here)
        ):
            return False  # a rule of the follower holds it back: it waits
        self._name(key, look)
        return True

    def _is_equal(self, look: Look) -> bool:
        one, other = look.authority, look.follower
        if isinstance(one, Record) and isinstance(other, Record):
            seen = self._source.seen(one), self._target.seen(other)
            return not differing(self._entity, *seen)
        return one is None and other is None

    def _name(self, key: Key, look: Look) -> None:
        text = self._codec.key_text(key)
        one, other = look.authority, look.follower
        records = tuple(found if isinstance(found, Record) else None for found in (one, other))
        for found in (one, other):
            if isinstance(found, UnreadableRecordError):
                self._tell(Kind.UNDECODABLE, text, *records, detail=found.problem)
                return
        if look.there != UNTOUCHED and _plain(look.there) > _plain(look.here):
            detail = f"version {_said(look.there)} there, {_said(look.here)} at the authority"
            self._tell(Kind.AHEAD, text, *records, detail=detail)
        elif isinstance(one, Record) and isinstance(other, Record):
            fields = differing(self._entity, self._source.seen(one), self._target.seen(other))
            self._tell(Kind.DIVERGED, text, one, other, fields=fields)
        else:
            self._tell(Kind.MISSING if other is None else Kind.ORPHAN, text, *records)

    def _look(self, keys: Sequence[Key]) -> dict[Key, Look]:
        """Read the follower, then the authority."""
        follower, there = self._now(self._target, keys)
        authority, here = self._now(self._source, keys)
        return {
            key: Look(follower.get(key), authority.get(key), there.get(key), here.get(key))
            for key in keys
        }

    def _now(
        self, side: Side, keys: Sequence[Key]
    ) -> tuple[dict[Key, Record | UnreadableRecordError], dict[Key, Version]]:
        """Return what *side* has now, and the versions of records and tombstones."""
        found = side.now(keys)
        versions = {key: one.version for key, one in found.items() if isinstance(one, Record)}
        rest = [key for key in keys if key not in versions]
        known = side.end.adapter.ledger.versions(self._entity.name, rest)
        return found, versions | dict(known)

    def _carry(self, keys: Sequence[Key]) -> None:
        epoch = self.live.epochs[self._entity.name]
        carry(*self.live.adapters, self._entity, keys, epoch=epoch)


def _plain(version: Version | None) -> tuple[int, int]:
    """Return a version to be compared, a tombstone's too; less than any where there is none."""
    return (0, 0) if version is None else (version.epoch, version.seq)


def _said(version: Version | None) -> str:
    return "none" if version is None else f"{version.epoch}.{version.seq}"
