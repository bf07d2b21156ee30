"""An entity's rules beside types: ranges, patterns, lengths, keys; as functions made once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fluxstore.codec.refusal import Refusal
from fluxstore.entity import Field
from fluxstore.records import Reason

MAX_KEY_BYTES = 1024
Check = Callable[[Any], None]


def checks_of(field: Field, *, in_key: bool) -> tuple[Check, ...]:
    """Return the checks that a plain, non-null value of *field* must pass."""
    rules = field.rules
    made: list[Check] = []
    if in_key:
        made.append(_check_key)
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


def _range(minimum: float | None, maximum: float | None) -> Check:
    words = " and ".join(
        part
        for part in (
            f"at least {minimum:g}" if minimum is not None else "",
            f"at most {maximum:g}" if maximum is not None else "",
        )
        if part
    )

    def check(value: Any) -> None:
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise Refusal(Reason.RANGE, f"{words} expected")

    return check


def _length(maximum: int) -> Check:
    def check(value: Any) -> None:
        if len(value) > maximum:
            raise Refusal(Reason.LENGTH, f"at most {maximum:,} expected, {len(value):,} found")

    return check


def _pattern(pattern: str) -> Check:
    compiled = re.compile(pattern)

    def check(value: Any) -> None:
        if not compiled.search(value):
            raise Refusal(Reason.PATTERN, f"text like {pattern} expected")

    return check
