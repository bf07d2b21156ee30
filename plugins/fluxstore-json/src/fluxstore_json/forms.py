"""One entity's documents ⇄ its records: names, aliases, implied constants, extras, residue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import msgspec

from fluxstore.codec import Codec, Decoded, JsonNumber, Refusal, json_value
from fluxstore.entity import Entity
from fluxstore.errors import ConfigError, shortened
from fluxstore.kinds import Kind, Type
from fluxstore.records import NO_RESIDUE, Key, Reason, Record, Residue
from fluxstore_json.alike import Alike, Inherited, Naming
from fluxstore_json.blocks import Reader
from fluxstore_json.documents import NO_OBJECT, Found, opened
from fluxstore_json.named import Named
from fluxstore_json.partial import partial_decoder
from fluxstore_json.places import Place, Places, field_of
from fluxstore_json.slow import Suspect

_SHORT = 255
HEAVY_BYTES = 400_000
"""No document of fewer bytes makes a record that is too large: see ``Form.record``."""


@attrs.frozen
class Bad:
    """A document that cannot be a record: its key as far as it can be read, and why."""

    key: str
    field: str
    refusal: Refusal


class Form:
    """The documents of one place."""

    def __init__(self, place: Place, places: Places) -> None:
        """Make the tables; ``ConfigError`` where names collide or name nothing."""
        self.place, self.entity, self.codec = place, place.entity, Codec.of(place.entity)
        self._inner = {inner.array: inner.name for inner in places.inside(place.name)}
        self._shapes = {inner.array: inner.shape for inner in places.inside(place.name)}
        self._inherited = dict(place.inherited)
        self.names = self._spelled(places.spell)
        self._fields = {name: field for field, name in self.names.items()}
        self._aliases = self._other_names()
        self._implied = self._constants()
        self._rejects_extras = place.settings.extras == "reject"
        self._named = self._naming()
        self._plain_key = self._key_without_trouble()
        self._hook = JsonNumber if _keeps_digits(place, places) else None
        self.reader = Reader(place.shape, msgspec.json.Decoder(float_hook=self._hook).decode)
        """Reads the elements of this place."""
        self.alike = Alike(self.codec, self._all_names())
        """Reads many documents at once."""

    def reader_of(self, array: str) -> Reader:
        """Return a reader of this place's documents for which only the records in *array* count."""
        if self._named is not None:
            return self.reader
        aliases = self.place.settings.aliases
        keys = [n for f in self.entity.key for n in (self.names[f], *aliases.get(f, ()))]
        part = partial_decoder((*keys, array), self.reader.decode, self._hook)
        return attrs.evolve(self.reader, decode_proven=part)

    def _all_names(self) -> Naming:
        return Naming(
            names=self.names,
            fields=self._fields,
            aliases=self._aliases,
            held={array: (name, self._shapes[array].holder) for array, name in self._inner.items()},
            elsewhere=frozenset(self._inherited),
            triggers=frozenset(trigger for trigger, *_ in self._implied),
            rejects_extras=self._rejects_extras,
            is_exact=self._named is not None,
        )

    def _naming(self) -> Named | None:
        field = self.place.named
        if field is None:
            return None
        inside = self.place.settings.key_inside
        return Named(self.codec, field, self.names[field], is_inside=inside)

    def _key_without_trouble(self) -> str | None:
        """Return the name of the one field that is the key, where any short text will do."""
        field = self.entity.field(self.entity.key[0])
        is_said_around = field.name in self._inherited
        ruled = any((field.rules.pattern, field.rules.max_length, is_said_around))
        alone = len(self.entity.key) == 1 and field.type.kind is Kind.STR
        aliased = field.name in self.place.settings.aliases
        return self.names[field.name] if alone and not ruled and not aliased else None

    def _spelled(self, spell: Callable[[str], str]) -> dict[str, str]:
        rename = self.place.settings.rename
        for field in rename:
            field_of(self.entity, field, "rename")
        made = {f.name: rename.get(f.name, spell(f.name)) for f in self.entity.fields}
        taken: dict[str, str] = dict.fromkeys(self._inner, "the records inside")
        for field, name in made.items():
            if name in taken:
                raise _error(self.entity, "rename", f"{field} and {taken[name]} are both {name!r}")
            taken[name] = field
        return made

    def _other_names(self) -> dict[str, str]:
        made: dict[str, str] = {}
        for field, names in self.place.settings.aliases.items():
            field_of(self.entity, field, "aliases")
            for name in names:
                if name in self._fields or name in self._inner or name in made:
                    raise _error(self.entity, "aliases", f"{name!r} has a meaning already")
                made[name] = field
        return made

    def _constants(self) -> tuple[tuple[str, str, Any, Any], ...]:
        """Return (field that is there, field it implies, its plain value, its JSON value)."""
        made = []
        for trigger, implied in self.place.settings.when.items():
            field_of(self.entity, trigger, "when")
            for field, value in implied.items():
                field_of(self.entity, field, "when")
                try:
                    made.append((trigger, field, self.codec.decoders[field](value), value))
                except Refusal as refusal:
                    raise _error(self.entity, "when", f"{field}: {refusal.expected}") from None
        return tuple(made)

    # reading

    def record(self, item: Any, inherited: Inherited, size: int = 0) -> Record | Bad:
        """Return the record of a document of *size* bytes (0: few), or why it is none.

        Canonical bytes are at most 2.25 times those of the text (a list of short floats), so that
        only long documents need to be measured.
        """
        document, refusal = opened(item[1] if self._named else item, self._inner)
        if document is None or refusal is not None:
            return self._bad(item, inherited, "", refusal or NO_OBJECT)
        given, residue = self._sorted(document)
        if residue.refusal is not None:
            return self._bad(item, inherited, residue.name, residue.refusal)
        for field, value in inherited.items():
            if (found := self._beside(field, value, given, residue)) is not None:
                return self._bad(item, inherited, field, found)
        if self._named and (found := self._named.take(item[0], given, residue.alias)) is not None:
            return self._bad(item, inherited, self._named.field, found)
        self._imply(given, residue)
        decoded = self.codec.decode(given)
        refusals = decoded.refusals
        if not refusals and size > HEAVY_BYTES:
            refusals = self.codec.too_large(decoded.values, residue.extras)
        if refusals:
            return self._bad(item, inherited, *refusals[0])
        return self._made(decoded, residue, inherited)

    def _bad(self, item: Any, inherited: Inherited, field: str, refusal: Refusal) -> Bad:
        """Return a refusal with the key as far as it can be read: a name is better than none."""
        try:
            return Bad(self.codec.key_text(self.key(item, inherited)), field, refusal)
        except Refusal:
            return Bad(item[0] if self._named else "", field, refusal)

    def _made(self, decoded: Decoded, found: Found, inherited: Inherited) -> Record:
        spelling = decoded.spelling
        if inherited and spelling:
            spelling = {n: s for n, s in spelling.items() if n not in inherited or n in found.alias}
        absent = tuple(sorted(self._inner[name] for name in self._inner if name not in found.held))
        residue = NO_RESIDUE
        if found.extras or spelling or found.alias or absent:
            residue = Residue(found.extras, spelling, found.alias, absent)
        return Record(self.codec.key_of(decoded.values), decoded.values, residue)

    def key(self, item: Any, inherited: Inherited) -> Key:
        """Return a document's key; ``Refusal`` where it has none that can be read."""
        if self._named is not None:
            said = {self._named.field: self._named.value(item[0])}
            return self.codec.key_of({**inherited, **said})
        document, _ = opened(item, self._inner)
        if document is None:
            raise NO_OBJECT
        parts = {part: self._part(document, part, inherited) for part in self.entity.key}
        return self.codec.key_of(parts)

    def plain_key(self, item: Any) -> str | None:
        """Return a document's key as text where that is a matter of one look: mostly."""
        if self._plain_key is None:
            return None
        if self._named is not None:
            text = item[0]
        elif type(item) is dict:
            text = item.get(self._plain_key)
        else:
            return None
        if type(text) is str and text.isascii() and text.isprintable() and len(text) <= _SHORT:
            return text or None
        return None

    def is_flawed(self, item: Any) -> bool:
        """Tell whether a document says two things at once, or none: it cannot be changed."""
        value = item[1] if self._named else item
        return type(value) is Suspect and opened(value, self._inner)[1] is not None

    def one(self, element: bytes) -> Any:
        """Return the item that the text of one element is."""
        return self.reader.one(element)

    def _part(self, document: Mapping[str, Any], field: str, inherited: Inherited) -> Any:
        if field in inherited:
            return inherited[field]
        for name in (self.names[field], *self.place.settings.aliases.get(field, ())):
            if name in document:
                value = self.codec.decoders[field](document[name])
                broken = self.codec.broken_rules({field: value})
                if broken:
                    raise broken[0][1]
                return value
        raise Refusal(Reason.MISSING, "a value expected, none found")

    def _sorted(self, document: Mapping[str, Any]) -> tuple[dict[str, Any], Found]:
        """Sort a document's names into fields, arrays of others, and extras."""
        given: dict[str, Any] = {}
        found = Found()
        fields = self._fields
        for name, value in document.items():
            field = fields.get(name)
            if field is not None:
                given[field] = value
            elif name in self._inner and isinstance(value, self._shapes[name].holder):
                found.held.append(name)
            else:
                self._other(name, value, document, given, found)
        return given, found

    def _other(
        self,
        name: str,
        value: Any,
        document: Mapping[str, Any],
        given: dict[str, Any],
        found: Found,
    ) -> None:
        field = self._aliases.get(name)
        if field is not None and field not in given and self.names[field] not in document:
            given[field], found.alias[field] = value, name
            return
        try:
            found.extras[json_value(name)] = json_value(value)
        except Refusal as refusal:
            found.refuse(name + refusal.path, refusal)
        if self._rejects_extras and name not in self._inner:
            found.refuse(name, Refusal(Reason.UNKNOWN_FIELD, "a declared field expected"))

    def _beside(
        self, field: str, value: Any, given: dict[str, Any], found: Found
    ) -> Refusal | None:
        """Take a field from the document around; where it is spelled out as well, it must agree."""
        encode = self.codec.encoders[field]
        raw = value if encode is None else encode(value)
        if field not in given:
            given[field] = raw
            return None
        found.alias.setdefault(field, self.names[field])
        try:
            agrees = self.codec.decoders[field](given[field]) == value
        except Refusal as refusal:
            return refusal
        if agrees:
            return None
        return Refusal(Reason.REFERENCE, f"{shortened(raw)}, as the document around says, expected")

    def _imply(self, given: dict[str, Any], found: Found) -> None:
        for trigger, field, _, value in self._implied:
            if given.get(trigger) is None:
                continue
            if field not in given:
                given[field] = value
            elif given[field] == value:  # spelled out though it need not be: so it is written back
                found.alias.setdefault(field, self.names[field])

    # writing

    def text(self, record: Record, old: bytes | None) -> bytes:
        """Return the element of *record*, its document's names in the order of the *old* one's."""
        document: bytes = msgspec.json.encode(self.document(record, self._order(old)))
        return document if self._named is None else self._named.text(record) + b":" + document

    def _order(self, old: bytes | None) -> Iterable[str]:
        if old is None:
            return ()
        item = self.one(old)
        document, _ = opened(item[1] if self._named else item, self._inner)
        return document or ()

    def document(self, record: Record, order: Iterable[str] = ()) -> dict[str, Any]:
        """Return the document of *record*, with an empty array for each kind that it holds.

        ``Refusal`` where an undeclared field has the name of a declared one.
        Names are in *order* where they are among it: a change leaves the others where they were.
        """
        residue = record.residue
        encoded = self.codec.encode(record.values, residue.spelling)
        made: dict[str, Any] = {}
        left_out = self._left_out(record)
        for field, value in encoded.items():
            if field not in left_out:
                made[self._written_name(field, residue)] = value
        for name, value in residue.extras.items():
            if name in made or self._would_be_read_as(name, encoded):
                raise Refusal(Reason.UNREPRESENTABLE, _TAKEN, path=name)
            made[name] = value
        for array, inner in self._inner.items():
            if inner not in residue.absent:
                made.setdefault(array, self._shapes[array].holder())
        ordered = {name: made[name] for name in order if name in made}
        return ordered | made if ordered else made

    def _would_be_read_as(self, name: str, values: Mapping[str, Any]) -> bool:
        """Tell whether an extra of this name would be taken for a field when it is read."""
        field = self._aliases.get(name)
        return name in self._fields or (field is not None and field not in values)

    def _written_name(self, field: str, residue: Residue) -> str:
        alias = residue.alias.get(field)
        return (
            alias if alias is not None and self._aliases.get(alias) == field else self.names[field]
        )

    def _left_out(self, record: Record) -> set[str]:
        """Return the fields that the document says by other means."""
        alias = record.residue.alias
        found = {field for field in self._inherited if field not in alias}
        if self._named is not None and self._named.is_left_out(alias):
            found.add(self._named.field)
        for trigger, field, plain, _ in self._implied:
            implied = record.values.get(trigger) is not None and field not in alias
            if implied and record.values.get(field) == plain and field in record.values:
                found.add(field)
        return found

    def inherited(self, parent_key: Key | None) -> dict[str, Any]:
        """Return what a record has from the document around it, given that one's key."""
        if self.place.parent is None:
            return {}
        entity = self.place.parent.entity
        parts = (parent_key,) if len(entity.key) == 1 else tuple(parent_key or ())
        by_name = dict(zip(entity.key, parts, strict=True))
        return {here: by_name[there] for here, there in self.place.inherited}

    def parent_key(self, values: Mapping[str, Any]) -> Key | None:
        """Return the key of the document around a record; ``None`` where its values name none."""
        if self.place.parent is None:
            return None
        there = {parent: values.get(here) for here, parent in self.place.inherited}
        parts = tuple(there[part] for part in self.place.parent.entity.key)
        if None in parts:
            return None
        return parts[0] if len(parts) == 1 else parts

    def children(self, item: Any, array: str) -> Sequence[Any] | None:
        """Return the items inside under *array*, ``None`` where it is absent; or ``Refusal``."""
        around = item[1] if self._named else item
        document = around.value if isinstance(around, Suspect) else around
        if not isinstance(document, dict) or document.get(array) is None:
            return None
        found, shape = document[array], self._shapes[array]
        if not isinstance(found, shape.holder):
            raise Refusal(Reason.TYPE, f"{shape.words} expected")
        items = shape.items(found)
        if not isinstance(around, Suspect):
            return items
        if shape.is_named:
            return [(name, Suspect(value)) for name, value in items]
        return [Suspect(value) for value in items]


_TAKEN = "an undeclared field whose name no declared one has expected"


def _keeps_digits(place: Place, places: Places) -> bool:
    """Tell whether a number of a record there, or inside, may have digits that count."""
    return any(_has_decimals(field.type) for field in place.entity.fields) or any(
        _keeps_digits(inner, places) for inner in places.inside(place.name)
    )


def _has_decimals(type_: Type) -> bool:
    members = (*type_.items, *(member for _, member in type_.members))
    return type_.kind is Kind.DECIMAL or any(map(_has_decimals, members))


def _error(entity: Entity, key: str, problem: str) -> ConfigError:
    return ConfigError(problem, key=f"entities.{entity.name}.{key}")
