"""What migrations write in batches: equal records stay, versions decide in live ones."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from fluxstore.adapter import Batch, Merged
from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger.sidecar import versions_of
from fluxstore.records import Key, Problem, Reason, Record, Rejected, Residue
from fluxstore_json.backend import Backend
from fluxstore_json.checking import broken_rules
from fluxstore_json.deleting import delete
from fluxstore_json.places import Place
from fluxstore_json.rules import Broken
from fluxstore_json.unit import Unit


def merge(backend: Backend, place: Place, batch: Batch) -> Merged:
    """Write what differs, leave what is equal, refuse singly what breaks a rule."""

    def work(unit: Unit) -> Merged:
        backend.ledger.fence_batch(unit.transaction, place.name, batch.epoch)
        versioned = _versioned(place, unit, batch)
        merger = Merger(backend, place, unit)
        deleted = sum(merger.delete(key) for key in batch.deletes if key not in versioned)
        merger.write([one for one in batch.records if one.key not in versioned])
        if batch.cursor is not None:
            backend.ledger.save_cursor(unit.transaction, batch.cursor)
        written, refused = len(merger.written), tuple(merger.refused)
        about_records = len(refused) - merger.kept
        unchanged = len(batch.records) - written - about_records
        unchanged += sum(key in versioned for key in batch.deletes)
        return Merged(written, unchanged, deleted, refused)

    if batch == Batch(()):
        return Merged()
    return backend.change(work)


def _versioned(place: Place, unit: Unit, batch: Batch) -> set[Key]:
    """Return the keys of a live batch that have a version here: they are newer than it."""
    if batch.epoch is None:
        return set()
    keys = [*(record.key for record in batch.records), *batch.deletes]
    texts = {unit.slot(place, key)[1]: key for key in keys}
    known = versions_of(unit.transaction.connection, place.name, list(texts))
    return {texts[text] for text in known}


def foresee(backend: Backend, place: Place, records: Sequence[Record]) -> Sequence[Rejected]:
    """Return what ``merge`` would refuse of *records*, references apart."""

    def work(unit: Unit) -> list[Rejected]:
        merger = Merger(backend, place, unit, references=False)
        merger.write(records)
        return merger.refused

    return backend.trial(place, work) if records else []


class Merger:
    """Merges into one place, inside one transaction."""

    def __init__(
        self, backend: Backend, place: Place, unit: Unit, *, references: bool = True
    ) -> None:
        """Begin with nothing written."""
        self._backend, self._place, self._unit = backend, place, unit
        self._references = unit.needs_parents = references
        self.written: dict[Key, None] = {}
        self.refused: list[Rejected] = []
        self.kept = 0
        """How many of *refused* are deletes."""

    def delete(self, key: Key) -> bool:
        """Delete a record; tell whether it was there and is gone."""
        unit, place = self._unit, self._place
        unit.index_to_delete(place)
        try:
            if unit.get(place, key) is None:
                return False
            unit.trial(lambda: delete(unit, place, key))
        except Broken as broken:
            broken.key = key  # whatever keeps it, it is this record that stays
            self._refuse(broken)
            self.kept += 1
            return False
        except UnreadableRecordError as error:
            self._refuse_unreadable(key, error)
            self.kept += 1
            return False
        return True

    def write(self, records: Sequence[Record]) -> None:
        """Write *records* where they differ from what is there."""
        unit, place = self._unit, self._place
        if place.entity.unique:
            unit.index(place)
        unit.load(place, [record.key for record in records])
        unit.load_around(place, [record.values for record in records])
        for record in records:
            try:
                if not self._is_equal(record) and unit.write_different(place, record):
                    self.written[record.key] = None
            except Broken as broken:
                self._refuse(broken)
            except UnreadableRecordError as error:
                self._refuse_unreadable(record.key, error)
        while found := self._broken():
            for each in found:
                self._refuse(each)
                del self.written[each.key]
                unit.restore(unit.slot(place, each.key), each.key)

    def _broken(self) -> list[Broken]:
        unit = self._unit
        unit.flush()
        written = [(unit.slot(self._place, key), key) for key in self.written]
        return list(broken_rules(unit, written, references=self._references))

    def _is_equal(self, record: Record) -> bool:
        stored = self._unit.get(self._place, record.key)
        if stored is None:
            return False
        here, there = stored.record.residue, record.residue
        absent = set(here.absent) ^ set(there.absent)
        if _without_absent(here) != _without_absent(there) or self._matter(record.key, absent):
            return False
        codec = self._unit.moment.forms[self._place.name].codec
        return codec.record_bytes(stored.record) == codec.record_bytes(record)

    def _matter(self, key: Key, absent: set[str]) -> bool:
        """Tell whether an array of one of the entities *absent* is really empty or not there."""
        places = self._unit.rules.places
        inner = [one for one in places.inside(self._place.name) if one.name in absent]
        return any(not self._unit.holds(one, key) for one in inner)

    def _refuse(self, broken: Broken) -> None:
        shown = self._backend.where(self._place)
        self.refused.append(broken.rejected(self._place.entity, shown))

    def _refuse_unreadable(self, key: Key, error: UnreadableRecordError) -> None:
        text = self._unit.slot(self._place, key)[1]
        problem = Problem(
            self._place.name,
            Reason.UNREPRESENTABLE,
            f"what is there already {error.problem}",
            key=text,
            field=error.field,
            file=self._backend.where(self._place),
        )
        self.refused.append(Rejected(problem))


def _without_absent(residue: Residue) -> Residue:
    return attrs.evolve(residue, absent=(), extras={})  # extras are compared by value
