"""From a table to a frozen attrs class: nothing coerced, every error with its key, all at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.errors import (
    AttributeValidationNote,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.strategies import configure_union_passthrough
from cattrs.v import format_exception

from fluxstore.errors import ConfigError
from fluxstore.settings import Secret, duration

T = TypeVar("T")


def _strict(cls: type, words: str) -> Any:
    def convert(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            raise ValueError(f"{words} expected")
        return value

    return convert


def _float(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("a number expected")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text expected")
    return value


def make_converter() -> cattrs.Converter:
    """Return the converter that structures settings."""
    made = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    made.register_structure_hook(str, _strict(str, "text"))
    made.register_structure_hook(int, _strict(int, "a whole number"))
    made.register_structure_hook(bool, _strict(bool, "true or false"))
    made.register_structure_hook(float, _float)
    made.register_structure_hook(timedelta, lambda value, _: duration(value))
    made.register_structure_hook(Secret, lambda value, _: Secret(_text(value)))
    made.register_structure_hook(Path, lambda value, _: Path(_text(value)))
    configure_union_passthrough(str | int, made)
    return made


_converter = make_converter()


def structure(table: Mapping[str, Any], cls: type[T], *, file: Path, key: str) -> T:
    """Return *table* as an instance of the attrs class *cls*; ``ConfigError`` with every error."""
    if not isinstance(table, Mapping):
        raise ConfigError("a table expected", file=str(file), key=key)
    try:
        return _converter.structure(table, cls)
    except (cattrs.BaseValidationError, ValueError) as error:
        problems = [_words(each, at) for each, at in _flat(error, "")]
        raise ConfigError("; ".join(problems), file=str(file), key=key) from None


def _flat(error: BaseException, at: str) -> list[tuple[BaseException, str]]:
    if not isinstance(error, cattrs.BaseValidationError):
        return [(error, at)]
    return [
        found for each in error.exceptions for found in _flat(each, f"{at}{_step(each)}".strip("."))
    ]


def _step(error: BaseException) -> str:
    """Return where in its container an error arose, from the notes that cattrs leaves."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f".{note.name}"
        if isinstance(note, IterableValidationNote):
            return f".{note.index}" if isinstance(note.index, str) else f"[{note.index}]"
    return ""


def _words(error: BaseException, at: str) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        return unknown_keys(error.extra_fields, error.cl, at)
    if isinstance(error, KeyError):
        return f"{at}: is missing" if at else f"{error.args[0]} is missing"
    words = str(error) if isinstance(error, ValueError) else format_exception(error, None)
    return f"{at}: {words}" if at else words


def unknown_keys(names: set[str], cls: type, at: str = "") -> str:
    """Return words for keys that *cls* does not have, with near names."""
    known = [attribute.name for attribute in attrs.fields(cls)]
    parts = []
    for name in sorted(names):
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        where = f"{at}.{name}".strip(".")
        parts.append(f"unknown key {where!r}, {hint}")
    return "; ".join(parts)
