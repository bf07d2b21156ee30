"""A source that keeps no rule: a pile of records, good and bad, as a folder of old files is.

Its collections are lists; two records may have one key, a reference may lead nowhere, and between
the records stands what cannot be decoded. It can only be read. Its cursors know the pile they are
of: after a change they are refused, as those of a file are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from fluxstore import evaluate
from fluxstore.adapter import Page, Part, Size
from fluxstore.codec import Codec
from fluxstore.entity import Entities, Entity, entity_of
from fluxstore.errors import CursorError, UnreadableRecordError
from fluxstore.records import Problem, Reason, Record, Rejected, Residue


def record(instance: object, **residue) -> Record:
    codec = Codec.of(entity_of(type(instance)))
    values = codec.row(instance)
    return Record(codec.key_of(values), values, Residue(**residue))


def rejected(entity: type, key: str, reason: Reason = Reason.TYPE, *, raw: bytes = b"{}"):
    name = entity_of(entity).name
    return Rejected(Problem(name, reason, "text expected", key, "name", f"{name}.json"), raw)


class PileCollection:
    def __init__(self, entity: Entity, items: list[Record | Rejected]) -> None:
        self.entity = entity
        self.changes = -1
        self.items = items
        self.broken: str | None = None
        """Why the whole file cannot be read, found at its end."""
        self.scanned = 0
        self.before_page: Callable[[], None] = lambda: None

    @property
    def items(self) -> list[Record | Rejected]:
        return self._items

    @items.setter
    def items(self, items: list[Record | Rejected]) -> None:
        self._items = items
        self.changes += 1

    def scan(self, cursor: str | None, limit: int) -> Page:
        self.before_page()
        state, start = f"{len(self.items)}:{self.changes}", 0
        if cursor is not None:
            known, _, position = cursor.rpartition("@")
            if known != state:
                raise CursorError("the file was changed", next_step="start afresh")
            start = int(position)
        page = self.items[start : start + limit]
        self.scanned += len(page)
        end = start + len(page)
        if end >= len(self.items) and self.broken:
            raise UnreadableRecordError(self.broken, file=self.place(), next_step="mend it")
        return Page(
            records=tuple(one for one in page if isinstance(one, Record)),
            cursor=f"{state}@{end}" if end < len(self.items) else None,
            rejected=tuple(one for one in page if isinstance(one, Rejected)),
            done=end / len(self.items) if self.items else 1.0,
        )

    @property
    def records(self) -> dict:
        return {one.key: one for one in self.items if isinstance(one, Record)}

    def read(self, keys):
        return {key: self.records[key] for key in keys if key in self.records}

    def find(self, query):
        return evaluate.find(self.entity, self.records.values(), query)

    def count(self, query) -> int:
        return evaluate.count(self.entity, self.records.values(), query)

    def size(self) -> Size:
        return Size(len(self.items), 100 * len(self.items))

    def place(self) -> str:
        return f"{self.entity.name}.json"

    def foresee(self, records):
        return ()


class PileLedger:
    def __init__(self, parts: Mapping[str, Sequence[Part]]) -> None:
        self._parts = parts

    def parts(self, entity: str):
        return iter(self._parts.get(entity, ()))

    def control(self, entity: str) -> None:
        return None

    def quarantine(self, entity: str):
        return ()


@attrs.define
class Pile:
    entities: Entities
    given: Mapping[str, list[Record | Rejected]] = attrs.field(factory=dict)
    parts: Mapping[str, Sequence[Part]] = attrs.field(factory=dict)
    name = "pile"
    capabilities = frozenset()
    ledger: PileLedger = None
    _collections: dict = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.ledger = PileLedger(self.parts)
        self._collections = {
            one.name: PileCollection(one, list(self.given.get(one.name, ())))
            for one in self.entities.values()
        }

    def collection(self, entity: Entity) -> PileCollection:
        return self._collections[entity.name]

    def of(self, cls: type) -> PileCollection:
        return self._collections[entity_of(cls).name]

    def examine(self):
        return ()

    def describe(self) -> str:
        return "a pile"

    def close(self) -> None:
        pass


def piled(entities: Entities, *items: object) -> Pile:
    """Return a pile of application objects, records and rejected ones, each under its entity."""
    given: dict[str, list] = {}
    for item in items:
        if isinstance(item, Rejected):
            given.setdefault(item.problem.entity, []).append(item)
        elif isinstance(item, tuple):
            cls, one = item
            given.setdefault(entity_of(cls).name, []).append(one)
        else:
            given.setdefault(entity_of(type(item)).name, []).append(record(item))
    return Pile(entities, given)
