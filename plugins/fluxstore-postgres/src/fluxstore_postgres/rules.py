"""An entity's rules, checked before a write: what columns cannot say, they do not have to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fluxstore.codec import MAX_RECORD_BYTES, Codec, Refusal
from fluxstore.errors import ConstraintError
from fluxstore.records import NO_RESIDUE, Intent, Put, Reason, Record, Row
from fluxstore_postgres.tables import Table
from fluxstore_postgres.tabling import Bound

Broken = tuple[str, Refusal]
LARGE_FROM = MAX_RECORD_BYTES // 8
"""In characters: one may be 4 bytes, and 6 as an escape."""


def refuse_broken(bound: Bound, put: Put) -> None:
    """Raise ConstraintError for the first rule that a put breaks."""
    for name, refusal in (*_not_storable(bound.table, put.values), *broken(bound.table, put)):
        field = name + refusal.path
        raise ConstraintError(
            f"{field}: {refusal.expected}" if field else refusal.expected,
            backend=bound.where.backend,
            entity=bound.where.entity,
            key=put.key,
            rule="check",
            fields=(field,) if field else (),
        )


def broken(table: Table, put: Put | Record) -> Iterator[Broken]:
    """Yield the rules that a record breaks, its values being of their types."""
    codec = Codec.of(table.entity)
    yield from codec.broken_rules(put.values)
    for column in table.guarded:
        if column.field.name in put.values or not _is_partial(put):
            found = column.refuse_unfit(put.values)
            yield from [found] if found is not None else []
    if is_perhaps_large(table, put):
        extras = put.residue.extras if put.residue else {}
        yield from codec.too_large(put.values, extras)


def are_good(table: Table, records: Sequence[Record]) -> bool:
    """Tell whether *records* break no rule, as far as can be told at one look at all of them."""
    columns = {name: [r.values.get(name) for r in records] for name in table.entity.by_name}
    if not Codec.of(table.entity).keep_rules(columns):
        return False
    return _fit(table, records) and _are_short(table, columns, records)


def _fit(table: Table, records: Sequence[Record]) -> bool:
    for column in table.guarded:
        name, default = column.field.name, column.default
        values = [one.values.get(name, default) for one in records]
        if not column.nullable and None in values:
            return False
        if column.fits and any(column.refuse_unfit({name: value}) for value in values):
            return False
    return True


def _are_short(
    table: Table, columns: Mapping[str, Sequence[Any]], records: Sequence[Record]
) -> bool:
    """Tell whether all records together are shorter than one may be."""
    total = 0
    for name in table.lengthy:
        there = [value for value in columns[name] if value]
        is_text = {str}.issuperset(map(type, there))
        total += sum(map(len, there)) if is_text else len(str(there))
    extras = [one.residue.extras for one in records if one.residue.extras]
    return total + len(str(extras)) <= LARGE_FROM


def is_perhaps_large(table: Table, put: Put | Record) -> bool:
    """Tell whether a record may be above the limit, at little cost."""
    total = 0
    for name in table.lengthy:
        value = put.values.get(name)
        if value:
            total += len(value) if type(value) is str else len(str(value))
    if put.residue is not NO_RESIDUE and put.residue:
        total += len(str(put.residue.extras))
    return total > LARGE_FROM


def _is_partial(put: Put | Record) -> bool:
    return isinstance(put, Put) and put.intent is Intent.CHANGE


def _not_storable(table: Table, values: Row) -> Iterator[Broken]:
    """Yield what is no plain value of its field; PostgreSQL would take NaN, for one."""
    codec = Codec.of(table.entity)
    for name, value in values.items():
        encode = codec.encoders[name]
        try:
            codec.decoders[name](value if encode is None or value is None else encode(value))
        except Refusal as refusal:
            yield name, refusal
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            yield name, Refusal(Reason.TYPE, "a value of the field's type expected")
