"""Which fields name records of another entity: every value must be a key there."""

from __future__ import annotations

import re
from functools import cached_property

import attrs

from fluxstore.inference import naming
from fluxstore.inference.observing import Hashes, Values
from fluxstore.inference.plan import EntityPlan, FieldPlan

LONG_ENOUGH = 8
"""Texts of this length do not meet another entity's keys by accident, whatever the field's name."""
UPWARDS = ("parent", "reply_to", "previous", "next", "original")
"""What a record calls another one of its own kind."""
_SUFFIX = re.compile(r"_?(id|uuid|guid|ref|key|code|sku|slug|number|no)$")


@attrs.frozen(slots=False)
class Keys:
    """The keys of an entity with a single key: their field and their hashes."""

    entity: str
    field: FieldPlan
    hashes: Hashes

    @cached_property
    def all(self) -> frozenset[int]:
        """All hashes, made when somebody's first value is among them."""
        return frozenset(self.hashes)

    def hold(self, values: Values) -> bool:
        """Tell whether every value is a key here."""
        given = values.hashes
        same = values.kinds == ({"int"} if self.field.annotation == "int" else {"str"})
        if not given or not same or given[0] not in self.hashes or given[-1] not in self.hashes:
            return False
        return all(one in self.all for one in given)


def keys_of(plan: EntityPlan, values: Values | None) -> Keys | None:
    """Return the keys that a field may refer to; ``None`` where there is no single, known key."""
    if len(plan.key) != 1 or values is None or not values.checked or not values.hashes:
        return None
    field = next(one for one in plan.fields if one.name == plan.key[0])
    return Keys(plan.name, field, values.hashes)


def refer(
    field: FieldPlan, values: Values, known: list[Keys], *, plan: EntityPlan
) -> tuple[FieldPlan, str]:
    """Return a field of *plan*, as a reference where it is one, and why it is or nearly is."""
    if values.hashes is None or not values.hashes or not values.checked:
        return field, ""
    stem = _SUFFIX.sub("", field.name)
    if {f"{stem}_type", f"{stem}_kind"} & {one.name for one in plan.fields}:
        return field, f"{field.name} names records of several entities, so it is no reference"
    likely = [keys for keys in known if _named_after(stem, keys.entity)]
    if stem in UPWARDS:
        likely += [keys for keys in known if keys.entity == plan.name]
    found = next((keys for keys in likely if keys.hold(values)), None)
    if found is None and _telling(values) and plan.key != (field.name,):
        found = next((keys for keys in known if keys.hold(values)), None)
    if found is not None and (found.entity != plan.name or field.name != found.field.name):
        made = attrs.evolve(field, references=found.entity, annotation=found.field.annotation)
        return made, f"{field.name} names {found.entity}"
    return field, _nearly(field, values, likely)


def _named_after(stem: str, entity: str) -> bool:
    one = naming.singular(entity)
    last = one.rpartition("_")[2]
    return bool(stem) and (stem in (one, last) or stem.endswith((f"_{one}", f"_{last}")))


def _telling(values: Values) -> bool:
    return values.kinds == {"str"} and values.shortest >= LONG_ENOUGH


def _nearly(field: FieldPlan, values: Values, likely: list[Keys]) -> str:
    for keys in likely:
        lost = sum(one not in keys.all for one in values.hashes or ())
        if 0 < lost < len(values.hashes or ()):
            return (
                f"{field.name} is no reference to {keys.entity}: {lost:,} of "
                f"{len(values.hashes or ()):,} values are no key there"
            )
    return ""
