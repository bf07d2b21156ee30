"""What migrations write: batches where equal records stay, and versions that decide."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from fluxstore.adapter import Batch, Merged
from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger.sidecar import versions_of
from fluxstore.records import UNTOUCHED, Key, Problem, Reason, Record, Rejected, Residue, Versioned
from fluxstore_json.backend import Backend
from fluxstore_json.checking import broken_rules
from fluxstore_json.places import Place
from fluxstore_json.rules import Broken
from fluxstore_json.unit import Unit


def merge(backend: Backend, place: Place, batch: Batch) -> Merged:
    """Write what differs, leave what is equal, refuse singly what breaks a rule."""

    def work(unit: Unit) -> Merged:
        merger = Merger(backend, place, unit)
        deleted = sum(merger.delete(key) for key in batch.deletes)
        merger.write(batch.records)
        if batch.cursor is not None:
            backend.ledger.save_cursor(unit.transaction, batch.cursor)
        written, refused = len(merger.written), tuple(merger.refused)
        about_records = len(refused) - merger.kept
        return Merged(written, len(batch.records) - written - about_records, deleted, refused)

    if not batch.records and not batch.deletes and batch.cursor is None:
        return Merged()
    return backend.change(work)


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
            unit.trial(lambda: unit.delete(place, key))
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
        self._load_around(records)
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

    def _load_around(self, records: Sequence[Record]) -> None:
        parent = self._place.parent
        if parent is not None:
            form = self._unit.moment.forms[self._place.name]
            keys = {form.parent_key(record.values) for record in records} - {None}
            self._unit.load(parent, keys)

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


def apply_if_newer(backend: Backend, place: Place, changes: Sequence[Versioned]) -> Sequence[bool]:
    """Apply each change that is newer than what is here, with its version and op."""

    def work(unit: Unit) -> list[bool]:
        try:
            unit.load(place, [change.key for change in changes])
            made = [_apply(backend, place, unit, change) for change in changes]
            unit.flush()
            for broken in broken_rules(unit, list(unit.touched.items())):
                raise broken
        except Broken as broken:
            raise broken.error(backend.name, place.entity) from None
        return made

    return backend.change(work) if changes else []


def _apply(backend: Backend, place: Place, unit: Unit, change: Versioned) -> bool:
    ledger, (_, text) = backend.ledger, unit.slot(place, change.key)
    stored = unit.get(place, change.key)
    known = versions_of(unit.transaction.connection, place.name, [text]).get(text)
    here = known or (UNTOUCHED if stored is not None else None)
    if here is not None and not change.version > here:
        return False
    version = attrs.evolve(change.version, deleted=change.record is None)
    ledger.set_version(unit.transaction, place.name, text, version)
    for op_id in change.op_ids:
        ledger.remember(unit.transaction, op_id, place.name, {text: version})
    if change.record is not None:
        if place.entity.unique:
            unit.index(place)
        unit.write(place, change.record)
    elif stored is not None:
        unit.index_to_delete(place)
        unit.delete(place, change.key)
    return True
