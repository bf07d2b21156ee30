"""Records that are only in the target: counted, listed, and deleted only when told how many."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import attrs

from fluxstore.adapter import Batch
from fluxstore.codec import Codec
from fluxstore.entity import Entity
from fluxstore.migration import identity, joins, scanning
from fluxstore.migration.plan import Plan
from fluxstore.migration.progress import Meter, Stopped, check
from fluxstore.migration.report import Extra
from fluxstore.migration.scratch import DIGEST_BYTES, Index, Lines, Scratch, Table
from fluxstore.migration.spool import SHOWN
from fluxstore.migration.survey import Surveyed
from fluxstore.query import Query
from fluxstore.records import Key, Reason, Rejected

_DELETED_AT_ONCE = 500


@attrs.frozen
class Extras:
    """The keys of one entity that only the target has."""

    entity: Entity
    keys: Lines
    """As text."""
    deletable: bool
    """Whether it is known of each that the source does not have it."""

    def __len__(self) -> int:
        """Count them."""
        return len(self.keys)

    def first(self) -> Iterator[Extra]:
        """Yield the first thousand, for a report."""
        return (Extra(self.entity.name, key) for key in islice(iter(self.keys), SHOWN))


class Finder:
    """Finds what is only in a plan's target."""

    def __init__(self, plan: Plan, scratch: Scratch, meter: Meter, stopped: Stopped) -> None:
        """Take the plan."""
        self._plan, self._scratch, self._meter, self._stopped = plan, scratch, meter, stopped

    def find(
        self, surveyed: Surveyed, crossed: int | None, kept: Iterable[Rejected] = ()
    ) -> Extras:
        """Return what only the target has, apart from the keys of *kept*.

        *crossed* is how many records are known to be in the target: where it counts no more,
        nothing need be read. ``None`` where that is not known.
        """
        entity = surveyed.entity
        target = self._plan.target.collection(entity)
        protected = self._digests(entity, kept)
        if crossed is not None and target.count(Query()) <= crossed:
            return Extras(entity, self._scratch.lines(), deletable=True)
        found = self._scratch.table(DIGEST_BYTES)
        for digests in joins.only_in(self._keys(entity), *surveyed.keys, protected):
            found.update(digests)
        return Extras(entity, self._named(entity, Index(found)), not surveyed.nameless)

    def _digests(self, entity: Entity, rejected: Iterable[Rejected]) -> Table:
        digest = identity.text_digest(entity)
        table = self._scratch.table(DIGEST_BYTES)
        keys = (one.problem.key for one in rejected if one.problem.reason is not Reason.FILE)
        table.update(map(digest, keys))
        return table

    def _keys(self, entity: Entity) -> Table:
        digest = identity.key_digest(entity)
        table = self._scratch.table(DIGEST_BYTES)
        for key in self._scan(entity):
            table.add(digest(key))
        return table

    def _named(self, entity: Entity, found: Index) -> Lines:
        digest, text = identity.key_digest(entity), Codec.of(entity).key_text
        lines = self._scratch.lines()
        if len(found):
            for key in self._scan(entity):
                if digest(key) in found:
                    lines.add(text(key))
        return lines

    def _scan(self, entity: Entity) -> Iterator[Key]:
        collection = self._plan.target.collection(entity)
        limit = scanning.page_records(collection.size())
        for page in scanning.pages(collection, lambda: limit):
            check(self._stopped)
            yield from (record.key for record in page.records)
            self._meter.passed(entity.name, len(page.records), page.done)
            del page


def delete(
    plan: Plan,
    scratch: Scratch,
    extras: Mapping[str, Extras],
    *,
    allowed: int | None,
    epochs: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Delete *extras*, children first, and return how many of each entity.

    With *epochs* live: only what has no version there, and only while it is follower in its epoch.

    Nothing is deleted where there are more than *allowed* (``None``: any number may go) or where
    the source has records without a readable key, which may be just those.
    """
    wanted = [extras[one.name] for one in reversed(plan.entities) if one.name in extras]
    total = sum(map(len, wanted))
    if not total or (allowed is not None and total > allowed):
        return {}
    before = {one.entity.name: _count(plan, one.entity) for one in wanted if len(one)}
    told = dict.fromkeys(before, 0)
    for one in wanted:
        if one.deletable and len(one):
            name = one.entity.name
            told[name] = _delete(plan, scratch, one, epochs[name] if epochs else None)
    if epochs:  # others write meanwhile: counting again would count their records, too
        return told
    return {name: before[name] - _count(plan, plan.all_entities[name]) for name in before}


def notices(extras: Iterable[Extras], allowed: int | None) -> Iterator[str]:
    """Yield why records only in the target stay there though their deletion was asked for."""
    found = [one for one in extras if len(one)]
    total = sum(map(len, found))
    if allowed and total > allowed:
        yield f"{total:,} records are only in the target, more than {allowed:,}: none was deleted"
        return
    for one in found if allowed != 0 else ():
        if not one.deletable:
            name = one.entity.name
            yield f"{name}: the source has records without a readable key, so none was deleted"


def _count(plan: Plan, entity: Entity) -> int:
    return plan.target.collection(entity).count(Query())


def _delete(plan: Plan, scratch: Scratch, extras: Extras, epoch: int | None) -> int:
    """Delete what can be; return how many the target says it was.

    A record that another of them refers to goes in a later round.
    """
    key_of = Codec.of(extras.entity).key_of_text
    target = plan.target.collection(extras.entity)
    wanted, deleted = extras.keys, 0
    while len(wanted):
        texts, refused = iter(wanted), scratch.lines()
        while some := list(islice(texts, _DELETED_AT_ONCE)):
            keys = [key_of(text) for text in some]
            merged = target.merge(Batch((), deletes=keys, epoch=epoch))
            deleted += merged.deleted
            for rejected in merged.refused:
                refused.add(rejected.problem.key)
        if len(refused) == len(wanted):
            break
        wanted = refused
    return deleted


def save(extras: Sequence[Extras], path: Path) -> None:
    """Write every one as a line of JSON."""
    with path.open("w", encoding="utf-8") as file:
        for one in extras:
            for key in one.keys:
                line = {"entity": one.entity.name, "key": key}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
