"""Writes the module of entities, as a careful developer and ruff would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fluxstore.errors import printable
from fluxstore.inference.plan import EntityPlan, FieldPlan, Plan

WIDTH = 88
INDENT = "    "
_STANDARD = {
    "datetime": {"date", "datetime", "time", "timedelta"},
    "decimal": {"Decimal"},
    "typing": {"Any"},
    "uuid": {"UUID"},
}
_HEAD = '''"""The entities of this project, as `fluxstore init` read them{source}.

This file is yours: rename, narrow types, add rules. What a record has beside these fields is
kept with it, untouched.
"""
'''


def module_text(plan: Plan, *, source: str = "") -> str:
    """Return the whole module; *source* says where the records were read from."""
    classes = [_class(entity) for entity in plan.entities]
    imports = _imports(plan)
    head = _HEAD.format(source=f" from {_documented(source)}" if source else "")
    return head + "\n" + "\n".join(imports) + "\n" + "".join(f"\n\n{text}" for text in classes)


def _imports(plan: Plan) -> list[str]:
    fields = [field for entity in plan.entities for field in entity.fields]
    words = {word for field in fields for word in _words(field.annotation)}
    standard = [
        f"from {module} import {', '.join(sorted(words & names))}"
        for module, names in _STANDARD.items()
        if words & names
    ]
    ours = ["entity", "field"] if any(_needs_field(field) for field in fields) else ["entity"]
    return [*standard, *([""] if standard else []), f"from fluxstore import {', '.join(ours)}"]


def _words(annotation: str) -> set[str]:
    return set(annotation.translate(str.maketrans("[],|", "    ")).split())


def _class(entity: EntityPlan) -> str:
    lines = [_decorator(entity), f"class {entity.class_name}:", *_docstring(entity), ""]
    for field in entity.fields:
        lines += _field(field)
    return "\n".join(lines) + "\n"


def _decorator(entity: EntityPlan) -> str:
    arguments = [quoted(entity.name)]
    if entity.key != ("id",):
        arguments.append(f"key={_key(entity.key)}")
    if entity.unique:
        arguments.append(f"unique=[{', '.join(_tuple(group) for group in entity.unique)}]")
    return _call("@entity", arguments, "")


def _key(key: Sequence[str]) -> str:
    return quoted(key[0]) if len(key) == 1 else _tuple(key)


def _tuple(names: Sequence[str]) -> str:
    inner = ", ".join(quoted(name) for name in names)
    return f"({inner},)" if len(names) == 1 else f"({inner})"


def _docstring(entity: EntityPlan) -> list[str]:
    text = f"One of {entity.name}: {entity.place.words()}."
    return [f'{INDENT}"""{_documented(text)}"""']


def _documented(text: str) -> str:
    """Return *text* so that it stays inside a docstring."""
    return printable(text).replace("\\", "\\\\").replace('"', "'")


def _field(field: FieldPlan) -> Iterator[str]:
    annotation = f"{field.annotation} | None" if field.nullable else field.annotation
    left = f"{INDENT}{field.name}: {annotation}"
    if _needs_field(field):
        code = _call(f"{left} = field", list(_arguments(field)), INDENT)
    else:
        code = f"{left} = {field.default}" if field.default else left
    comment = printable(field.comment)
    remark = f"  # {comment}" if comment else ""
    if remark and ("\n" in code or len(code + remark) > WIDTH):
        yield f"{INDENT}# {comment}"
        remark = ""
    yield code + remark


def _needs_field(field: FieldPlan) -> bool:
    rules = field.references or field.unique or field.pii or field.bigint
    return bool(rules) or field.default in ("list", "dict")


def _arguments(field: FieldPlan) -> Iterator[str]:
    if field.default == "None":
        yield "default=None"
    elif field.default:
        yield f"factory={field.default}"
    if field.references:
        yield f"references={quoted(field.references)}"
    if field.on_delete:
        yield f"on_delete={quoted(field.on_delete)}"
    for rule in ("unique", "pii", "bigint"):
        if getattr(field, rule):
            yield f"{rule}=True"


def _call(function: str, arguments: Sequence[str], indent: str) -> str:
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    inner = indent + INDENT
    together = inner + ", ".join(arguments)
    if len(together) <= WIDTH:
        return f"{function}(\n{together}\n{indent})"
    return f"{function}(\n" + "".join(f"{inner}{one},\n" for one in arguments) + f"{indent})"


def quoted(text: str) -> str:
    """Return *text* as a Python string in double quotes, ASCII only."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
