"""Digests by which a migration knows keys, unique values, references and whole records."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import xxhash

from fluxstore.codec import Codec, proof, value_bytes
from fluxstore.codec.canonical import normal
from fluxstore.entity import Entity, Field
from fluxstore.errors import UsageError
from fluxstore.evaluate import reading
from fluxstore.kinds import Kind, Type
from fluxstore.records import Key, Record, Row

PROOF_BYTES = 32
SPELLING_BYTES = 8
_AS_WRITTEN = bytes(SPELLING_BYTES)
_spelling = msgspec.msgpack.Encoder(order="sorted")

KeyDigest: TypeAlias = Callable[[Key], bytes]
RowDigest: TypeAlias = Callable[[Row], bytes | None]


def key_digest(entity: Entity) -> KeyDigest:
    """Return the function from a plain key of *entity* to its digest.

    128 bits of XXH3 over the key's text: enough that no two keys meet by chance.
    """
    digest = xxhash.xxh3_128_digest
    if len(entity.key) == 1 and entity.field(entity.key[0]).type.scalar is Kind.STR:
        return lambda key: digest(key.encode())
    text = Codec.of(entity).key_text
    return lambda key: digest(text(key).encode())


def text_digest(entity: Entity) -> Callable[[str], bytes]:
    """Return the function from a key's text, as a problem names it, to the key's digest.

    A text that is no key (``[3]``, a place in a file) has a digest too.
    """
    codec, digest = Codec.of(entity), key_digest(entity)

    def made(text: str) -> bytes:
        try:
            return digest(codec.key_of_text(text))  # an upper-case UUID is the same key
        except UsageError:
            return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))

    return made


def unique_digest(entity: Entity, group: tuple[str, ...]) -> RowDigest:
    """Return the function to the digest of a unique group's values, ``None`` where one is null."""
    fields = [entity.field(name) for name in group]
    reads = [(reading(entity, field), normal(field.type) or _same) for field in fields]

    def digest(values: Row) -> bytes | None:
        found = [make(read(values)) for read, make in reads]
        return None if None in found else xxhash.xxh3_128_digest(value_bytes(found))

    return digest


def reference_digest(entity: Entity, field: Field, parent: Entity) -> RowDigest:
    """Return the function to the digest of the key that *field* refers to, ``None`` for a null."""
    read, digest = reading(entity, field), key_digest(parent)

    def referred(values: Row) -> bytes | None:
        value = read(values)
        return None if value is None else digest(value)

    return referred


def record_digest(entity: Entity) -> Callable[[Record], bytes]:
    """Return the function to a record's proof (SHA-256 of its canonical bytes) and its spelling.

    The spelling's 8 bytes tell apart what is equal by value and not as a document: the residue's
    spelling and aliases, the scale of a Decimal. They are zero where there is none of that.
    """
    codec = Codec.of(entity)
    encode, scaled = codec.record_bytes, scaled_fields(entity)

    def digest(record: Record) -> bytes:
        residue = record.residue
        if not (residue.spelling or residue.alias or scaled):
            return proof(encode(record)) + _AS_WRITTEN
        parts: list[Any] = [residue.spelling, residue.alias]
        if scaled:
            values = {name: record.values[name] for name in scaled if name in record.values}
            parts.append(codec.encode(values))
        return proof(encode(record)) + xxhash.xxh3_64_digest(_written(parts))

    return digest


def scaled_fields(entity: Entity) -> tuple[str, ...]:
    """Return the fields that hold a Decimal, however deep: 1.1 and 1.10 are two documents."""
    return tuple(field.name for field in entity.fields if holds(field.type, Kind.DECIMAL))


def holds(type_: Type, kind: Kind) -> bool:
    """Tell whether values of *type_* may hold one of *kind*."""
    inner = (*type_.items, *(member for _, member in type_.members))
    return type_.kind is kind or any(holds(one, kind) for one in inner)


def _written(parts: list[Any]) -> bytes:
    try:
        return _spelling.encode(parts)
    except OverflowError:  # MessagePack has no integer beyond 64 bits
        return json.dumps(parts, sort_keys=True).encode()


@lru_cache(maxsize=1024)
def fingerprint(entity: Entity) -> str:
    """Return what changes when the entity's key, fields, types or rules do; 32 hex digits."""
    parts = [
        (field.name, repr(field.type), repr(field.rules), field.required) for field in entity.fields
    ]
    text = repr((entity.name, entity.key, parts, entity.unique))
    return xxhash.xxh3_128_hexdigest(text.encode())


def _same(value: Any) -> Any:
    return value
