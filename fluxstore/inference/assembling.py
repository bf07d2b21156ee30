"""From drafts to a plan: names that do not collide, fields, keys, references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from fluxstore.inference import naming
from fluxstore.inference.drafts import Draft
from fluxstore.inference.fields import plan_field
from fluxstore.inference.observing import Values
from fluxstore.inference.plan import EntityPlan, FieldPlan, Place, Plan
from fluxstore.inference.references import Keys, keys_of, refer


@attrs.define
class Made:
    """An entity's plan so far, and what was seen of each of its fields."""

    plan: EntityPlan
    values: dict[str, Values]


def assemble(drafts: Sequence[Draft]) -> Plan:
    """Return the plan of *drafts*."""
    _name_apart(drafts)
    classes: set[str] = set()
    made: list[Made] = []
    for draft in drafts:
        made += _entities(draft, None, classes)
    _refer(made)
    _follow_types(made)
    return Plan(tuple(one.plan for one in made), naming=_naming(made))


def _name_apart(drafts: Sequence[Draft]) -> None:
    used: set[str] = set()
    for draft in drafts:
        if draft.name in used:
            draft.name = f"{naming.snake(draft.file.removesuffix('.json'))}_{draft.name}"
        draft.name = naming.unused(draft.name, used)
    for child in (child for draft in drafts for child in draft.inside()):
        if child.name in used and child.parent is not None:
            child.name = f"{naming.singular(child.parent.name)}_{child.name}"
        child.name = naming.unused(child.name, used)


def _entities(draft: Draft, parent: EntityPlan | None, classes: set[str]) -> Iterator[Made]:
    """Yield the entity of a draft, then those inside it."""
    made = _entity(draft, parent, classes)
    yield made
    for child in draft.children:
        yield from _entities(child, made.plan, classes)


def _entity(draft: Draft, parent: EntityPlan | None, classes: set[str]) -> Made:
    used: set[str] = set()
    names = _field_names(draft, used)
    values = {name: draft.shape.fields[json_name] for json_name, name in names.items()}
    fields = _fields(draft, names)
    key = tuple(names.get(json_name, "id") for json_name in draft.key.names)
    front, mapping = _parent_fields(parent, used) if parent else ([], {})
    if not key and draft.shape.names is not None:
        named = _name_field(draft, draft.shape.names, used)
        front = [*front, named]
        key, values[named.name] = (named.name,), draft.shape.names
    if draft.key.in_parent:
        key = (*mapping, *key)
    within = parent.name if parent else ""
    plan = EntityPlan(
        name=draft.name,
        class_name=naming.unused(naming.class_name(draft.name), classes),
        key=key,
        fields=(*front, *fields),
        place=Place(
            file=draft.file,
            records=draft.records,
            within=within,
            parent=mapping,
            is_object=draft.shape.names is not None,
            key_inside=draft.shape.names is not None and draft.key.is_inside,
        ),
        records=draft.shape.count,
        reasons=tuple(_reasons(draft, key)),
    )
    return Made(plan, values)


def _name_field(draft: Draft, names: Values, used: set[str]) -> FieldPlan:
    """Return the field that records have from the names they stand under."""
    own = next(n for n in ("id", f"{naming.singular(draft.name)}_id", "key") if n not in used)
    name = naming.unused(own, used)
    return plan_field("", name, names, count=draft.shape.count, in_key=True)


def _field_names(draft: Draft, used: set[str]) -> dict[str, str]:
    """Return the field of each JSON name, without the arrays that are entities themselves."""
    held = {child.records for child in draft.children}
    return {
        json_name: naming.unused(naming.field_name(json_name), used)
        for json_name in draft.shape.fields
        if json_name not in held
    }


def _fields(draft: Draft, names: dict[str, str]) -> list[FieldPlan]:
    shape = draft.shape
    if not shape.count:
        return [FieldPlan("id", "id", "str", comment="no record is there yet: say what one has")]
    return [
        plan_field(
            json_name,
            name,
            shape.fields[json_name],
            count=shape.count,
            in_key=json_name in draft.key.names,
        )
        for json_name, name in names.items()
    ]


def _parent_fields(parent: EntityPlan, used: set[str]) -> tuple[list[FieldPlan], dict[str, str]]:
    """Return fields that hold the parent's key, and which of its fields each is."""
    one = naming.singular(parent.name)
    fields: list[FieldPlan] = []
    mapping: dict[str, str] = {}
    single = len(parent.key) == 1
    for part in parent.key:
        theirs = next(field for field in parent.fields if field.name == part)
        name = part if part.startswith(f"{one}_") else f"{one}_{part.strip('_')}"
        name = naming.unused(name if name not in used else f"parent_{name}", used)
        reference = parent.name if single else ""
        fields.append(
            FieldPlan(
                name,
                "",
                theirs.annotation,
                references=reference,
                on_delete="cascade" if single else "",
            )
        )
        mapping[name] = part
    return fields, mapping


def _reasons(draft: Draft, key: Sequence[str]) -> list[str]:
    reasons = [f"key {', '.join(key)} ({draft.key.reason})"]
    if draft.key.warning:
        reasons.append(f"{draft.key.warning}: `assess` will name them")
    if draft.shape.odd:
        reasons.append(f"{draft.shape.odd:,} of the items are no objects: `assess` will name them")
    return reasons


def _refer(made: Sequence[Made]) -> None:
    known: list[Keys] = []
    for one in made:
        single = one.values.get(one.plan.key[0]) if one.plan.key else None
        found = keys_of(one.plan, single)
        if found is not None:
            known.append(found)
    for one in made:
        fields: list[FieldPlan] = []
        reasons = list(one.plan.reasons)
        for field in one.plan.fields:
            seen = one.values.get(field.name)
            referring, reason = (
                refer(field, seen, known, plan=one.plan)
                if seen is not None and not field.references
                else (field, "")
            )
            fields.append(referring)
            reasons += [reason] if reason else []
        one.plan = attrs.evolve(one.plan, fields=tuple(fields), reasons=tuple(reasons))


def _follow_types(made: Sequence[Made]) -> None:
    """Give every reference the type of the key it names, which may itself be a reference."""
    for _ in made:
        types = {one.plan.name: _key_type(one.plan) for one in made}
        for one in made:
            fields = [
                attrs.evolve(field, annotation=types[field.references])
                if field.references
                else field
                for field in one.plan.fields
            ]
            one.plan = attrs.evolve(one.plan, fields=tuple(fields))


def _key_type(plan: EntityPlan) -> str:
    return next(field.annotation for field in plan.fields if field.name == plan.key[0])


def _naming(made: Sequence[Made]) -> str:
    """Return the style under which the fewest fields need to be renamed."""
    fields = [field for one in made for field in one.plan.fields if field.source_name]

    def renamed(style: str) -> int:
        return sum(naming.spelled(field.name, style) != field.source_name for field in fields)

    return min(naming.STYLES, key=renamed)
