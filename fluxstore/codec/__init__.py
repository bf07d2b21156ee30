"""Application values ⇄ plain values ⇄ JSON form; canonical form, digest and *equal*.

Everything is made once per entity and then only called. ``Codec.of(entity)`` is the front door.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import attrs
import msgspec

from fluxstore.codec import canonical, columns, document, inside, plain, rules
from fluxstore.codec.canonical import digest, proof, value_bytes
from fluxstore.codec.jsonvalue import JsonNumber, json_value
from fluxstore.codec.refusal import MAX_DEPTH, MAX_RECORD_BYTES, Refusal
from fluxstore.codec.spelling import kept, read, written
from fluxstore.entity import Entity
from fluxstore.errors import CheckError, UsageError
from fluxstore.kinds import Kind
from fluxstore.records import Key, Problem, Reason, Record, Row

__all__ = [
    "MAX_DEPTH",
    "MAX_RECORD_BYTES",
    "Codec",
    "Decoded",
    "JsonNumber",
    "Refusal",
    "digest",
    "json_value",
    "proof",
    "value_bytes",
]

Refusals = tuple[tuple[str, Refusal], ...]


@attrs.frozen
class Decoded:
    """A document's declared fields as plain values, and what could not be taken.

    ``spelling`` holds the original JSON value of each field that encoding would spell otherwise.
    ``refusals`` pairs field names with why; the record is good when there are none.
    """

    values: dict[str, Any]
    spelling: dict[str, Any]
    refusals: Refusals


class Codec:
    """All conversions of one entity's records."""

    def __init__(self, entity: Entity) -> None:
        """Make the functions; ``Codec.of`` keeps one codec an entity."""
        self.entity = entity
        self._names = frozenset(entity.by_name)
        big = {field.name: field.rules.bigint for field in entity.fields}
        types = {field.name: field.type for field in entity.fields}
        self._plain = {n: plain.to_plain(t, big=big[n]) for n, t in types.items()}
        self.decoders = {n: document.decoder(t, big=big[n]) for n, t in types.items()}
        """Field name to the function from JSON value to plain value; raises ``Refusal``."""
        self.encoders = {n: document.encoder(t) for n, t in types.items()}
        """Field name to the function from plain to JSON value; ``None`` where they are one."""
        self._application = {n: plain.to_application(t) for n, t in types.items()}
        self._aliases = {a.name: a.alias for a in _attributes(entity.cls)}
        self._checks = {
            f.name: made
            for f in entity.fields
            if (made := rules.checks_of(f, in_key=f.name in entity.key))
        }
        self.columns = {
            f.name: columns.column(
                f, self.decoders[f.name], self.encoders[f.name], self._checks.get(f.name, ())
            )
            for f in entity.fields
        }
        """Field name to the function from a column of JSON values to plain ones (``columns``)."""
        self._required = tuple(f.name for f in entity.fields if f.required)
        self._canonical = canonical.canonical(types)
        self._keepers = {n: keep for n, t in types.items() if (keep := inside.keeper(t))}
        self._declared = {n: bare for n, t in types.items() if (bare := inside.declared(t))}
        self._single = entity.key[0] if len(entity.key) == 1 else None

    @staticmethod
    def of(entity: Entity) -> Codec:
        """Return the codec of *entity*, made at the first call."""
        return _codec(entity.cls)

    # application values

    def row(self, instance: object) -> dict[str, Any]:
        """Return the plain values of an application's object; ``CheckError`` with all problems."""
        if not isinstance(instance, self.entity.cls):
            found, wanted = type(instance).__name__, self.entity.cls.__name__
            raise UsageError(f"{self.entity.name} takes objects of {wanted}, not of {found}")
        given = {name: getattr(instance, name) for name in self._plain}
        values, refusals = self._convert(given)
        self._raise(values, refusals, whole=True)
        return values

    def partial(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain values of some fields; ``EntityError`` for a name that is none."""
        for name in fields:
            self.entity.field(name)
        values, refusals = self._convert(fields)
        self._raise(values, refusals, whole=False)
        return values

    def value(self, name: str, value: Any) -> Any:
        """Return the plain value of one field's value, rules not looked at; ``Refusal``."""
        return self._plain[name](value)

    def item(self, name: str, value: Any) -> Any:
        """Return the plain value of one item of the array field *name*; ``Refusal``."""
        return plain.to_plain(self.entity.field(name).type.items[0])(value)

    def instance(self, values: Row) -> Any:
        """Return the application's object of *values*; a missing field gets its default."""
        given = {
            self._aliases[name]: convert(values[name])
            for name, convert in self._application.items()
            if name in values
        }
        return self.entity.cls(**given)

    def default(self, name: str) -> Any:
        """Return the plain default of a field that is not required."""
        make = self.entity.field(name).make_default
        return None if make is None else self._plain[name](make())

    def _convert(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], Refusals]:
        values, refusals = {}, []
        for name, value in given.items():
            try:
                values[name] = self._plain[name](value)
            except Refusal as refusal:
                refusals.append((name, refusal))
        return values, tuple(refusals)

    def _raise(self, values: dict[str, Any], refusals: Refusals, *, whole: bool) -> None:
        found = (*refusals, *self.broken_rules(values))
        if whole and not found:
            found = self.too_large(values, {})
        if not found:
            return
        key = self._readable_key(values)
        problems = tuple(self.problem(name, refusal, key) for name, refusal in found)
        first = problems[0]
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise CheckError(
            f"{first.field}: {first.expected}{more}",
            entity=self.entity.name,
            key=key or None,
            problems=problems,
        )

    def _readable_key(self, values: Row) -> str:
        if all(part in values for part in self.entity.key):
            return self.key_text(self.key_of(values))
        return ""

    # keys

    def key_of(self, values: Row) -> Key:
        """Return the key among plain *values*."""
        if self._single is not None:
            return values[self._single]
        return tuple(values[part] for part in self.entity.key)

    def key(self, value: Any) -> Key:
        """Return the plain key of an application's key; ``UsageError`` where it cannot be one."""
        parts = (value,) if self._single is not None else value
        if not isinstance(parts, tuple) or len(parts) != len(self.entity.key):
            names = ", ".join(self.entity.key)
            raise UsageError(f"a key of {self.entity.name} is a tuple of ({names})")
        try:
            made = tuple(
                self._checked(name, part) for name, part in zip(self.entity.key, parts, strict=True)
            )
        except Refusal as refusal:
            raise UsageError(f"a key of {self.entity.name}: {refusal.expected}") from None
        return made[0] if self._single is not None else made

    def _checked(self, name: str, value: Any) -> Any:
        made = self._plain[name](value)
        for check in self._checks.get(name, ()):
            check(made)
        return made

    def application_key(self, key: Key) -> Any:
        """Return the application's key of a plain key."""
        if self._single is not None:
            return self._application[self._single](key)
        return tuple(
            self._application[name](part) for name, part in zip(self.entity.key, key, strict=True)
        )

    def key_text(self, key: Key) -> str:
        """Return a key as text: a single key's canonical text, a composite key as a JSON array."""
        if self._single is not None:
            made = self._encoded(self._single, key)
            return made if isinstance(made, str) else str(made)
        parts = [self._encoded(n, part) for n, part in zip(self.entity.key, key, strict=True)]
        return msgspec.json.encode(parts).decode()

    def key_of_text(self, text: str) -> Key:
        """Return the plain key of a key's text; ``UsageError`` where it is none."""
        try:
            if self._single is not None:
                return self._key_part(self._single, text)
            parts = msgspec.json.decode(text, type=list)
            made = [self.decoders[n](p) for n, p in zip(self.entity.key, parts, strict=True)]
        except (Refusal, ValueError, msgspec.DecodeError, RecursionError):
            names = ", ".join(self.entity.key)
            raise UsageError(f"{text!r} is no key of {self.entity.name} ({names})") from None
        return tuple(made)

    def _key_part(self, name: str, text: str) -> Any:
        kind = self.entity.field(name).type.scalar
        given: Any = text
        if kind is Kind.INT and str(number := int(text)) == text:
            given = number
        elif kind is Kind.BOOL:
            given = {"True": True, "False": False}.get(text, text)
        return self.decoders[name](given)

    def _encoded(self, name: str, value: Any) -> Any:
        encode = self.encoders[name]
        return value if encode is None else encode(value)

    # documents

    def decode(self, given: Mapping[str, Any]) -> Decoded:
        """Return the plain values of a document's declared fields (field name to JSON value).

        A field that *given* lacks is missing: refused where it is required. Rules are checked.
        """
        values: dict[str, Any] = {}
        spelling: dict[str, Any] = {}
        refusals: list[tuple[str, Refusal]] = []
        for name, raw in given.items():
            try:
                values[name] = value = self.decoders[name](raw)
            except Refusal as refusal:
                refusals.append((name, refusal))
                continue
            if self._encoded(name, value) != raw:
                spelling[name] = kept(raw)
        lacking = Refusal(Reason.MISSING, "a value expected, none found")
        refusals += [(name, lacking) for name in self._required if name not in given]
        found = (*refusals, *self.broken_rules(values))
        return Decoded(values, spelling, found)

    def encode(self, values: Row, spelling: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the document of *values*: field name to JSON value, in the entity's order.

        *spelling* (of a residue) is used for each field whose value it still decodes to.
        """
        made = {name: self._encoded(name, values[name]) for name in self._plain if name in values}
        for name, original in (spelling or {}).items():
            if name in values and self._still(name, original, values[name]):
                made[name] = written(original)
        return made

    def _still(self, name: str, original: Any, value: Any) -> bool:
        try:
            return bool(self.decoders[name](read(original)) == value)
        except Refusal:
            return False

    # names that nobody declared, inside nested values

    def may_keep(self, values: Row) -> bool:
        """Tell whether a field of *values* may hold names that its class does not declare."""
        return not self._keepers.keys().isdisjoint(values)

    def kept(self, old: Row, values: Row) -> Row:
        """Return *values* of an application, with undeclared names inside as *old* has them."""
        found = {
            name: keep(old[name], values[name])
            for name, keep in self._keepers.items()
            if name in values and name in old
        }
        return {**values, **found} if found else values

    # comparison

    def seen(self, values: Row) -> bytes:
        """Return the canonical bytes of what an application sees: declared names, at all levels."""
        if not self._declared:
            return self._canonical(values, {})
        plain = {
            name: bare(value) if (bare := self._declared.get(name)) else value
            for name, value in values.items()
        }
        return self._canonical(plain, {})

    def canonical(self, values: Row, extras: Mapping[str, Any] | None = None) -> bytes:
        """Return the canonical bytes of a record: equal bytes are equal records."""
        return self._canonical(values, extras or {})

    def record_bytes(self, record: Record) -> bytes:
        """Return the canonical bytes of a record with its extras."""
        return self._canonical(record.values, record.residue.extras)

    def differing(self, one: Record, other: Record) -> tuple[str, ...]:
        """Return the names of fields (declared and extras) in which two records differ."""
        names = [name for name in self._plain if self._differ(name, one.values, other.values)]
        extras = {*one.residue.extras, *other.residue.extras}
        names += sorted(n for n in extras if self._extra(one, n) != self._extra(other, n))
        return tuple(names)

    def _differ(self, name: str, one: Row, other: Row) -> bool:
        return self._only(name, one) != self._only(name, other)

    def _only(self, name: str, values: Row) -> bytes:
        return self._canonical({name: values[name]} if name in values else {}, {})

    def _extra(self, record: Record, name: str) -> bytes:
        extras = record.residue.extras
        return self._canonical({}, {name: extras[name]} if name in extras else {})

    # problems

    def broken_rules(self, values: Row) -> Refusals:
        """Return which rules of the entity plain *values* break."""
        found = []
        for name, checks in self._checks.items():
            if values.get(name) is None:
                continue
            for check in checks:
                try:
                    check(values[name])
                except Refusal as refusal:
                    found.append((name, refusal))
        return tuple(found)

    def keep_rules(self, columns: Mapping[str, Sequence[Any]]) -> bool:
        """Tell whether *columns* (field to plain values) break no rule; may err towards no."""
        for name, checks in self._checks.items():
            there = [value for value in columns.get(name, ()) if value is not None]
            if there and not all(check.all(there) for check in checks):
                return False
        return True

    def too_large(self, values: Row, extras: Mapping[str, Any]) -> Refusals:
        """Return a refusal (of no field) where the record is larger than a backend need hold."""
        if len(self.canonical(values, extras)) <= MAX_RECORD_BYTES:
            return ()
        expected = f"a record of at most {MAX_RECORD_BYTES:,} bytes expected"
        return (("", Refusal(Reason.SIZE, expected)),)

    def problem(self, name: str, refusal: Refusal, key: str = "", *, file: str = "") -> Problem:
        """Return a refusal of a field as a ``Problem`` of this entity."""
        return Problem(
            entity=self.entity.name,
            reason=refusal.reason,
            expected=refusal.expected,
            key=key,
            field=name + refusal.path,
            file=file,
        )


@cache
def _codec(cls: type) -> Codec:
    from fluxstore.entity import entity_of

    return Codec(entity_of(cls))


def _attributes(cls: type) -> Iterable[Any]:
    return cast("Iterable[Any]", attrs.fields(cast("type[attrs.AttrsInstance]", cls)))
