"""An entity's rules beside types: ranges, patterns, lengths, keys; as functions made once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from fluxstore.codec.refusal import Refusal
from fluxstore.entity import Field
from fluxstore.records import Reason

MAX_KEY_BYTES = 1024
_SHORT_KEY = MAX_KEY_BYTES // 4
"""In characters, of which none has more than 4 bytes."""


@attrs.frozen
class Check:
    """One rule: raises ``Refusal`` for a value that breaks it."""

    one: Callable[[Any], None]
    all: Callable[[Sequence[Any]], bool]
    """Tells of some values whether all of them keep it; may err towards no."""

    def __call__(self, value: Any) -> None:
        """Check one value."""
        self.one(value)


def checks_of(field: Field, *, in_key: bool) -> tuple[Check, ...]:
    """Return the checks that a plain, non-null value of *field* must pass."""
    rules = field.rules
    made: list[Check] = []
    if in_key:
        made.append(Check(_check_key, _are_keys))
    if rules.minimum is not None or rules.maximum is not None:
        made.append(_range(rules.minimum, rules.maximum))
    if rules.max_length is not None:
        made.append(_length(rules.max_length))
    if rules.pattern is not None:
        made.append(_pattern(rules.pattern))
    return tuple(made)


def _check_key(value: Any) -> None:
    if not isinstance(value, str):
        return
    if not value:
        raise Refusal(Reason.KEY, "a key that is not empty expected")
    if len(value.encode()) > MAX_KEY_BYTES:
        raise Refusal(Reason.KEY, f"a key of at most {MAX_KEY_BYTES:,} bytes expected")


def _are_keys(values: Sequence[Any]) -> bool:
    kinds = set(map(type, values))
    if kinds != {str}:
        return str not in kinds
    return all(values) and max(map(len, values)) <= _SHORT_KEY


def _range(minimum: float | None, maximum: float | None) -> Check:
    words = " and ".join(
        part
        for part in (
            f"at least {minimum:g}" if minimum is not None else "",
            f"at most {maximum:g}" if maximum is not None else "",
        )
        if part
    )

    def is_out(least: Any, most: Any) -> bool:
        return (minimum is not None and least < minimum) or (maximum is not None and most > maximum)

    def check(value: Any) -> None:
        if is_out(value, value):
            raise Refusal(Reason.RANGE, f"{words} expected")

    return Check(check, lambda values: not is_out(min(values), max(values)))


def _length(maximum: int) -> Check:
    def check(value: Any) -> None:
        if len(value) > maximum:
            raise Refusal(Reason.LENGTH, f"at most {maximum:,} expected, {len(value):,} found")

    return Check(check, lambda values: max(map(len, values)) <= maximum)


def _pattern(pattern: str) -> Check:
    search = re.compile(pattern).search

    def check(value: Any) -> None:
        if not search(value):
            raise Refusal(Reason.PATTERN, f"text like {pattern} expected")

    return Check(check, lambda values: all(map(search, values)))
