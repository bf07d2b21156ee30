"""What a follower takes from the authority: versions decide, and rules are judged at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import attrs

from fluxstore.entity import Entity
from fluxstore.ledger.sidecar import versions_of
from fluxstore.records import UNTOUCHED, Key, Version, Versioned
from fluxstore_json.backend import Backend
from fluxstore_json.checking import broken_rules
from fluxstore_json.deleting import Kept, follow, still_kept
from fluxstore_json.items import chain
from fluxstore_json.moment import Moment, Stored
from fluxstore_json.places import Place
from fluxstore_json.rules import Broken
from fluxstore_json.unit import Slot, Unit

_JUDGEMENT = "judgement"


def apply_if_newer(
    backend: Backend, place: Place, changes: Sequence[Versioned], epoch: int | None
) -> Sequence[bool]:
    """Apply each change that is newer than what is here, with its version and operations."""

    def work(unit: Unit) -> list[bool]:
        backend.ledger.fence_follower(unit.transaction, place.name, epoch)
        apply, outer = Apply(backend, place, unit), unit.transaction.notes.get(_JUDGEMENT)
        unit.needs_parents = outer is None
        try:
            made = apply.make(changes)
        except Broken as broken:
            raise broken.error(backend.name, place.entity) from None
        unit.flush()
        judgement = outer or Judgement(backend)
        judgement.add(unit, apply.kept)
        if outer is None:
            judgement.give(unit)
        return made

    return backend.change(work) if changes else []


class Apply:
    """Applies changes of one place, inside one transaction."""

    def __init__(self, backend: Backend, place: Place, unit: Unit) -> None:
        """Begin with nothing applied."""
        self._ledger, self._place, self._unit = backend.ledger, place, unit
        self.kept: list[Kept] = []
        """What was deleted although others refer to it, so far."""

    def make(self, changes: Sequence[Versioned]) -> list[bool]:
        """Apply what is newer; tell of each whether it was."""
        unit, place = self._unit, self._place
        unit.load(place, [change.key for change in changes])
        records = [change.record for change in changes if change.record is not None]
        unit.load_around(place, [record.values for record in records])
        if records and place.entity.unique:
            unit.index(place)
        if len(records) < len(changes):
            unit.index_to_delete(place)
        texts = [unit.slot(place, change.key)[1] for change in changes]
        known = versions_of(unit.transaction.connection, place.name, texts)
        newer: dict[str, Version] = {}
        made = [
            self._make(change, text, newer.get(text) or known.get(text), newer)
            for change, text in zip(changes, texts, strict=True)
        ]
        self._ledger.set_versions(unit.transaction, place.name, newer)
        self._remember(changes, texts)
        return made

    def _make(
        self, change: Versioned, text: str, known: Version | None, newer: dict[str, Version]
    ) -> bool:
        unit, place = self._unit, self._place
        stored = unit.get(place, change.key)
        here = known or (UNTOUCHED if stored is not None else None)
        if here is not None and not change.version > here:
            return False
        newer[text] = attrs.evolve(change.version, deleted=change.record is None)
        if change.record is not None:
            unit.write(place, change.record)
        else:
            self.kept += follow(unit, place, change.key)
        return True

    def _remember(self, changes: Iterable[Versioned], texts: Iterable[str]) -> None:
        """Keep the operations, also of what was here already: they had their effect."""
        transaction, name = self._unit.transaction, self._place.name
        for change, text in zip(changes, texts, strict=True):
            if change.op_ids:
                done = {text: change.version}
                self._ledger.remember(transaction, name, done, change.op_ids, have_crossed=True)


class Judgement:
    """What has been applied in a transaction, judged by the entities' rules at its end."""

    def __init__(self, backend: Backend) -> None:
        """Begin with nothing to judge."""
        self._backend = backend
        self._touched: dict[str, dict[Slot, Key]] = {}
        self._replaced: dict[Slot, Stored | None] = {}
        self._orphans: list[tuple[Place, Key]] = []
        self._kept: list[Kept] = []

    def add(self, unit: Unit, kept: Iterable[Kept]) -> None:
        """Judge what *unit* has changed, too, and what it deleted."""
        for slot, key in unit.touched.items():
            self._touched.setdefault(slot[0], {})[slot] = key
        self._replaced = {**unit.replaced, **self._replaced}
        self._orphans += unit.orphans
        self._kept += kept

    def give(self, unit: Unit) -> None:
        """Raise ``ConstraintError`` where a rule is broken."""
        backend = self._backend
        self._take_in(unit)
        unit.replaced = self._replaced
        for name, touched in self._touched.items():
            unit.load(unit.rules.places[name], touched.values())
            for broken in broken_rules(unit, list(touched.items())):
                raise broken.error(backend.name, backend.entities[name])
        for place, broken in still_kept(unit, self._kept):
            raise broken.error(backend.name, place.entity)

    def _take_in(self, unit: Unit) -> None:
        """Write again what came before the document around it, which is to be there by now."""
        for place, key in sorted(self._orphans, key=lambda one: len(chain(one[0]))):
            stored = unit.get(place, key)
            if stored is None:
                continue
            try:
                unit.write(place, stored.record)
            except Broken as broken:
                raise broken.error(self._backend.name, place.entity) from None
        unit.flush()


@contextmanager
def transaction(backend: Backend, governed: Sequence[Entity]) -> Iterator[None]:
    """Make this thread's changes one transaction; what is applied in it is judged at its end."""
    with backend.alone() as whole:
        for entity in governed:
            backend.ledger.fence(whole, entity.name)
        if _JUDGEMENT in whole.notes:
            yield
            return
        judgement = whole.notes[_JUDGEMENT] = Judgement(backend)
        try:
            yield
        finally:
            del whole.notes[_JUDGEMENT]
        moment = Moment(whole.connection, backend.shelves, accept=True)
        judgement.give(Unit(whole, moment, backend.rules))
