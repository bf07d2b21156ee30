"""One rule that one record breaks: what a commit raises and a merge lists."""

from __future__ import annotations

from typing import Literal

import attrs

from fluxstore.codec import Codec, Refusal
from fluxstore.entity import Entity, Field
from fluxstore.errors import ConstraintError
from fluxstore.records import Key, Problem, Reason, Rejected

Rule = Literal["unique", "reference", "check"]


class BrokenRuleError(Exception):
    """A rule, and which record breaks it."""

    def __init__(
        self, rule: Rule, entity: Entity, key: Key, fields: tuple[str, ...], refusal: Refusal
    ) -> None:
        """Hold the facts."""
        super().__init__(rule, entity.name, key, fields)
        self.rule = rule
        self.entity = entity
        self.key = key
        self.fields = fields
        self.refusal = refusal

    def error(self, backend: str) -> ConstraintError:
        """Return what a commit raises."""
        what = ", ".join(self.fields)
        return ConstraintError(
            f"{what}: {self.refusal.expected}" if what else self.refusal.expected,
            backend=backend,
            entity=self.entity.name,
            key=self.key,
            rule=self.rule,
            fields=self.fields,
        )

    def rejected(self, raw: bytes = b"") -> Rejected:
        """Return what a merge lists."""
        return Rejected(
            Problem(
                entity=self.entity.name,
                reason=self.refusal.reason,
                expected=self.refusal.expected,
                key=Codec.of(self.entity).key_text(self.key),
                field=", ".join(self.fields),
            ),
            raw,
        )


@attrs.frozen
class Breaks:
    """Makes ``BrokenRuleError`` of one entity."""

    entity: Entity

    def check(self, key: Key, field: str, refusal: Refusal) -> BrokenRuleError:
        """Return that a value cannot be kept or breaks a rule of its field."""
        fields = (field + refusal.path,) if field else ()
        return BrokenRuleError("check", self.entity, key, fields, refusal)

    def unique(self, key: Key, group: tuple[str, ...], owner: str) -> BrokenRuleError:
        """Return that another record has the same unique values."""
        words = f"unique values expected, record {owner} has them"
        return BrokenRuleError("unique", self.entity, key, group, Refusal(Reason.UNIQUE, words))

    def reference(self, key: Key, field: Field) -> BrokenRuleError:
        """Return that a reference names no record."""
        words = f"a record of {field.rules.references} expected, none has that key"
        refusal = Refusal(Reason.REFERENCE, words)
        return BrokenRuleError("reference", self.entity, key, (field.name,), refusal)

    def restrict(self, key: Key, child: Entity, field: Field, child_key: str) -> BrokenRuleError:
        """Return that another record keeps this one from being deleted."""
        words = f"record {child_key} of {child.name} refers to it by {field.name}"
        refusal = Refusal(Reason.REFERENCE, words)
        return BrokenRuleError("reference", self.entity, key, (field.name,), refusal)
