"""The live backfill: everything good of the authority into its follower, with writers at work.

It is the offline copy with three differences. Batches come with an epoch and leave alone what the
follower knows better; records that somebody has touched are carried by version, as the relay does;
and what the first look took for a problem is looked at again, for it may have been written since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import cast

import attrs

from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity
from fluxstore.errors import QuarantineError
from fluxstore.evaluate import reading
from fluxstore.migration import conflicts, extras, facts, identity
from fluxstore.migration.carrying import Waiting
from fluxstore.migration.copy import EntityCopy
from fluxstore.migration.current import readable
from fluxstore.migration.extras import Extras
from fluxstore.migration.live import Live
from fluxstore.migration.livecopy import FENCE_SECONDS, LiveCopy
from fluxstore.migration.migrate import Migration, opened, retried
from fluxstore.migration.options import Options
from fluxstore.migration.plan import LEASE, Plan, make_plan
from fluxstore.migration.progress import Throttle, check
from fluxstore.migration.quarantine import crossed, keys_of
from fluxstore.migration.report import MigrationReport
from fluxstore.migration.scratch import Scratch
from fluxstore.migration.spool import SHOWN, Problems
from fluxstore.migration.steering import Steering
from fluxstore.records import Key, Problem, Reason, Record, Rejected

_AT_ONCE = 500
_REASONS = {"unique": Reason.UNIQUE, "reference": Reason.REFERENCE, "check": Reason.CHECK}


def backfill(live: Live, entities: Entities, options: Options | None = None) -> MigrationReport:
    """Fill the follower of *live* from its authority, and return what was done.

    Both must be open for writing. What is finished is kept as a fact at the authority (``facts``).
    Raises what ``migrate`` raises, and ``StalePhaseError`` where the sides change places meanwhile:
    run again it goes on.
    """
    options = options or Options()
    options = attrs.evolve(
        options,
        entities=tuple(one.name for one in live.entities),
        batch_seconds=min(options.batch_seconds, FENCE_SECONDS),
    )
    with ExitStack() as held:
        if not options.dry_run:
            for end in (live.authority, live.follower):
                held.enter_context(end.adapter.ledger.lease(LEASE))
        plan = make_plan(live.authority, live.follower, entities, only=options.entities)
        plan = attrs.evolve(plan, migration=f"{plan.migration}-{live.migration}")
        scratch = held.enter_context(Scratch(options.scratch))
        return Backfill(live, plan, options, scratch).run()


class Backfill(Migration):
    """One run."""

    def __init__(self, live: Live, plan: Plan, options: Options, scratch: Scratch) -> None:
        """Take the roles and the plan; nothing is touched yet."""
        super().__init__(plan, options, scratch)
        self.live = live
        self._waiting: tuple[Waiting, ...] = ()

    def run(self) -> MigrationReport:
        """Do everything, and keep that it is done; a stop leaves a state to go on from."""
        report = super().run()
        if not report.stopped and not self.options.dry_run:
            ledger, epochs = self.live.authority.adapter.ledger, self.live.again().epochs
            facts.save_backfill(ledger, report, migration=self.live.migration, epochs=epochs)
        return report

    @property
    def _live_copies(self) -> dict[str, LiveCopy]:
        return cast("dict[str, LiveCopy]", self._copies)

    def _write(self) -> None:
        ledger = self.live.authority.adapter.ledger
        self._steering = Steering(ledger, self.options.rate, self._is_stopped)
        try:
            super()._write()
        finally:
            self._steering.close()

    def _entity_copy(self, entity: Entity, _: Throttle) -> EntityCopy:
        return LiveCopy(
            self.live,
            self._steering,
            self.plan,
            self._surveyed[entity.name],
            self.options,
            scratch=self.scratch,
            meter=self.meter,
            stopped=self._is_stopped,
        )

    def _compare(self, entities: Sequence[Entity]) -> None:
        """Find what is only at the follower now; delete it where that was asked for."""
        self.meter.begin("compare")
        finder = extras.Finder(self.plan, self.scratch, self.meter, self._is_stopped)
        for entity in entities:
            found = finder.find(self._surveyed[entity.name], None)
            self._extras[entity.name] = self._still_extra(entity, found)
        allowed = self.options.delete_extra
        self._notices += extras.notices(self._extras.values(), allowed)
        epochs = {name: copy.live.epochs[name] for name, copy in self._live_copies.items()}
        self._deleted = extras.delete(
            self.plan, self.scratch, self._extras, allowed=allowed, epochs=epochs
        )

    def _still_extra(self, entity: Entity, found: Extras) -> Extras:
        """Return what the authority has neither a record nor a tombstone of; carry the rest."""
        authority, key_of = self.live.authority.adapter, Codec.of(entity).key_of_text
        lines = self.scratch.lines()
        texts: Iterator[str] = iter(found.keys)
        while some := list(islice(texts, _AT_ONCE)):
            keys = {text: key_of(text) for text in some}
            records, unreadable = readable(authority, entity, list(keys.values()))
            known = {one.problem.key for one in unreadable}
            touched = authority.ledger.versions(entity.name, list(keys.values()))
            self._live_copies[entity.name].carry(list(touched))
            for text, key in keys.items():
                if key not in records and key not in touched and text not in known:
                    lines.add(text)
        return attrs.evolve(found, keys=lines)

    def _settle(self) -> None:
        """Try together what was refused, touched and untouched in turn, while that helps."""
        copies = [self._live_copies[e.name] for e in self.plan.entities if e.name in self._copies]
        for copy in copies:
            copy.carry_deletes()
            self._review(copy)
        while retried(copies) or self._settled(copies) or opened(copies):
            check(self._is_stopped)
        for copy in copies:
            copy.undo_bare()
        first = next((rejected for copy in copies for _, rejected in copy.pending), None)
        if first and self.options.fail_fast:
            raise QuarantineError(str(first.problem), count=1)

    def _settled(self, copies: Sequence[LiveCopy]) -> int:
        """Return how many touched records crossed together that waited alone."""
        live = self.live.again()
        waiting = {(one.entity, one.key): one for one in self._waiting}
        waiting |= {(one.entity, one.key): one for copy in copies for one in copy.take_waiting()}
        done = conflicts.settle(
            *live.adapters, self.plan.entities, list(waiting.values()), epochs=live.epochs
        )
        self._waiting = done.waiting
        return len(waiting) - len(self._waiting)

    def _review(self, copy: LiveCopy) -> None:
        """Sort out what the survey had listed: it may have been written since."""
        surveyed = self._surveyed[copy.entity.name]
        kept, crossed = Problems(self.scratch), 0
        problems = iter(surveyed.problems)
        while some := list(islice(problems, _AT_ONCE)):
            sound = self._sound(copy, some)
            crossed += len(sound)
            for one in some:
                if one.problem.key not in sound:
                    kept.add(one)
        left = surveyed.quarantined - crossed
        self._surveyed[copy.entity.name] = attrs.evolve(surveyed, problems=kept, quarantined=left)

    def _sound(self, copy: LiveCopy, listed: Sequence[Rejected]) -> set[str]:
        """Let cross what was touched, or refers to a record that is there; return those keys."""
        authority, keys = self.live.authority.adapter, keys_of(copy.entity, listed)
        touched = authority.ledger.versions(copy.entity.name, list(keys.values()))
        copy.carry(list(touched))
        reasons: dict[str, set[Reason]] = defaultdict(set)
        for one in listed:
            reasons[one.problem.key].add(one.problem.reason)
        doubted = [key for text, key in keys.items() if reasons[text] == {Reason.REFERENCE}]
        records, _ = readable(authority, copy.entity, [k for k in doubted if k not in touched])
        sound = {text for text, key in keys.items() if key in touched}
        for record in records.values():
            if self._has_parents(copy.entity, record):
                copy.acquit(record)
                sound.add(Codec.of(copy.entity).key_text(record.key))
        return sound

    def _has_parents(self, entity: Entity, record: Record) -> bool:
        """Tell whether all that *record* refers to is there and crosses."""
        for field in entity.references:
            parent = self.plan.all_entities[str(field.rules.references)]
            key = reading(entity, field)(record.values)
            if key is not None and not self._crosses(parent, key):
                return False
        return True

    def _crosses(self, entity: Entity, key: Key) -> bool:
        found, _ = readable(self.live.authority.adapter, entity, [key])
        surveyed = self._surveyed.get(entity.name)
        if not found or surveyed is None:
            return bool(found)
        listed = identity.key_digest(entity)(key) in surveyed.left
        return not listed or self._live_copies[entity.name].is_acquitted(key)

    def _keep(self, entity: Entity) -> None:
        """Save what stays behind, beside what the relay has put into quarantine."""
        authority, follower = self.live.adapters
        ledger = follower.ledger
        wanted = [*self._surveyed[entity.name].problems, *self._refused(entity.name)]
        own = {one.problem.key for one in wanted}
        known = list(ledger.quarantine(entity.name))
        others = [one for one in known if one.problem.key not in own]
        keys = keys_of(entity, others)
        touched = authority.ledger.versions(entity.name, list(keys.values()))
        still = touched.keys() - set(crossed(authority, follower, entity, others))
        wanted += [one for one in others if keys.get(one.problem.key) in still]
        if wanted != known:
            ledger.set_quarantine(entity.name, wanted)
        if self._surveyed[entity.name].refused is None:
            ledger.save_parts(entity.name, authority.ledger.parts(entity.name))

    def _report(self, *, stopped: bool) -> MigrationReport:
        report = super()._report(stopped=stopped)
        waiting = [self._held_back(one) for one in self._waiting]
        return attrs.evolve(
            report,
            problem_count=report.problem_count + len(waiting),
            problems=(*report.problems, *waiting[:SHOWN]),
        )

    def _held_back(self, one: Waiting) -> Problem:
        entity = self.plan.all_entities[one.entity]
        return Problem(
            entity=entity.name,
            reason=_REASONS[one.rule],
            expected=f"{one.problem}; its mark waits until that is out of the way",
            key=one.text,
            file=self.plan.target.collection(entity).place(),
        )
