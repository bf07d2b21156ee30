"""From what was seen of a field to its type, its default and its rules."""

from __future__ import annotations

import re
from collections.abc import Callable

import attrs

from fluxstore.inference import naming
from fluxstore.inference.keys import kind_of_key
from fluxstore.inference.observing import EXACT_IN_A_FLOAT, MAX_INT, Values
from fluxstore.inference.plan import FieldPlan

ANY = "Any"
SCALARS = ("bool", "int", "float", "str")
LONGEST_CHOICE = 24
_PERSONAL = re.compile(
    r"(^|_)(e_?mail|email_address|pass(word|wd|phrase)?|pwd|password_hash|phone|mobile|ssn|iban"
    r"|birth_?(day|date)|date_of_birth|token|secret|api_key|google_id|oauth_id)($|_)"
)
_UNIQUE = re.compile(r"(.*_)?e_?mail(_address)?\Z|user_?name\Z|login\Z")
_CHOICE = re.compile(r"[A-Za-z0-9][\w.:-]*( [\w.:-]+)*\Z", re.ASCII)


def is_personal(name: str) -> bool:
    """Tell whether values under *name* are to be masked in messages."""
    return bool(_PERSONAL.search(naming.snake(name)))


def annotation_of(values: Values) -> tuple[str, str]:
    """Return the annotation for what was seen, and a remark where somebody should look at it."""
    kinds = values.kinds
    if not kinds:
        return ANY, "only null was seen: say what it is"
    if kinds <= {"int", "float"}:
        return _number(values, kinds)
    if len(kinds) > 1:
        return _several(values, kinds)
    return _ONE_KIND[next(iter(kinds))](values)


def _several(values: Values, kinds: set[str]) -> tuple[str, str]:
    remark = "values of several types were seen"
    if not kinds <= set(SCALARS) or values.largest > MAX_INT:
        return ANY, remark
    return " | ".join(kind for kind in SCALARS if kind in kinds), remark


def _of_key(values: Values) -> tuple[str, str]:
    """Return the annotation of a key: of most of its values, so that a bad one is named as bad."""
    annotation = "int" if kind_of_key(values) == "int" else _text(values)[0]
    return annotation, ""


def _text(values: Values) -> tuple[str, str]:
    for name in values.texts:
        if name == "naive":
            return "str", "times without an offset from UTC: text, because nobody guesses it"
        return name, ""
    return "str", _choices(values)


def _choices(values: Values) -> str:
    seen = sorted(values.choices or ())
    if not seen or not all(len(one) <= LONGEST_CHOICE and _CHOICE.match(one) for one in seen):
        return ""
    return f"seen: {', '.join(seen)}"


def _number(values: Values, kinds: set[str]) -> tuple[str, str]:
    if kinds == {"int"}:
        return "int", ""
    if "int" in kinds and values.largest > EXACT_IN_A_FLOAT:
        return ANY, "integers that no float can hold exactly stand beside floats"
    return "float", ""


def _list(items: Values | None) -> tuple[str, str]:
    if items is None or not items.present:
        return "list[Any]", "only empty arrays were seen: say what they hold"
    if items.nulls or len(items.kinds) > 1 or items.largest > MAX_INT:
        return "list[Any]", ""
    kind = next(iter(items.kinds))
    if kind == "dict":
        return "list[dict[str, Any]]", ""
    return (f"list[{kind}]" if kind in SCALARS else "list[Any]"), ""


_ONE_KIND: dict[str, Callable[[Values], tuple[str, str]]] = {
    "str": _text,
    "bool": lambda _: ("bool", ""),
    "list": lambda values: _list(values.items),
    "dict": lambda _: ("dict[str, Any]", ""),
}


def plan_field(json_name: str, name: str, values: Values, *, count: int, in_key: bool) -> FieldPlan:
    """Return the plan of a field that was seen in *count* records."""
    annotation, comment = _of_key(values) if in_key else annotation_of(values)
    plain = naming.snake(json_name)
    nulls, missing = bool(values.nulls), values.present < count
    made = FieldPlan(
        name=name,
        source_name=json_name,
        annotation=annotation,
        pii=is_personal(json_name),
        bigint=annotation == "int" and values.largest > MAX_INT,
        unique=annotation == "str"
        and bool(_UNIQUE.match(plain))
        and not in_key
        and values.present > 1
        and values.is_unique(),
        comment=comment,
    )
    if in_key or not (nulls or missing):
        return made
    if annotation.startswith(("list", "dict")) and not nulls:
        return attrs.evolve(made, default=annotation.partition("[")[0])
    return attrs.evolve(made, nullable=annotation != ANY, default="None")
