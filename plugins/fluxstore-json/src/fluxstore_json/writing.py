"""An application's commit: fence, operation, expectations, changes, rules, versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from fluxstore.errors import ConflictError
from fluxstore.evaluate import reading
from fluxstore.records import Change, Key, Put, Record, Row, Version
from fluxstore_json.backend import Backend
from fluxstore_json.checking import broken_rules
from fluxstore_json.deleting import delete
from fluxstore_json.places import Place
from fluxstore_json.rules import Broken
from fluxstore_json.unit import Slot, Unit


@attrs.frozen
class Commit:
    """What an application asks for."""

    backend: Backend
    place: Place
    changes: Sequence[Change]
    expect: Mapping[Key, Row]
    op_id: str | None

    def make(self) -> dict[Key, Record]:
        """Make the changes; return the records of the puts as they are now."""
        return self.backend.change(self._work)

    def _work(self, unit: Unit) -> dict[Key, Record]:
        try:
            self._make(unit)
        except Broken as broken:
            raise broken.error(self.backend.name, self.place.entity) from None
        unit.flush()
        puts = [change.key for change in self.changes if isinstance(change, Put)]
        return {key: one.record for key, one in unit.moment.read(self.place, puts).items()}

    def _make(self, unit: Unit) -> None:
        ledger, name = self.backend.ledger, self.place.name
        texts = [unit.slot(self.place, change.key)[1] for change in self.changes]
        ledger.fence(unit.transaction, name)
        if self.op_id and ledger.is_repeated(unit.transaction, self.op_id, name, texts):
            return
        unit.load(self.place, [*(change.key for change in self.changes), *self.expect])
        self._compare(unit)
        apply(unit, self.place, self.changes)
        for broken in broken_rules(unit, list(unit.touched.items())):
            raise broken
        versions = self._versions(unit)
        if self.op_id:
            done = {text: versions.get((name, text)) for text in texts}
            ledger.remember(unit.transaction, name, done, [self.op_id])

    def _versions(self, unit: Unit) -> dict[Slot, Version]:
        """Give every touched record that a policy rules its next version, and mark it."""
        touched: dict[str, dict[str, bool]] = {}
        for (name, text), key in unit.touched.items():
            deleted = unit.get(unit.rules.places[name], key) is None
            touched.setdefault(name, {})[text] = deleted
        ledger, transaction = self.backend.ledger, unit.transaction
        found: dict[Slot, Version] = {}
        for name, keys in touched.items():
            control = ledger.fence(transaction, name)
            new = {text for text in keys if unit.replaced.get((name, text)) is None}
            made = ledger.touch(transaction, name, keys, control, new=new)
            found |= {(name, text): version for text, version in made.items()}
        return found

    def _compare(self, unit: Unit) -> None:
        for key, values in self.expect.items():
            stored = unit.get(self.place, key)
            if stored is None or self._defaulted(stored.record.values) != self._defaulted(values):
                raise ConflictError(
                    "is no longer as it was read",
                    backend=self.backend.name,
                    entity=self.place.name,
                    key=key,
                    next_step="read it again and decide anew",
                )

    def _defaulted(self, values: Row) -> bytes:
        entity = self.place.entity
        read = {field.name: reading(entity, field)(values) for field in entity.fields}
        return self.backend.forms[entity.name].codec.seen(read)


def apply(unit: Unit, place: Place, changes: Iterable[Change]) -> None:
    """Make *changes* one after another."""
    if place.entity.unique:
        unit.index(place)
    for change in changes:
        if isinstance(change, Put):
            unit.put(place, change)
        else:
            unit.index_to_delete(place)
            delete(unit, place, change.key)
