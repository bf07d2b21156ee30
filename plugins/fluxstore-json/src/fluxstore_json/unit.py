"""One unit of change: records as they are to be, written to the ledger together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from fluxstore.codec import Refusal, json_value
from fluxstore.errors import (
    BackendError,
    RecordExistsError,
    RecordNotFoundError,
    UnreadableRecordError,
)
from fluxstore.ledger import Pending, Transaction, facts, pending
from fluxstore.records import NO_RESIDUE, Intent, Key, Put, Reason, Record, Residue, Row
from fluxstore_json.forms import Bad
from fluxstore_json.index import Document
from fluxstore_json.moment import Moment, Stored
from fluxstore_json.places import Place
from fluxstore_json.reading import everything
from fluxstore_json.rules import PARENT, Broken, Rules, key_parts, parent_fields, value_of
from fluxstore_json.shelf import Shelf

Slot = tuple[str, str]
"""Entity and key as text."""


@attrs.frozen
class Before:
    """What was at a key: the record, or whether its absence leaves a gap in the file."""

    stored: Stored | None
    fresh: bool
    error: UnreadableRecordError | None = None
    """What is at the key cannot be decoded, so it cannot be changed either."""


class Unit:
    """Changes made one after another; nothing is written before ``flush``."""

    def __init__(self, transaction: Transaction, moment: Moment, rules: Rules) -> None:
        """Begin inside *transaction*, seeing *moment*."""
        self.transaction, self.moment, self.rules = transaction, moment, rules
        self.touched: dict[Slot, Key] = {}
        """What was changed, in order."""
        self.replaced: dict[Slot, Stored | None] = {}
        """What was there before the first change of each key."""
        self.needs_parents = True
        """Whether a nested record is refused while the document around it is not there."""
        self.orphans: list[tuple[Place, Key]] = []
        """Nested records written all the same."""
        self._known: dict[Slot, Before] = {}
        self._written: dict[Slot, Before] = {}
        """What the ledger holds of each key that has changed since."""
        self._complete: dict[str, bool] = {}
        self._roots: dict[Slot, str | None] = {}
        """Where documents around records are, whose text nobody has asked for."""
        self._slots: dict[tuple[str, Key], Slot] = {}

    # looking

    def load(self, place: Place, keys: Iterable[Key]) -> None:
        """Look up the records of *keys* at once."""
        text_of = self.moment.forms[place.name].codec.key_text
        texts = {text_of(key) for key in keys}
        texts = {text for text in texts if (place.name, text) not in self._known}
        if not texts:
            return
        changes = self.moment.changes(place, list(texts))
        rest = [text for text in texts if text not in changes]
        shelf = self.moment.shelf(place.file)
        for text, row in changes.items():
            stored = None if row.payload is None else self.moment.waiting(place, row)
            self._known[place.name, text] = Before(stored, row.fresh)
        documents = shelf.index.find(place.name, rest) if rest else {}
        for text in rest:
            self._known[place.name, text] = self._filed(place, shelf, documents.get(text))

    def load_around(self, place: Place, rows: Iterable[Row]) -> None:
        """Look up where the documents around records with these values are, at once."""
        if place.parent is not None:
            form = self.moment.forms[place.name]
            self._load_roots(place.parent, {form.parent_key(values) for values in rows} - {None})

    def _load_roots(self, place: Place, keys: Iterable[Key]) -> None:
        slots = {self.slot(place, key): key for key in keys}
        texts = [slot[1] for slot in slots if slot not in self._known and slot not in self._roots]
        roots, flawed = self.moment.roots(place, texts) if texts else ({}, set())
        self._roots |= {(place.name, text): roots.get(text) for text in texts}
        self.load(place, [slots[place.name, text] for text in flawed])

    def _root(self, place: Place, key: Key) -> str | None:
        """Return the key (as text) of the outermost document that *key* is in, if it is there.

        The documents' own text, which may be long for what is inside, is not read.
        """
        self._load_roots(place, [key])
        slot = self.slot(place, key)
        if slot not in self._known:
            return self._roots[slot]
        stored = self.get(place, key)
        return None if stored is None else stored.root or slot[1]

    def _filed(self, place: Place, shelf: Shelf, document: Document | None) -> Before:
        if document is None:
            return Before(None, fresh=True)
        try:
            return Before(self.moment.filed(place, shelf, document), fresh=False)
        except UnreadableRecordError as error:
            return Before(None, fresh=False, error=error)

    def get(self, place: Place, key: Key) -> Stored | None:
        """Return the record of *key* as it is now; ``UnreadableRecordError`` for a bad one."""
        slot = self.slot(place, key)
        if slot not in self._known:
            self.load(place, [key])
        known = self._known[slot]
        if known.error is not None:
            raise known.error
        return known.stored

    def slot(self, place: Place, key: Key) -> Slot:
        """Return the entity and the key as text."""
        name = place.entity.name
        slot = self._slots.get((name, key))
        if slot is None:
            slot = name, self.moment.forms[name].codec.key_text(key)
            self._slots[name, key] = slot
        return slot

    def have(self, place: Place, keys: Iterable[Key]) -> set[Key]:
        """Return which of *keys* have a record now."""
        by_slot = {self.slot(place, key): key for key in keys}
        known = {slot for slot in by_slot if slot in self._known}
        rest = [text for _, text in by_slot.keys() - known]
        there = self.moment.exists(place, rest) if rest else set()
        return {
            key
            for slot, key in by_slot.items()
            if (self._known[slot].stored is not None if slot in known else slot[1] in there)
        }

    # changing

    def put(self, place: Place, change: Put) -> None:
        """Write a record; ``Broken`` where it cannot be one."""
        old = self.get(place, change.key)
        if change.intent is Intent.CREATE and old is not None:
            raise self.refused(RecordExistsError, place, change.key, "is there already")
        if change.intent is Intent.CHANGE and old is None:
            raise self.refused(RecordNotFoundError, place, change.key, "is not there")
        values, residue = dict(change.values), change.residue
        if old is not None and residue is None:
            values = dict(self.moment.forms[place.name].codec.kept(old.record.values, values))
        if change.intent is Intent.CHANGE and old is not None:
            values = {**old.record.values, **values}
        if residue is None:
            residue = self._kept(place, old.record, values) if old else NO_RESIDUE
        self.write(place, Record(change.key, values, residue))

    def _kept(self, place: Place, old: Record, values: Mapping[str, Any]) -> Residue:
        """Return the residue of *old* without the spelling of fields that change."""
        if not old.residue.spelling:
            return old.residue
        changed = self.moment.forms[place.name].codec.differing(
            old, Record(old.key, values, old.residue)
        )
        spelling = {n: s for n, s in old.residue.spelling.items() if n not in changed}
        return attrs.evolve(old.residue, spelling=spelling)

    def write(self, place: Place, record: Record) -> None:
        """Write a record as it is given; ``Broken`` where the file could not hold it."""
        self.set(self.slot(place, record.key), record.key, self._made(place, record))

    def write_different(self, place: Place, record: Record) -> bool:
        """Write a record unless what could be written of it is there; tell whether it was."""
        old, new = self.get(place, record.key), self._made(place, record)
        if old is not None and old.parent == new.parent and self._same(place, old, new):
            return False
        self.set(self.slot(place, record.key), record.key, new)
        return True

    def _same(self, place: Place, one: Stored, other: Stored) -> bool:
        codec = self.moment.forms[place.name].codec
        alike = one.record.residue == other.record.residue
        return alike and codec.record_bytes(one.record) == codec.record_bytes(other.record)

    def _made(self, place: Place, record: Record) -> Stored:
        old = self.get(place, record.key)
        parent, root = self._around(place, record, old)
        text = self._text(place, record, old)
        decoded = self._decoded(place, record.key, text, parent)
        codec = self.moment.forms[place.name].codec
        if codec.record_bytes(decoded) != codec.record_bytes(record):
            self._check(place, record)
        fresh = self._known[self.slot(place, record.key)].fresh
        born = old.born if old is not None and old.fresh else 0
        return Stored(decoded, text, parent, root, fresh, born)

    def _text(self, place: Place, record: Record, old: Stored | None) -> bytes:
        form = self.moment.forms[place.name]
        try:
            return form.text(record, old.text if old is not None else None)
        except Refusal as refusal:
            raise _check(record.key, refusal.path, refusal) from None
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            unfit = Refusal(Reason.UNREPRESENTABLE, f"what JSON can hold expected ({error})")
            raise _check(record.key, "", unfit) from None

    def _check(self, place: Place, record: Record) -> None:
        """Refuse what an encoder writes as something else: NaN as null, for one."""
        codec = self.moment.forms[place.name].codec
        for field, refusal in codec.decode(codec.encode(record.values)).refusals:
            raise _check(record.key, field + refusal.path, refusal)
        try:
            json_value(record.residue.extras)
        except Refusal as refusal:
            raise _check(record.key, refusal.path.removeprefix("."), refusal) from None

    def _decoded(self, place: Place, key: Key, text: bytes, parent: str | None) -> Record:
        form = self.moment.forms[place.name]
        inherited = self.moment.inherited(place, parent)
        found = form.record(form.one(text), inherited, len(text))
        if isinstance(found, Bad):
            raise _check(key, found.field + found.refusal.path, found.refusal)
        return found

    def _around(
        self, place: Place, record: Record, old: Stored | None
    ) -> tuple[str | None, str | None]:
        """Return the keys (as text) of the documents around a record; they must be there."""
        if place.parent is None:
            return None, None
        key = self.moment.forms[place.name].parent_key(record.values)
        root = self._root(place.parent, key) if key is not None else None
        if key is None or (root is None and self.needs_parents):
            raise reference(
                record.key, parent_fields(place), f"a record of {place.parent.name} expected"
            )
        if root is None:
            self.orphans.append((place, record.key))
        _, text = self.slot(place.parent, key)
        if old is not None and old.parent != text and self._holds_any(place, record.key):
            raise reference(
                record.key, parent_fields(place), "a record that holds others cannot move"
            )
        return text, root or text

    def holders(self, place: Place, name: str, parts: Sequence[Any]) -> list[Key]:
        """Return the records that have these values under the fact *name*."""
        self.flush()
        value = value_of(parts)
        if value is None:
            return []
        texts = facts.holders(self.transaction.connection, place.name, name, value)
        key_of = self.moment.forms[place.name].codec.key_of_text
        return [key_of(text) for text in texts]

    def children(self, place: Place, parent: Key) -> list[Key]:
        """Return the records of *place* inside the document of *parent*."""
        name = f"{PARENT} {','.join(parent_fields(place))}"
        return self.holders(place, name, key_parts(parent))

    def holds(self, place: Place, parent: Key) -> bool:
        """Tell whether the document of *parent* holds records of *place*."""
        self.index(place)
        return bool(self.children(place, parent))

    def _holds_any(self, place: Place, key: Key) -> bool:
        return any(self.holds(inner, key) for inner in self.rules.places.inside(place.name))

    def collisions(self, place: Place, record: Record) -> list[tuple[tuple[str, ...], list[Key]]]:
        """Return the unique groups of *record* that others hold too, and who."""
        found = []
        for name in self.rules.unique[place.name]:
            parts = [read(record.values) for read in name.reads]
            others = [k for k in self.holders(place, name.text, parts) if k != record.key]
            if others:
                found.append((name.fields, others))
        return found

    def set(self, slot: Slot, key: Key, stored: Stored | None) -> None:
        """Say what is at *key* from now on, whatever the rules say; it was looked up before."""
        before = self._known[slot]
        self.replaced.setdefault(slot, before.stored)
        self._written.setdefault(slot, before)
        self.touched[slot] = key
        self._known[slot] = Before(stored, before.fresh)

    def restore(self, slot: Slot, key: Key) -> None:
        """Put back what was at *key* before this unit."""
        old = self.replaced.pop(slot)
        self.set(slot, key, old)
        del self.touched[slot], self.replaced[slot]

    def trial(self, work: Callable[[], None]) -> None:
        """Call *work*; where a rule is broken, nothing of it remains."""
        self.flush()
        kept = dict(self._known), dict(self.touched), dict(self.replaced)

        def part(_: Transaction) -> None:
            work()
            self.flush()

        try:
            self.transaction.part(part)
        except Broken:
            self._known, self.touched, self.replaced = kept
            self._written.clear()
            self._roots.clear()
            raise

    # writing

    def index_to_delete(self, place: Place) -> None:
        """See to it that the facts that a delete asks for are complete."""
        for name in self.rules.needed_to_delete(place.name):
            self.index(self.rules.places[name])

    def index(self, place: Place) -> None:
        """See to it that the facts of an entity are complete."""
        name, wanted = place.name, self.rules.fingerprint(place.name)
        if self._complete.get(name) or not wanted:
            return
        connection = self.transaction.connection
        if facts.complete(connection, name) != wanted:
            self.flush()
            facts.begin(connection, name)
            facts.add(connection, self._all_facts(place))
            facts.finish(connection, name, wanted)
        self._complete[name] = True

    def _all_facts(self, place: Place) -> Iterable[facts.Fact]:
        text_of = self.moment.forms[place.name].codec.key_text
        for found in everything(self.moment, place):
            if isinstance(found, Record):
                yield from self.rules.facts(place.name, text_of(found.key), found.values)

    def flush(self) -> None:
        """Write what has changed to the ledger, facts included."""
        written, self._written = self._written, {}
        rows, gone, new = [], set(), set()
        for slot, before in written.items():
            (name, text), now = slot, self._known[slot]
            if now.stored is before.stored:
                continue
            rows.append(_row(slot, now))
            if self._keeps_facts(name):
                gone |= _facts(self.rules, name, text, before.stored)
                new |= _facts(self.rules, name, text, now.stored)
        connection = self.transaction.connection
        pending.put(connection, rows)
        facts.drop(connection, gone - new)
        facts.add(connection, new - gone)

    def _keeps_facts(self, name: str) -> bool:
        if name not in self._complete:
            kept = facts.complete(self.transaction.connection, name)
            self._complete[name] = kept == self.rules.fingerprint(name)
        return self._complete[name]

    def refused(
        self, kind: type[BackendError], place: Place, key: Key, problem: str
    ) -> BackendError:
        """Return the error that a record with *key* is there, or is not."""
        backend = self.moment.shelves.backend
        return kind(
            f"a record with this key {problem}", backend=backend, entity=place.name, key=key
        )


def _row(slot: Slot, now: Before) -> Pending:
    stored = now.stored
    if stored is None:
        return Pending(*slot, None, now.fresh)
    return Pending(*slot, stored.text, now.fresh, stored.born, stored.parent, stored.root)


def _facts(rules: Rules, name: str, text: str, stored: Stored | None) -> set[facts.Fact]:
    return rules.facts(name, text, stored.record.values) if stored is not None else set()


def _check(key: Key, field: str, refusal: Refusal) -> Broken:
    fields = (field,) if field else ()
    return Broken("check", key, fields, reason=refusal.reason, expected=refusal.expected)


def reference(key: Key, fields: tuple[str, ...], expected: str) -> Broken:
    """Return the rule that a record breaks which refers to none, or is referred to."""
    return Broken("reference", key, fields, reason=Reason.REFERENCE, expected=expected)
