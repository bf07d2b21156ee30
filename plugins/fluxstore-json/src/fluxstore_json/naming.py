"""How the names of fields and entities are spelled in documents and files."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from fluxstore.errors import ConfigError


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


NAMINGS: dict[str, Callable[[str], str]] = {
    "snake_case": str,
    "camelCase": _camel,
    "PascalCase": _pascal,
    "kebab-case": lambda name: name.replace("_", "-"),
}


def naming(style: str) -> Callable[[str], str]:
    """Return the function from a snake_case name to one in *style*; ``ConfigError`` for none."""
    made = NAMINGS.get(style)
    if made is None:
        near = get_close_matches(style, NAMINGS)
        hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(NAMINGS)}"
        raise ConfigError(f"no naming {style!r}", key="naming", next_step=hint)
    return made
