"""Conditions and orders: fragments of SQL with the values that are bound to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from fluxstore_sqlite import sql


@attrs.frozen
class Condition:
    """A condition and its values, in order."""

    text: str
    values: tuple[Any, ...] = ()


ALWAYS = Condition("TRUE")
NEVER = Condition("FALSE")


@attrs.frozen
class Asked:
    """A column that is asked about, with the collation that the question must name."""

    column: str
    collation: str | None = None

    @property
    def text(self) -> str:
        """The column, and how it is compared."""
        asked = sql.column(self.column)
        return f"{asked} COLLATE {self.collation}" if self.collation else asked


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Return what holds where every condition holds."""
    return _joined(" AND ", [one for one in conditions if one is not ALWAYS], ALWAYS)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Return what holds where one condition holds."""
    return _joined(" OR ", [one for one in conditions if one is not NEVER], NEVER)


def _joined(word: str, conditions: Sequence[Condition], none: Condition) -> Condition:
    if len(conditions) < 2:
        return conditions[0] if conditions else none
    values = tuple(value for one in conditions for value in one.values)
    return Condition(word.join(f"({one.text})" for one in conditions), values)


def is_null(asked: Asked, wanted: bool = True) -> Condition:
    """Return the condition that there is a null, or that there is none."""
    return Condition(f"{sql.column(asked.column)} IS {'' if wanted else 'NOT '}NULL")


def compared(asked: Asked, operator: str, value: Any) -> Condition:
    """Return a comparison with a value that is no null."""
    return Condition(f"{asked.text} {operator} ?", (value,))


def equal(asked: Asked, value: Any) -> Condition:
    """Return equality, a null equal to a null."""
    return is_null(asked) if value is None else compared(asked, "=", value)


def unequal(asked: Asked, value: Any) -> Condition:
    """Return inequality; a null differs from every value."""
    return is_null(asked, False) if value is None else compared(asked, "IS NOT", value)


def one_of(asked: Asked, values: Sequence[Any]) -> Condition:
    """Return equality with one of *values*, a null among them or not."""
    given = tuple(value for value in values if value is not None)
    found = Condition(f"{asked.text} IN ({sql.marks(len(given))})", given) if given else NEVER
    return any_of((found, is_null(asked))) if None in values else found


def starts_with(asked: Asked, prefix: str) -> Condition:
    """Return that a text starts with *prefix*: a range of code points, which an index can serve."""
    end = _end_of_range(prefix)
    if not prefix:
        return is_null(asked, False)
    start = compared(asked, ">=", prefix)
    return start if end is None else all_of((start, compared(asked, "<", end)))


def _end_of_range(prefix: str) -> str | None:
    """Return the least text that is greater than every text that starts with *prefix*."""
    shortened = prefix.rstrip("\U0010ffff")
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    # Surrogates are no text: what follows U+D7FF is U+E000.
    return shortened[:-1] + chr(0xE000 if following == 0xD800 else following)


def contains(asked: Asked, json_type: str, value: Any) -> Condition:
    """Return that a JSON array holds a value of one of JSON's types, as SQLite calls them."""
    array = sql.column(asked.column)
    item = "e.type = ?" if value is None else "e.type = ? AND e.value = ?"
    values = (json_type,) if value is None else (json_type, value)
    return Condition(sql.statement("records", "contains", array=array, item=item), values)


def holds(asked: Asked, predicate: int) -> Condition:
    """Return that a predicate in Python holds (``fluxstore_sqlite.predicates``)."""
    return Condition(f"fluxstore_holds(?, {sql.column(asked.column)})", (predicate,))


def after_key(asked: Sequence[Asked], values: Sequence[Any]) -> Condition:
    """Return that a key comes after *values*."""
    texts = ", ".join(one.text for one in asked)
    return Condition(f"({texts}) > ({sql.marks(len(values))})", tuple(values))


def after(
    order: Sequence[tuple[Asked, bool]],
    values: Sequence[Any],
    key: Sequence[Asked],
    key_values: Sequence[Any],
) -> Condition:
    """Return what comes after *values* in *order* (descending or not), and then by key."""
    branches: list[Condition] = []
    tied: list[Condition] = []
    for (asked, descending), value in zip(order, values, strict=True):
        if value is not None:
            later = compared(asked, "<" if descending else ">", value)
            branches.append(all_of((*tied, any_of((later, is_null(asked))))))
        tied.append(equal(asked, value))
    return any_of((*branches, all_of((*tied, after_key(key, key_values)))))


def ordered(order: Sequence[tuple[Asked, bool]], key: Sequence[Asked]) -> str:
    """Return what comes behind ORDER BY: nulls last either way, the key last, ascending."""
    fields = [f"{asked.text} {'DESC' if down else 'ASC'} NULLS LAST" for asked, down in order]
    return ", ".join((*fields, *(asked.text for asked in key)))
