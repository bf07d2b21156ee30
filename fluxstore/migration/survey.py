"""What would stay behind: one look at the whole source, the same for ``assess`` and ``migrate``."""

from __future__ import annotations

from concurrent.futures import Executor

import attrs

from fluxstore.adapter import Size
from fluxstore.entity import Entity
from fluxstore.errors import QuarantineError
from fluxstore.migration import identity, joins, scanning
from fluxstore.migration.joins import Evidence, Flags
from fluxstore.migration.look import Look
from fluxstore.migration.naming import Namer
from fluxstore.migration.plan import Plan
from fluxstore.migration.progress import Meter, Stopped, never
from fluxstore.migration.scratch import DIGEST_BYTES, Index, Scratch, Table
from fluxstore.migration.spool import Problems
from fluxstore.records import Problem, Rejected

STAGE = "survey"


@attrs.frozen
class Surveyed:
    """What the survey knows of one entity."""

    entity: Entity
    place: str
    read: int
    """Records found, those that cannot be decoded included."""
    quarantined: int
    """Records that stay behind."""
    nameless: int
    """How many of them have no key that can be read."""
    refused: Problem | None
    """Why the whole file was refused, where it was."""
    size: Size
    seconds: float
    problems: Problems = attrs.field(repr=False)
    left: Index = attrs.field(repr=False)
    """Digests of the keys of decodable records that stay behind."""
    keys: tuple[Table, Table] = attrs.field(repr=False)
    """Digests of the source's keys: of records that can be decoded, and of those that cannot."""

    @property
    def good(self) -> int:
        """How many records can cross."""
        return self.read - self.quarantined


class Survey:
    """Looks at every record of a plan's source, and once more at those that stay behind."""

    def __init__(
        self,
        plan: Plan,
        scratch: Scratch,
        *,
        meter: Meter,
        stopped: Stopped = never,
        fail_fast: bool = False,
        deleting: bool = False,
        executor: Executor | None = None,
    ) -> None:
        """Take the plan; *deleting* says that records only in the target will go."""
        self._plan, self._scratch, self._meter = plan, scratch, meter
        self._fail_fast, self._deleting, self._executor = fail_fast, deleting, executor
        self._looks = {
            entity.name: Look(plan, entity, scratch=scratch, stopped=stopped, note=self._note)
            for entity in plan.entities
        }

    def run(self) -> dict[str, Surveyed]:
        """Return what is known of each entity, by name."""
        self._meter.begin(STAGE)
        tasks = [lambda look=look: look.run(self._meter) for look in self._looks.values()]
        scanning.side_by_side(self._executor, tasks)
        books = {name: look.evidence for name, look in self._looks.items()}
        outside = self._outside()
        flags = joins.flag(books, outside, self._scratch)
        self._settle(books, flags)
        return {
            name: self._surveyed(look, flags[name], outside) for name, look in self._looks.items()
        }

    def _note(self, problems: Problems, rejected: Rejected) -> None:
        problems.add(rejected)
        if self._fail_fast:
            raise QuarantineError(
                str(rejected.problem), count=1, next_step="mend it, or run without --fail-fast"
            )

    def _outside(self) -> dict[str, Table]:
        """Return the keys the target has of entities that are referred to and do not cross now."""
        inside = {name for name, look in self._looks.items() if look.refused is None}
        wanted = {
            str(field.rules.references)
            for entity in self._plan.entities
            for field in entity.references
        }
        return {name: self._keys_in_target(name) for name in sorted(wanted - inside)}

    def _keys_in_target(self, name: str) -> Table:
        entity = self._plan.all_entities[name]
        digest = identity.key_digest(entity)
        table = self._scratch.table(DIGEST_BYTES)
        collection = self._plan.target.collection(entity)
        for page in scanning.pages(collection, lambda: scanning.LARGEST_PAGE_RECORDS):
            table.update(digest(record.key) for record in page.records)
        table.rest()
        return table

    def _settle(self, books: dict[str, Evidence], flags: dict[str, Flags]) -> None:
        """List the suspects that collide after all, and what refers to them, until none is new."""
        reviewed = dict.fromkeys(flags, 0)
        self._convict(books, flags)
        while self._review(flags, reviewed):
            self._convict(books, flags)

    def _review(self, flags: dict[str, Flags], reviewed: dict[str, int]) -> bool:
        """Look again where more stays behind than at the last look; tell whether there was any."""
        grown = [name for name, flag in flags.items() if len(flag.bad) > reviewed[name]]
        for name in grown:
            reviewed[name] = len(flags[name].bad)
            if self._looks[name].may_collide():
                self._looks[name].review(Index(flags[name].bad))
        return bool(grown)

    def _convict(self, books: dict[str, Evidence], flags: dict[str, Flags]) -> None:
        suspected = [name for name, look in self._looks.items() if len(look.suspects)]
        keys = {name: Index(books[name].keys) for name in suspected}
        while suspected:
            bad = {name: Index(flags[name].bad) for name in suspected}
            new = {name: self._convicted(name, keys[name], bad[name]) for name in suspected}
            if not any(map(len, new.values())):
                return
            joins.spread(books, flags, new, self._scratch)

    def _convicted(self, name: str, keys: Index, bad: Index) -> Table:
        def stays(holder: bytes) -> bool:
            return holder in bad or (holder not in keys and not self._deleting)

        new = self._scratch.table(DIGEST_BYTES)
        new.update(self._looks[name].convict(stays, bad.__contains__))
        return new

    def _surveyed(self, look: Look, flags: Flags, outside: dict[str, Table]) -> Surveyed:
        found = look.evidence
        named = self._name(look, flags, outside) if len(flags.why) else 0
        aside = sum(map(len, joins.only_in(found.aside, flags.why)))
        return Surveyed(
            entity=look.entity,
            place=look.place,
            read=look.records + look.rejected,
            quarantined=look.rejected + named + aside,
            nameless=look.nameless,
            refused=look.refused,
            size=look.size,
            seconds=look.seconds,
            problems=look.problems,
            left=Index(flags.bad),
            keys=(found.keys, found.rejected),
        )

    def _name(self, look: Look, flags: Flags, outside: dict[str, Table]) -> int:
        """Read the source again and list what the joins found; return how many records."""
        why = Index(flags.why)
        namer = Namer(look.entity, look.place, why, self._plan.all_entities, set(outside))
        named = 0
        for page in look.pages():
            for record in page.records:
                found = namer.problems(record)
                named += bool(found)
                for rejected in found:
                    self._note(look.problems, rejected)
        return named
