"""Names: from a file's or a JSON object's to an entity's, a class's and a field's."""

from __future__ import annotations

import keyword
import re
import unicodedata

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
MAX_LENGTH = 60
TAKEN = frozenset({"str", "int", "float", "bool", "list", "dict", "date", "datetime"})
"""Types in the annotations of a class that a field of that name would hide from type checkers."""
ALSO_TAKEN = frozenset({"field", "entity", "self"})
SAME_IN_PLURAL = frozenset({"data", "media", "metadata", "news", "series", "species", "status"})
IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "indices": "index",
    "statuses": "status",
    "addresses": "address",
    "movies": "movie",
    "cookies": "cookie",
}
_SINGULAR = (
    (re.compile(r"ies$"), "y"),
    (re.compile(r"(ss|sh|ch|x|z)es$"), r"\1"),
    (re.compile(r"(?<!s)(?<!u)(?<!i)s$"), ""),
)


def snake(name: str) -> str:
    """Return *name* in snake_case: ASCII letters, digits, ``_``; empty where none is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    words = _NOT_WORD.sub("_", _BOUNDARY.sub("_", plain).lower()).strip("_")[:MAX_LENGTH]
    return f"n{words}" if words[:1].isdigit() else words.rstrip("_")


STYLES = ("snake_case", "camelCase", "PascalCase", "kebab-case")


def spelled(name: str, style: str) -> str:
    """Return a snake_case *name* in one of ``STYLES``, as the JSON adapter spells it."""
    first, *rest = name.split("_")
    humps = "".join(part[:1].upper() + part[1:] for part in rest)
    match style:
        case "camelCase":
            return first + humps
        case "PascalCase":
            return first[:1].upper() + first[1:] + humps
        case "kebab-case":
            return name.replace("_", "-")
        case _:
            return name


def field_name(name: str, taken: frozenset[str] = TAKEN) -> str:
    """Return the field for a JSON name, one that hides no type; empty where none can be."""
    made = snake(name)
    if made in taken | ALSO_TAKEN or keyword.iskeyword(made):
        return f"{made}_"
    return made


def singular(name: str) -> str:
    """Return the last word of a snake_case *name* in the singular."""
    head, _, last = name.rpartition("_")
    if last not in SAME_IN_PLURAL:
        last = IRREGULAR.get(last) or _regular(last)
    return f"{head}_{last}" if head else last


def _regular(word: str) -> str:
    for pattern, replacement in _SINGULAR:
        made, changed = pattern.subn(replacement, word)
        if changed and made:
            return made
    return word


def class_name(entity: str) -> str:
    """Return the class of an entity: ``order_lines`` → ``OrderLine``."""
    made = "".join(part[:1].upper() + part[1:] for part in singular(entity).split("_"))
    return f"{made}Record" if made in {"Any", "UUID", "None", "True", "False"} else made


def unused(name: str, used: set[str]) -> str:
    """Return *name*, with a number where it is in *used*, and put it there."""
    made, number = name, 2
    while made in used:
        made, number = f"{name}_{number}", number + 1
    used.add(made)
    return made
