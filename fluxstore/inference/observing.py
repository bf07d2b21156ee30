"""What has been seen of records: kinds of values, unified one by one; no record is kept."""

from __future__ import annotations

import re
from array import array
from typing import Any, TypeAlias

import attrs

from fluxstore.codec.document import decoder
from fluxstore.codec.refusal import Refusal
from fluxstore.inference import naming
from fluxstore.kinds import Kind, Type

MOST_FIELDS = 400
"""A record type has fewer names; an object with more is a map, and its rest stays undeclared."""
MOST_VALUES = 4_000_000
"""Values of one field whose uniqueness and references are checked: 8 bytes each."""
MOST_CHOICES = 12
DEEPEST = 3
EXACT_IN_A_FLOAT = 2**53
MAX_INT = 2**63 - 1
TEXT_KINDS = ("datetime", "date", "UUID", "naive")
CHOICE_WORDS = frozenset(
    {"category", "kind", "level", "priority", "role", "severity", "state", "status", "type"}
)
POSITIONS = frozenset(
    {"index", "line", "line_no", "line_number", "no", "number", "position", "seq"}
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_NUMBERED = re.compile(r"[\d@]")
_REFERS = re.compile(
    r"(^|_)(id|uuid|guid|by|to|of|ref|key|code|sku|slug|number|no|nr"
    r"|e_?mail|email_address|user_?name|login|parent|owner)$"
)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\Z", re.ASCII)
_decode = {
    "datetime": decoder(Type(Kind.DATETIME)),
    "date": decoder(Type(Kind.DATE)),
}
_PATTERNS = {"UUID": _UUID, "naive": _NAIVE}
Hashes: TypeAlias = "array[int]"


def identifies(name: str) -> bool:
    """Tell whether values under *name* may be keys or name other records."""
    made = naming.snake(name)
    return bool(_REFERS.search(made)) or made in POSITIONS


@attrs.define
class Values:
    """What has been seen under one name."""

    present: int = 0
    nulls: int = 0
    counts: dict[str, int] = attrs.field(factory=dict)
    """How many values of each kind (Python's name of it) there were, nulls left out."""
    texts: tuple[str, ...] = TEXT_KINDS
    """What every text so far could be, beside text."""
    largest: int = 0
    shortest: int = 1 << 30
    choices: set[str] | None = None
    items: Values | None = None
    """What the items of arrays are."""
    records: Shape | None = None
    """The objects in arrays, as records that might stand on their own."""
    by_name: Shape | None = None
    """The objects in objects, as records that might stand under their keys."""
    hashes: Hashes | None = None
    unique_in_parent: bool = True
    numbered: int = 0
    """How many texts have a digit or an @ in them, as identifiers do."""

    def see(self, value: Any) -> None:
        """Add one value."""
        if self.hashes is None and self.present == self.nulls and _is_uuid(value):
            self.hashes = array("q")  # a UUID names something, whatever its field is called
        self.present += 1
        kind = type(value).__name__
        if value is None:
            self.nulls += 1
            return
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "str":
            self._see_text(value)
        elif kind == "int":
            self.largest = max(self.largest, abs(value))
        elif kind == "list":
            self._see_items(value)
        if self.hashes is not None and kind in ("str", "int"):
            self._keep(value)

    def _keep(self, value: Any) -> None:
        if self.hashes is not None and len(self.hashes) < MOST_VALUES:
            self.hashes.append(hash(value))

    def _see_text(self, value: str) -> None:
        self.shortest = min(self.shortest, len(value))
        self.numbered += bool(_NUMBERED.search(value))
        if self.texts:
            self.texts = tuple(name for name in self.texts if _is(name, value))
        if self.choices is not None:
            self.choices.add(value)
            if len(self.choices) > MOST_CHOICES:
                self.choices = None

    def _see_items(self, value: list[Any]) -> None:
        if self.items is None:
            self.items = Values(texts=())
        for item in value:
            self.items.see(item)

    @property
    def kinds(self) -> set[str]:
        """The kinds of values that there were."""
        return set(self.counts)

    @property
    def named(self) -> int:
        """How many values could name a record: texts and integers."""
        return self.counts.get("str", 0) + self.counts.get("int", 0)

    @property
    def checked(self) -> bool:
        """Tell whether ``hashes`` holds every value that could name a record."""
        return self.hashes is not None and len(self.hashes) == self.named

    def is_unique(self) -> bool:
        """Tell whether no two values are the same, as far as every value was kept."""
        return self.checked and len(set(self.hashes or ())) == len(self.hashes or ())


def _is_uuid(value: Any) -> bool:
    return type(value) is str and bool(_UUID.match(value))


def _is(name: str, value: str) -> bool:
    if name in _PATTERNS:
        return bool(_PATTERNS[name].match(value))
    try:
        _decode[name](value)
    except Refusal:
        return False
    return True


@attrs.define
class Shape:
    """What has been seen of the records in one array, or in one object."""

    count: int = 0
    odd: int = 0
    """Items, or values, that are no objects."""
    fields: dict[str, Values] = attrs.field(factory=dict)
    pairs: dict[tuple[str, str], Hashes] = attrs.field(factory=dict)
    """Pairs of names that together might be the key where no single name is."""
    nested: int = DEEPEST
    """How many levels of arrays inside may be records of their own."""
    names: Values | None = None
    """The names of records that are in an object."""
    holders: int = 0
    """In how many objects, one in each record around, there were any."""
    repeated: dict[str, int] = attrs.field(factory=dict)
    """How often a field has the name that its record stands under."""

    @classmethod
    def of_object(cls, nested: int = DEEPEST) -> Shape:
        """Return a shape for records that have names."""
        return cls(names=Values(hashes=array("q")), nested=nested)

    def see_named(self, name: str, record: Any) -> None:
        """Add one record of an object."""
        if isinstance(record, dict) and self.names is not None:
            self.names.see(name)
            for field, value in record.items():
                if type(value) in (str, int) and str(value) == name and identifies(field):
                    self.repeated[field] = self.repeated.get(field, 0) + 1
        self.see(record)

    def see(self, record: Any) -> None:
        """Add one record."""
        if not isinstance(record, dict):
            self.odd += 1
            return
        self.count += 1
        for name, value in record.items():
            values = self.fields.get(name) or self._begin(name)
            if values is not None:
                values.see(value)
                if self.nested:
                    self._see_inside(values, value)
        self._see_pairs(record)

    def _begin(self, name: str) -> Values | None:
        if len(self.fields) >= MOST_FIELDS or not naming.field_name(name):
            return None
        made = Values()
        if identifies(name):
            made.hashes = array("q")
        if naming.snake(name).rpartition("_")[2] in CHOICE_WORDS:
            made.choices = set()
        self.fields[name] = made
        return made

    def _see_inside(self, values: Values, value: Any) -> None:
        if type(value) is list:
            self._see_children(values, value)
        elif type(value) is dict:
            if values.by_name is None:
                values.by_name = Shape.of_object(self.nested - 1)
            values.by_name.holders += bool(value)
            for name, each in value.items():
                values.by_name.see_named(name, each)

    def _see_children(self, values: Values, items: list[Any]) -> None:
        if values.records is None:
            values.records = Shape(nested=self.nested - 1)
        inner = values.records
        for item in items:
            inner.see(item)
        for name, each in inner.fields.items():
            if each.hashes is not None and each.unique_in_parent:
                here = [repr(item.get(name)) for item in items if isinstance(item, dict)]
                each.unique_in_parent = len(set(here)) == len(here)

    def _see_pairs(self, record: dict[str, Any]) -> None:
        if self.count == 1:
            names = [name for name, each in self.fields.items() if each.hashes is not None][:5]
            if not any(naming.snake(name) in ("id", "uuid") for name in names):
                pairs = [(a, b) for at, a in enumerate(names) for b in names[at + 1 :]]
                self.pairs = {pair: array("q") for pair in pairs}
        for (one, other), hashes in self.pairs.items():
            if one in record and other in record and len(hashes) < MOST_VALUES:
                hashes.append(hash((str(record[one]), str(record[other]))))
